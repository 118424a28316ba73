"""Learning the job: comparing an answer with what is expected, passing, and choosing a set. Pure.

An answer counts as right when it says the same of the thing that a data set is made of: of a
solution where the first error is (PRM800K, Lightman et al. 2023; ProcessBench, Zheng et al. 2024),
of an injection the verdict, and where it is accepted the first error too. Whatever else differs
(a rating, a type, a reason) is said, and does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from labeling.content import (
    Content,
    Outcome,
    RatingContent,
    StepJudgement,
    VerdictContent,
    VerdictValue,
    pack_first_error,
)
from labeling.records import At, FirstError, NoError, StepLabel, Unknown, derive_rating

ACCEPTING = frozenset({VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS})
# Edits that change what a step says; flags, shifts and the type are compared by their result.
TEXT_EDITS = frozenset({"replace", "insert_after", "delete"})

# How a step stands in a person's word: a rating, "unsure", or "skip" where it was not judged.
Mark = Literal["1", "0", "-1", "unsure", "skip"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a protocol that says what is compared."""

    n_steps: int
    binary: bool = False
    error_types: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was right or wrong in an answer.

    `kind` says which, and with `values` (numbers and codes, positions from 0) makes a sentence.
    `counts`: whether the answer is right or not hangs on it.
    """

    kind: str
    is_right: bool
    counts: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer beside what was expected. What counts comes first."""

    findings: tuple[Finding, ...]

    @property
    def is_right(self) -> bool:
        return all(finding.is_right for finding in self.findings if finding.counts)


@dataclass(frozen=True, slots=True)
class ComparedStep:
    """One step in both words. `agrees` is None where one of them does not judge it."""

    position: int
    given: Mark
    expected: Mark
    agrees: bool | None
    given_label: StepLabel | None
    expected_label: StepLabel | None


# --- Comparing ----------------------------------------------------------------------------------


def compare(answer: Content, expected: Content, asked: Asked) -> Comparison:
    """What is right and wrong in an answer. Raises ValueError where the tasks differ."""
    if isinstance(answer, RatingContent) and isinstance(expected, RatingContent):
        return Comparison(tuple(_compare_ratings(answer, expected, asked)))
    if isinstance(answer, VerdictContent) and isinstance(expected, VerdictContent):
        return Comparison(tuple(_compare_verdicts(answer, expected, asked)))
    raise ValueError(f"{answer.task!r} cannot be compared with {expected.task!r}.")


def _compare_ratings(
    answer: RatingContent, expected: RatingContent, asked: Asked
) -> Iterable[Finding]:
    ended = _compare_ends(
        is_bad=answer.outcome is Outcome.BAD_PROBLEM,
        should_be_bad=expected.outcome is Outcome.BAD_PROBLEM,
    )
    if ended is not None:
        yield ended
        return
    if answer.outcome is Outcome.GAVE_UP:
        yield Finding("gave_up", is_right=False, counts=True)
        return
    yield _compare_first_errors(
        answer.first_error(asked.n_steps), expected.first_error(asked.n_steps)
    )
    steps = compare_steps(answer, expected, asked)
    compared = [step for step in steps if step.agrees is not None]
    if compared:
        same = sum(bool(step.agrees) for step in compared)
        values = {"same": same, "of": len(compared)}
        yield Finding("ratings", is_right=same == len(compared), values=values)
    for step in compared:
        if not step.agrees:
            yield Finding(
                "rating",
                is_right=False,
                values={"position": step.position, "expected": step.expected, "given": step.given},
            )
    if asked.error_types:
        yield from _compare_step_types(steps)


def _compare_step_types(steps: Sequence[ComparedStep]) -> Iterable[Finding]:
    """The primary types of the steps that both call wrong, where a type was settled."""
    named = [
        (step.position, _primary(step.given_label), _primary(step.expected_label))
        for step in steps
        if step.given == step.expected == "-1"
    ]
    compared = [one for one in named if one[2]]
    if not compared:
        return
    same = sum(given == expected for _position, given, expected in compared)
    yield Finding(
        "types", is_right=same == len(compared), values={"same": same, "of": len(compared)}
    )
    for position, given, expected in compared:
        if given != expected:
            values = {"position": position, "expected": expected, "given": given}
            yield Finding("type", is_right=False, values=values)


def _primary(label: StepLabel | None) -> str:
    return label.error_types[0] if label is not None and label.error_types else ""


def _compare_verdicts(
    answer: VerdictContent, expected: VerdictContent, asked: Asked
) -> Iterable[Finding]:
    ended = _compare_ends(
        is_bad=answer.verdict is VerdictValue.BAD_PROBLEM,
        should_be_bad=expected.verdict is VerdictValue.BAD_PROBLEM,
    )
    if ended is not None:
        yield ended
        return
    if answer.verdict is VerdictValue.UNSURE:
        values = {"expected": str(expected.verdict)}
        yield Finding("verdict_unsure", is_right=False, counts=True, values=values)
        return
    accepts, should_accept = answer.verdict in ACCEPTING, expected.verdict in ACCEPTING
    yield Finding(
        "verdict" if accepts == should_accept else "accepted" if accepts else "rejected",
        is_right=accepts == should_accept,
        counts=True,
        values={"expected": str(expected.verdict), "given": str(answer.verdict)},
    )
    if accepts and should_accept:
        yield from _compare_accepted(answer, expected, asked)
    elif not accepts and not should_accept and expected.reject_code is not None:
        yield Finding(
            "reason",
            is_right=answer.reject_code is expected.reject_code,
            values={
                "expected": str(expected.reject_code),
                "given": "" if answer.reject_code is None else str(answer.reject_code),
            },
        )
    for name in ("correct", "different"):
        wanted, said = getattr(expected, name), getattr(answer, name)
        if wanted is not None:
            values = {"expected": str(wanted), "given": "" if said is None else str(said)}
            yield Finding(f"is_{name}", is_right=said is wanted, values=values)


def _compare_accepted(
    answer: VerdictContent, expected: VerdictContent, asked: Asked
) -> Iterable[Finding]:
    first = expected.first_error(asked.n_steps)
    yield _compare_first_errors(answer.first_error(asked.n_steps), first)
    if expected.error_positions or answer.error_positions:
        yield Finding(
            "positions",
            is_right=answer.error_positions == expected.error_positions,
            values={
                "expected": list(expected.error_positions),
                "given": list(answer.error_positions),
            },
        )
    if asked.error_types and expected.error_type:
        yield Finding(
            "claim_type",
            is_right=answer.error_type == expected.error_type,
            values={"expected": expected.error_type, "given": answer.error_type},
        )
    if _edits_texts(answer) != _edits_texts(expected):
        kind = "repair_missing" if _edits_texts(expected) else "repair_added"
        yield Finding(kind, is_right=False)
    if not isinstance(answer.blind_first_error, Unknown):
        yield Finding(
            "blind",
            is_right=answer.blind_first_error == first,
            values={
                "expected": pack_first_error(first),
                "given": pack_first_error(answer.blind_first_error),
            },
        )


def _edits_texts(content: VerdictContent) -> bool:
    return any(edit.op in TEXT_EDITS for edit in content.edits)


def _compare_ends(*, is_bad: bool, should_be_bad: bool) -> Finding | None:
    """What there is to say where either calls the problem bad; None where neither does."""
    if should_be_bad:
        kind = "bad_problem" if is_bad else "missed_bad_problem"
        return Finding(kind, is_right=is_bad, counts=True)
    return Finding("no_bad_problem", is_right=False, counts=True) if is_bad else None


def _compare_first_errors(given: FirstError, expected: FirstError) -> Finding:
    values = {"expected": pack_first_error(expected), "given": pack_first_error(given)}
    return Finding(
        _name_difference(given, expected), is_right=given == expected, counts=True, values=values
    )


def _name_difference(given: FirstError, expected: FirstError) -> str:
    if isinstance(given, At) and isinstance(expected, At):
        if given.position == expected.position:
            return "found"
        return "too_early" if given.position < expected.position else "too_late"
    if isinstance(given, NoError):
        return "clean" if isinstance(expected, NoError) else "missed"
    return "invented" if isinstance(given, At) else "not_found"


def compare_steps(answer: Content, expected: Content, asked: Asked) -> tuple[ComparedStep, ...]:
    """Both words on every step, in order.

    Of an injection, a flagged step is wrong; the others are right where it is accepted, and not
    judged where it is not.
    """
    pairs = zip(_list_labels(answer, asked), _list_labels(expected, asked), strict=True)
    found = []
    for position, (given_label, expected_label) in enumerate(pairs):
        given = mark_label(given_label, binary=asked.binary)
        wanted = mark_label(expected_label, binary=asked.binary)
        agrees = None if "skip" in (given, wanted) or wanted == "unsure" else given == wanted
        found.append(ComparedStep(position, given, wanted, agrees, given_label, expected_label))
    return tuple(found)


def mark_label(label: StepLabel | None, *, binary: bool = False) -> Mark:
    """A judgement as it stands on a page."""
    if label is None:
        return "skip"
    rating = derive_rating(label)
    if rating is None or (label.unsure and label.validity is None):
        return "unsure" if label.unsure else "skip"
    if binary and rating == 0:
        return "1"
    return "1" if rating > 0 else "0" if rating == 0 else "-1"


_WRONG = StepLabel(rating=-1)
_RIGHT = StepLabel(rating=1)


def _list_labels(content: Content, asked: Asked) -> list[StepLabel | None]:
    if isinstance(content, RatingContent):
        return content.labels(asked.n_steps)
    flagged = set(content.error_positions)
    other = _RIGHT if content.verdict in ACCEPTING else None
    return [_WRONG if position in flagged else other for position in range(asked.n_steps)]


def pack_finding(finding: Finding) -> dict[str, Any]:
    """A finding as JSON, for the answer that it belongs to."""
    return {
        "kind": finding.kind,
        "is_right": finding.is_right,
        "counts": finding.counts,
        "values": dict(finding.values),
    }


# --- Passing ------------------------------------------------------------------------------------


def count_needed(size: int, pass_percent: int) -> int:
    """How many of `size` answers must be right: the percentage, rounded up."""
    return -(-size * pass_percent // 100)


def has_passed(right: int, *, size: int, pass_percent: int) -> bool:
    return right >= count_needed(size, pass_percent)


def count_confusions(
    answers: Iterable[Iterable[Mapping[str, Any]]],
) -> list[tuple[Mapping[str, Any], int]]:
    """What was taken for what, most often first: a packed finding and how many answers have it.

    Sums ("11 of 13 ratings") are no confusions. The position of a step is left out: "0 for +1" is
    one confusion wherever it happened.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for findings in answers:
        counts.update(
            {
                _name_confusion(finding)
                for finding in findings
                if not finding["is_right"] and finding["kind"] not in ("ratings", "types", "blind")
            }
        )
    return [
        ({"kind": kind, "values": {"expected": expected, "given": given}}, count)
        for (kind, expected, given), count in sorted(
            counts.items(), key=lambda entry: (-entry[1], entry[0])
        )
    ]


def _name_confusion(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    kind, values = str(finding["kind"]), finding["values"]
    if kind in ("rating", "type", "claim_type", "reason", "is_correct", "is_different"):
        return kind, str(values.get("expected", "")), str(values.get("given", ""))
    return kind, "", ""


# --- Choosing -----------------------------------------------------------------------------------


def explain_indefinite(content: Content, *, n_steps: int) -> str:
    """Why a settled content cannot be an expected answer; "" where it can.

    "gave_up", "unsure" (a verdict), or "no_first_error" where the ratings leave it open.
    """
    if isinstance(content, VerdictContent):
        return "unsure" if content.verdict is VerdictValue.UNSURE else ""
    if content.outcome is Outcome.BAD_PROBLEM:
        return ""
    if content.outcome is Outcome.GAVE_UP:
        return "gave_up"
    return "no_first_error" if isinstance(content.first_error(n_steps), Unknown) else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that could train people: its task, which side of it is right, and what is wrong.

    `family` joins items that come from one problem.
    """

    item_id: int
    family_id: int
    task: str
    side: str
    error_type: str = ""


def describe_candidate(
    content: Content, *, item_id: int, family_id: int, n_steps: int
) -> Candidate:
    """What kind of training item a settled content makes."""
    if isinstance(content, VerdictContent):
        # An accepted claim that needed repair is another lesson than one that did not.
        return Candidate(
            item_id, family_id, str(content.task), str(content.verdict), content.error_type
        )
    if content.outcome is Outcome.BAD_PROBLEM:
        return Candidate(item_id, family_id, str(content.task), "bad_problem")
    first = content.first_error(n_steps)
    if not isinstance(first, At):
        return Candidate(item_id, family_id, str(content.task), "no_error")
    wrong: StepJudgement | None = next(
        (one for one in content.steps if one.position == first.position), None
    )
    return Candidate(
        item_id,
        family_id,
        str(content.task),
        "error",
        _primary(wrong.label if wrong is not None else None),
    )


def choose_balanced(
    candidates: Sequence[Candidate],
    size: int,
    *,
    seed: int,
    present: Sequence[Candidate] = (),
) -> list[Candidate]:
    """Up to `size` candidates, spread evenly over tasks, then sides, then error types.

    `present` are in the set already, and count for the balance. Each choice takes, of the kinds
    that still have a candidate, the one that the set has least of; within it a candidate of the
    problem that the set has least of; what is left to chance is drawn with `seed`.
    """
    rng = Random(seed)  # noqa: S311 - a draw that can be repeated, not a secret
    left = list(candidates)
    rng.shuffle(left)
    counts: Counter[tuple[object, ...]] = Counter()
    for one in present:
        counts.update(_name_levels(one))
    chosen: list[Candidate] = []
    while left and len(chosen) < size:
        best = min(left, key=lambda one: [counts[level] for level in _name_levels(one)])
        left.remove(best)
        chosen.append(best)
        counts.update(_name_levels(best))
    return chosen


def _name_levels(one: Candidate) -> list[tuple[object, ...]]:
    return [
        ("task", one.task),
        ("side", one.task, one.side),
        ("type", one.task, one.side, one.error_type),
        ("family", one.family_id),
    ]
