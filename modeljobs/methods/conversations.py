"""GenPRM's training conversations: what a judge wrote about a solution whose labels are settled.

A conversation is a system turn and then, step by step, a user turn with the step and an assistant
turn with an analysis, code, what the code really printed, and Yes or No (GenPRM, Zhao et al. 2025,
section 3.3; its published set has these turns and nothing else). A turn is used only if its verdict
is the step's label and its code was run; what does not meet that is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from labeling.formats.genprm import SYSTEM_TEXT, read_decision
from modeljobs.methods.genprm_prompts import (
    ANALYZE_END,
    CODE_OUTPUT_PREFIX,
    FENCE_END,
    OUTPUT_END,
    OUTPUT_PREFIX,
    VERIFY_END,
    VERIFY_PREFIX,
    write_analyze_prefix,
    write_code_output,
    write_user_turns,
)
from modeljobs.methods.genprm_samples import IMAGINED, KILLED
from modeljobs.sandbox.base import CodeStatus

# How problem and first step share the first turn: as the published figures were made.
OPENING: Final = "newline"
# The parts of an assistant turn that a whole one has, in their order.
_PARTS: Final = ("<analyze>", "</analyze>", "<verify>", "</verify>", "<output>", "</output>")
_NOT_RUN: Final = frozenset({IMAGINED, KILLED, str(CodeStatus.NO_CODE)})


class LeftOut(StrEnum):
    """Why a solution has no conversation, or why it ends before the last step."""

    TEXTS_GONE = "texts_gone"
    NOT_JUDGED = "not_judged"
    UNREAD = "unread"
    DISAGREES = "disagrees"
    FELL_BACK = "fell_back"
    NOT_RUN = "not_run"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Judged:
    """One step as a GenPRM job found it. `samples` is its detail, None where the texts are gone."""

    samples: Sequence[Mapping[str, Any]] | None
    mean: float | None
    # The place of the sample that the next step's history went on from, where it was shared.
    chosen: int | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns with role and content. `n_judged` steps have one; `shortened` says why not all.

    `sample` is the place of the one that wrote it, None where each step has its chosen one.
    """

    turns: tuple[Mapping[str, str], ...]
    n_judged: int
    sample: int | None
    shortened: LeftOut | None = None


class _Path(NamedTuple):
    """One way through the samples: as far as it can be used, and why no further."""

    replies: tuple[str, ...]
    distance: float
    sample: int | None
    end: LeftOut | None


def build_conversation(
    problem: str,
    steps: Sequence[str],
    judged: Sequence[Judged],
    labels: Sequence[bool],
    *,
    shares_history: bool = False,
    is_protocol: bool = True,
    opening: str = OPENING,
) -> Conversation | LeftOut:
    """The conversation over a solution whose steps have these labels, or why there is none.

    Where each sample has its own history, one sample's turns are taken throughout, and it must
    agree with the labels up to the first error, or everywhere where there is none: of those the one
    that goes furthest, then the one closest to the means, then the first. With a shared history it
    is each step's chosen one. Behind the first error the conversation ends before the first turn
    that cannot be used. `is_protocol` is false for replies of a chat model, whose parts are put
    into the protocol's form.
    """
    if not steps or len(labels) != len(steps):
        raise ValueError(f"{len(steps)} steps need a label each, not {len(labels)}.")
    needed = list(labels).index(False) + 1 if False in labels else len(labels)
    paths = [
        _follow(judged, labels, place, is_protocol=is_protocol)
        for place in _list_places(judged, shares_history=shares_history)
    ]
    best = max(
        paths,
        key=lambda path: (len(path.replies), -path.distance, -(path.sample or 0)),
        default=_Path((), 0.0, None, LeftOut.NOT_JUDGED),
    )
    if len(best.replies) < needed:
        return best.end or LeftOut.NOT_JUDGED
    users = write_user_turns(problem, steps, opening)
    turns: list[Mapping[str, str]] = [{"role": "system", "content": SYSTEM_TEXT}]
    for user, reply in zip(users, best.replies, strict=False):
        turns += [{"role": "user", "content": user}, {"role": "assistant", "content": reply}]
    return Conversation(tuple(turns), len(best.replies), best.sample, best.end)


def _list_places(judged: Sequence[Judged], *, shares_history: bool) -> list[int | None]:
    """The samples to try; None stands for each step's chosen one."""
    if shares_history or not judged or judged[0].samples is None:
        return [None]
    return list(range(len(judged[0].samples)))


def _follow(
    judged: Sequence[Judged], labels: Sequence[bool], place: int | None, *, is_protocol: bool
) -> _Path:
    replies: list[str] = []
    distance = 0.0
    for position, label in enumerate(labels):
        if position == len(judged):
            return _Path(tuple(replies), distance, place, LeftOut.NOT_JUDGED)
        step = judged[position]
        reply = _take_reply(step, label, place, number=position + 1, is_protocol=is_protocol)
        if isinstance(reply, LeftOut):
            return _Path(tuple(replies), distance, place, reply)
        replies.append(reply)
        if place is not None and step.samples is not None and step.mean is not None:
            p_yes = step.samples[place].get("p_yes")
            distance += abs(p_yes - step.mean) if p_yes is not None else 0.0
    return _Path(tuple(replies), distance, place, None)


def _take_reply(
    step: Judged, label: bool, place: int | None, *, number: int, is_protocol: bool
) -> str | LeftOut:
    """The sample's reply as an assistant turn, or why it cannot be one."""
    if step.samples is None:
        return LeftOut.TEXTS_GONE
    at = step.chosen if place is None else place
    if at is None or not 0 <= at < len(step.samples):
        return LeftOut.UNREAD
    sample = step.samples[at]
    verdict = sample.get("verdict")
    if verdict not in ("yes", "no"):
        return LeftOut.UNREAD
    if (verdict == "yes") is not label:
        return LeftOut.DISAGREES
    if sample.get("fell_back"):
        return LeftOut.FELL_BACK
    blocks = sample.get("blocks") or []
    if not blocks or any(block.get("status") in _NOT_RUN for block in blocks):
        return LeftOut.NOT_RUN
    text = sample["text"] if is_protocol else _write_reply(sample, label, number=number)
    return text if _is_whole(text, label) else LeftOut.MALFORMED


def _write_reply(sample: Mapping[str, Any], label: bool, *, number: int) -> str:
    """A chat model's analysis, code and outputs in the protocol's form."""
    code = [
        f"{block['code']}{FENCE_END}{write_code_output(block['output'])}"
        for block in sample["blocks"]
    ]
    # The prefix opens the first block itself.
    blocks = "```python\n".join(code)
    answer = "Yes" if label else "No"
    return (
        f"{write_analyze_prefix(number)}{sample['analysis'].strip()}\n{ANALYZE_END}"
        f"{VERIFY_PREFIX}{blocks}{VERIFY_END}{OUTPUT_PREFIX}{{{answer}}}$\n{OUTPUT_END}"
    )


def _is_whole(text: str, label: bool) -> bool:
    """Does it have the protocol's parts, each once and in order, with what code printed inside, and
    is its verdict read as the label? A reply that says otherwise to a reader teaches otherwise.
    """
    places = [text.find(part) for part in _PARTS]
    return (
        -1 not in places
        and places == sorted(places)
        and all(text.count(part) == 1 for part in _PARTS)
        and CODE_OUTPUT_PREFIX in text[places[2] : places[3]]
        and read_decision(text) is label
    )
