"""GenPRM's prompts: the fixed strings of the published checkpoints, and how a chat is written out.

The strings are those that the checkpoints were trained on (GenPRM, Zhao et al. 2025) and stay as
they are. A prompt is built in pieces, each encoded by itself, so that what comes later never
changes the tokens of what came before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from modeljobs.engines.base import Piece

# What a checkpoint was told that was trained without analysis and code.
DIRECT_SYSTEM_TEXT = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution "
    "directly. Output your judgement in the format of `\\boxed{Yes}` if the paragraph is correct, "
    "or `\\boxed{No}` if the paragraph is incorrect."
)
VERIFY_PREFIX = "<verify>\nLet's use python code to find any potential error:\n```python\n"
OUTPUT_PREFIX = "<output>\n**Judgement**: $\\boxed"
CODE_OUTPUT_PREFIX = "[Code Output]\n\n```\n"
ANALYZE_END = "</analyze>\n"
VERIFY_END = "</verify>\n"
OUTPUT_END = "</output>\n"
FENCE_END = "\n```\n"

# The beginning of a mark such as <｜User｜> or <|im_end|>.
_MARK = re.compile(r"<(?=[｜|][^\s<>]{1,40}[｜|]>)")


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A model's own marks around turns."""

    begin: str
    system_end: str
    user_begin: str
    user_end: str
    assistant_begin: str
    assistant_end: str


TEMPLATES: Mapping[str, ChatTemplate] = MappingProxyType(
    {
        # DeepSeek-R1-Distill-Qwen: the system text stands bare behind the first token.
        "deepseek_r1": ChatTemplate(
            begin="<｜begin▁of▁sentence｜>",
            system_end="",
            user_begin="<｜User｜>",
            user_end="",
            assistant_begin="<｜Assistant｜>",
            assistant_end="<｜end▁of▁sentence｜>",
        ),
        "chatml": ChatTemplate(
            begin="<|im_start|>system\n",
            system_end="<|im_end|>\n",
            user_begin="<|im_start|>user\n",
            user_end="<|im_end|>\n",
            assistant_begin="<|im_start|>assistant\n",
            assistant_end="<|im_end|>\n",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How the problem and the first step share the first turn."""

    before: str
    between: str


OPENINGS: Mapping[str, Opening] = MappingProxyType(
    {
        # The evaluation code that the published figures come from.
        "newline": Opening("", "\n"),
        # GenPRM's read-me file.
        "question": Opening("Question: ", "\n\n"),
        "blank_line": Opening("", "\n\n"),
    }
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A step that is judged: what was put, and the assistant's whole answer."""

    user: str
    assistant: tuple[Piece, ...]


def write_analyze_prefix(number: int) -> str:
    """The forced beginning of an answer; `number` counts steps from 1."""
    return f"<analyze>\nLet's analyze the Paragraph {number} step by step: "


def write_code_output(output: str) -> str:
    """What a block printed, as the checkpoints were shown it."""
    return f"{CODE_OUTPUT_PREFIX}{output}{FENCE_END}"


def write_user_turns(problem: str, steps: Sequence[str], opening: str) -> tuple[str, ...]:
    """The user turn of each step. The first holds the problem; the steps themselves stay as they
    are (the reference writes the problem into its first step).
    """
    form = OPENINGS[opening]
    first = [f"{form.before}{problem}{form.between}{text}" for text in steps[:1]]
    return (*first, *steps[1:])


def build_prompt(
    turns: Sequence[Turn],
    user: str,
    *,
    system: str,
    template: ChatTemplate,
    assistant_tag: bool,
) -> tuple[Piece, ...]:
    """The pieces up to where the answer to `user` begins.

    Without `assistant_tag` nothing stands between the last user turn and the answer: the published
    main branch asks so, though its past turns have the tag.
    """
    pieces = [template.begin, system, template.system_end]
    texts: list[Piece] = [Piece(text) for text in pieces]
    for turn in turns:
        texts += _open_turn(turn.user, template)
        texts += (Piece(template.user_end + template.assistant_begin), *turn.assistant)
        texts.append(Piece(template.assistant_end))
    texts += _open_turn(user, template)
    if assistant_tag:
        texts.append(Piece(template.user_end + template.assistant_begin))
    return tuple(piece for piece in texts if piece.text)


def disarm(text: str) -> str:
    """The text with a space put into whatever a tokenizer may take for a mark of its own, so that
    no problem, step or printed output can end its turn and speak as somebody else.
    """
    return _MARK.sub("< ", text)


def _open_turn(user: str, template: ChatTemplate) -> Iterator[Piece]:
    yield Piece(template.user_begin)
    yield Piece(disarm(user))
