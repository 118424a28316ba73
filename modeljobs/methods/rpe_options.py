"""The settings of RPE: how rollouts are sampled, answers compared, and counts read."""

from __future__ import annotations

from modeljobs.engines.options import Option
from modeljobs.methods.rollouts import CHUNK

SAMPLING_OPTIONS = (
    Option(
        "plan",
        "choice",
        "Rollouts per step",
        help="Published: 128, 64 or 32 for problems that are solved in less than 10 %, in less "
        "than 90 %, and in more of the rollouts. Sequential: chunk after chunk until the label is "
        "settled.",
        default="published",
        choices=(
            ("published", "as published: 128, 64 or 32 by difficulty"),
            ("fixed", "the same number for each"),
            ("sequential", "until the posterior leaves the band"),
        ),
    ),
    Option(
        "samples",
        "int",
        "Number of rollouts",
        help="Per step where the number is fixed; the most where it is sequential.",
        default=64,
        minimum=1,
        maximum=4096,
    ),
    Option(
        "start_samples",
        "int",
        "Rollouts of the problem alone",
        help="For Pass@1, which is MC(s1). All solutions of a problem can share them.",
        default=64,
        minimum=1,
        maximum=4096,
    ),
    Option(
        "chunk",
        "int",
        "Rollouts per request",
        help="Numbers of rollouts are rounded up to whole requests.",
        default=CHUNK,
        minimum=1,
        maximum=64,
    ),
    Option(
        "share_rollouts",
        "bool",
        "Share rollouts",
        help="A prefix that several solutions begin with is sampled once, and a later job with the "
        "same model and sampler has its rollouts too, whatever its seed.",
        default=True,
    ),
    Option(
        "template",
        "choice",
        "How steps are written",
        help='Published: each begins with "Step k: ".',
        default="numbered",
        choices=(("numbered", '"Step k: " before each'), ("plain", "as they are")),
    ),
    Option(
        "instruction_place",
        "choice",
        "Where the instruction stands",
        help="Models that know no system message want it after the problem.",
        default="system",
        choices=(("system", "in the system message"), ("user", "after the problem")),
    ),
    Option(
        "temperature",
        "float",
        "Temperature",
        help="Published: 0.7.",
        default=0.7,
        minimum=0,
        maximum=2,
    ),
    Option("top_p", "float", "Top-p", help="Published: 1.", default=1.0, minimum=0.01, maximum=1),
    Option(
        "top_k",
        "int",
        "Top-k",
        help="Published: -1, all tokens. Empty leaves it to the server, which may take the "
        "model's own; not every server knows it.",
        minimum=-1,
        maximum=1_000_000,
    ),
    Option(
        "max_tokens",
        "int",
        "Longest rollout, in tokens",
        help="Published: 2048. Longer ones count as truncated.",
        default=2048,
        minimum=1,
        maximum=131_072,
    ),
    Option(
        "keep_texts",
        "bool",
        "Keep the rollouts' texts with the steps",
        help="Answers and counts are kept in any case.",
        default=True,
    ),
)
ANSWER_OPTIONS = (
    Option(
        "extraction",
        "choice",
        "Where answers are looked for",
        default="any",
        help="The last box first.",
        choices=(
            ("any", "a box, a sentence that states it, or the last number"),
            ("stated", "a box, or a sentence that states it"),
            ("boxed", "a box alone"),
        ),
    ),
    Option(
        "checker",
        "choice",
        "How answers are compared",
        help="Plain compares texts and numbers and leaves formulas undecided; Math-Verify knows "
        "algebra and needs the sandbox.",
        default="plain",
        choices=(("plain", "plain"), ("math_verify", "Math-Verify, in the sandbox")),
    ),
    Option(
        "percent",
        "bool",
        "Take 50 for 0.5",
        help="Plain alone: an answer may be a hundred times the reference or a hundredth of it.",
        default=False,
    ),
    Option(
        "suspect_share",
        "float",
        "Doubt the reference from this share on",
        help="Where so many of the answers to the problem alone agree on something else.",
        default=0.5,
        minimum=0.01,
        maximum=1,
    ),
)
LABEL_OPTIONS = (
    Option(
        "rule",
        "choice",
        "Rule",
        help="Counts are stored; another rule gives other labels without new rollouts.",
        default="ratio",
        choices=(
            ("ratio", "relative progress reaches epsilon"),
            ("difference", "MC changes by the threshold or more"),
            ("hard", "MC is above zero"),
            ("soft", "MC itself, no verdict"),
        ),
    ),
    Option(
        "epsilon",
        "float",
        "Epsilon",
        help="For the ratio. Published: 0.8.",
        default=0.8,
        minimum=0.01,
        maximum=1,
    ),
    Option(
        "threshold",
        "float",
        "Threshold of the difference",
        help="Published: -0.3.",
        default=-0.3,
        minimum=-1,
        maximum=1,
    ),
    Option(
        "zero_absorbs",
        "bool",
        "After MC = 0 all is 0",
        help="As published.",
        default=True,
    ),
    Option(
        "zero_over_zero",
        "choice",
        "Nothing after nothing",
        help="What 0/0 is, where zero is not absorbing.",
        default="zero",
        choices=(("zero", "0"), ("one", "1"), ("unknown", "unknown")),
    ),
    Option(
        "start_zero",
        "choice",
        "Problems that no rollout solves",
        help="The released code passes them over.",
        default="unknown",
        choices=(
            ("unknown", "no labels"),
            ("absorb", "all steps are wrong"),
            ("use", "a step after which one is solved is correct"),
        ),
    ),
    Option(
        "start_one",
        "choice",
        "Problems that every rollout solves",
        help="The published table of K ends below 1.",
        default="use",
        choices=(("use", "label them"), ("unknown", "no labels")),
    ),
    *(
        Option(
            name,
            "choice",
            title,
            default=default,
            choices=(("wrong", "count as wrong"), ("leave_out", "are left out")),
        )
        for name, title, default in (
            ("truncated", "Truncated rollouts", "wrong"),
            ("unparsable", "Rollouts without an answer", "wrong"),
            ("undecided", "Answers that could not be compared", "leave_out"),
        )
    ),
    Option(
        "undecided_limit",
        "float",
        "Most undecided answers",
        help="Above this share MC is unknown: leaving out more would favour the others.",
        default=0.1,
        minimum=0,
        maximum=1,
    ),
    Option(
        "prior",
        "choice",
        "Prior of both success rates",
        default="jeffreys",
        choices=(("jeffreys", "Jeffreys, Beta(1/2, 1/2)"), ("uniform", "uniform, Beta(1, 1)")),
    ),
    Option(
        "neutral_share",
        "float",
        "Share of steps that change nothing",
        help="What is believed of a step before its rollouts. 0 takes the two rates for "
        "independent and leaves twice as many steps open; above 0.5 small losses are overlooked.",
        default=0.5,
        minimum=0,
        maximum=0.99,
    ),
    Option(
        "band_low",
        "float",
        "Open from this probability on",
        help="A step that passes the rule with a probability within the band goes to people.",
        default=0.05,
        minimum=0,
        maximum=1,
    ),
    Option(
        "band_high",
        "float",
        "Open up to this probability",
        default=0.95,
        minimum=0,
        maximum=1,
    ),
)
