"""GenPRM's settings as a person meets them."""

from __future__ import annotations

from modeljobs.engines.options import Option

OPTIONS = (
    Option(
        "protocol",
        "choice",
        "Kind of model",
        help="A GenPRM checkpoint is asked in the exact words that it was trained on and needs a "
        "server with raw completions. Any other chat model is asked with our own prompt.",
        default="genprm",
        choices=(("genprm", "GenPRM checkpoint"), ("instruct", "Any chat model")),
    ),
    Option(
        "samples",
        "int",
        "Samples per step",
        help="How often each step is judged; the probabilities are averaged and the votes counted. "
        "The published figures are for 1 and 8.",
        default=1,
        minimum=1,
        maximum=64,
    ),
    Option(
        "sampling",
        "choice",
        "What samples have in common",
        help="Independent samples each go on from their own earlier answers, as published. With a "
        "shared history all go on from the answer closest to the mean, which is cheaper.",
        default="trajectory",
        choices=(("trajectory", "Nothing: independent"), ("step", "A shared history")),
    ),
    Option(
        "analyze", "bool", "Analyse first", help="Most of the gain comes from it.", default=True
    ),
    Option(
        "verify",
        "bool",
        "Write code",
        help="The model writes Python that checks the step.",
        default=True,
    ),
    Option(
        "execute",
        "bool",
        "Run the code",
        help="In the sandbox. Without it the model imagines what its code prints.",
        default=True,
    ),
    Option(
        "ladder",
        "bool",
        "Cheap first",
        help="Ask for a bare verdict first, then with an analysis, and in the way set above only "
        "where the mean is still in doubt.",
        default=False,
    ),
    Option(
        "tau",
        "float",
        "Doubt, for cheap first",
        help="A step is decided once its mean is closer than this to 0 or to 1.",
        default=0.1,
        minimum=0,
        maximum=0.5,
    ),
    Option(
        "early_stop",
        "bool",
        "Stop at the first error",
        help="Judge no further once all samples together find a step wrong: about a third less "
        "work, and later steps are left unjudged. Turn it off for training conversations, for "
        "PRMBench's metrics and wherever every step needs a label.",
        default=True,
    ),
    Option(
        "threshold",
        "float",
        "Right from",
        help="A step is right where its mean probability is at least this.",
        default=0.5,
        minimum=0,
        maximum=1,
    ),
    Option(
        "temperature",
        "float",
        "Temperature",
        help="The published figures were made at 0.6.",
        default=0.6,
        minimum=0,
        maximum=2,
    ),
    Option("top_p", "float", "Top-p", default=0.95, minimum=0.01, maximum=1),
    Option(
        "top_k",
        "int",
        "Top-k",
        help="0 leaves it to the server; some providers refuse the setting.",
        default=20,
        minimum=0,
        maximum=1000,
    ),
    Option(
        "max_tokens",
        "int",
        "Tokens per step",
        help="For analysis, code and what it printed together; what exceeds it gets a verdict "
        "without code. For chat models it is the limit of each reply, thoughts included.",
        default=2048,
        minimum=64,
        maximum=131_072,
    ),
    Option(
        "code_rounds",
        "int",
        "Rounds of code",
        help="How often the model may write code for one step.",
        default=3,
        minimum=1,
        maximum=10,
    ),
    Option(
        "logprobs",
        "int",
        "Alternatives per token",
        help="The probability of Yes is read from them. 0 for servers that give none: then only "
        "votes are counted.",
        default=20,
        minimum=0,
        maximum=20,
    ),
    Option(
        "opening",
        "choice",
        "Problem and first step",
        help="How the two share the first turn. A line break is what the published figures were "
        "made with.",
        default="newline",
        choices=(
            ("newline", "A line break between them"),
            ("question", "'Question:' before, a blank line between"),
            ("blank_line", "A blank line between them"),
        ),
    ),
    Option(
        "template",
        "choice",
        "Chat template",
        help="The marks around turns that the checkpoint was trained with.",
        default="deepseek_r1",
        choices=(
            ("deepseek_r1", "DeepSeek-R1-Distill (GenPRM 1.5B, 7B, 32B)"),
            ("chatml", "ChatML (Qwen)"),
        ),
    ),
    Option(
        "assistant_tag",
        "bool",
        "Mark the assistant's turn",
        help="Off asks as the published main branch does, which leaves the mark out before the "
        "answer.",
        default=True,
    ),
)
