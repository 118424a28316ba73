"""What rollouts came to, and what a rule makes of one solution's counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

from labeling.records import At, FirstError, NoError, Score, StepLabel, Unknown, Validity
from modeljobs.methods.answers import normalise_answer
from modeljobs.methods.rpe_labels import (
    CORRECT,
    UNKNOWN,
    Counts,
    CountTable,
    LabelRule,
    StepLabels,
    estimate_progress,
    find_ambiguous,
    label_counts,
    pack_counts,
)
from modeljobs.methods.rpe_posteriors import BoolArray, FloatArray

# A dominant answer needs at least so many rollouts that agree on it.
SUSPECT_ROLLOUTS = 4

OutcomeName = Literal["correct", "wrong", "unparsable", "truncated", "undecided", "failed"]
OUTCOMES: Final[tuple[OutcomeName, ...]] = get_args(OutcomeName)
_COMPARED = frozenset({"correct", "wrong", "undecided"})


class Judged(NamedTuple):
    """One rollout, or the solution's own ending, read and compared.

    `answer` is "" where none was found; `reason` says in one code why there is no verdict.
    """

    outcome: OutcomeName
    answer: str = ""
    place: str = ""
    reason: str = ""
    checker: str = ""


class Suspect(NamedTuple):
    """An answer that most rollouts agree on, and that is not the reference."""

    answer: str
    rollouts: int
    answered: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The counts of one solution under a rule: one value per step."""

    table: CountTable
    labels: StepLabels
    chances: FloatArray
    is_ambiguous: BoolArray


def count_outcomes(judged: Iterable[Judged]) -> Counts:
    """How many of each outcome."""
    counter = Counter(one.outcome for one in judged)
    return Counts(*(counter[name] for name in OUTCOMES))


def find_suspect(
    judged: Iterable[Judged], *, least_share: float, least_count: int = SUSPECT_ROLLOUTS
) -> Suspect | None:
    """The dominant answer of the rollouts from the problem alone, where it is not the reference.

    Dominant: it is the commonest, and at least `least_share` of the rollouts with a whole answer
    give it, and at least `least_count`. Answers are the same where their normal forms are.
    """
    answered = [one for one in judged if one.answer and one.outcome in _COMPARED]
    if not answered:
        return None
    forms = Counter(normalise_answer(one.answer) for one in answered)
    form, count = min(forms.items(), key=lambda entry: (-entry[1], entry[0]))
    if count < least_count or count < least_share * len(answered):
        return None
    example = next(one for one in answered if normalise_answer(one.answer) == form)
    if example.outcome != "wrong":
        return None
    return Suspect(example.answer, count, len(answered))


def read_counts(start: Counts, steps: Iterable[Counts], rule: LabelRule) -> Reading:
    """The reading of one solution's counts; the last step's is that of its answer."""
    table = pack_counts([(start, list(steps))])
    labels = label_counts(table, rule)
    chances = estimate_progress(table, rule)
    return Reading(table, labels, chances, find_ambiguous(table, labels, chances, rule))


def build_labels(reading: Reading, rule: LabelRule) -> tuple[StepLabel | None, ...]:
    """A label for each step: None where nothing is known, unsure where the counts leave it open.

    An open step has a score and no verdict: people are asked.
    """
    return tuple(_build_label(reading, rule, at) for at in range(len(reading.chances)))


def find_first_error(labels: Iterable[StepLabel | None]) -> FirstError:
    """The first wrong step, if every step before it has a verdict."""
    empty = True
    for number, label in enumerate(labels, 1):
        empty = False
        if label is None or (label.validity is None and not label.unsure):
            return Unknown(f"step {number} has no verdict")
        if label.unsure:
            return Unknown(f"the rollouts leave step {number} open")
        if label.validity is Validity.WRONG:
            return At(number - 1)
    return Unknown("the solution has no steps") if empty else NoError()


def count_reasons(judged: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """Why rollouts have no verdict: codes and how often, by outcome."""
    reasons: dict[str, Counter[str]] = {}
    for one in judged:
        if one.reason:
            reasons.setdefault(one.outcome, Counter())[one.reason] += 1
    return {outcome: dict(sorted(counts.items())) for outcome, counts in sorted(reasons.items())}


def list_answers(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """Each answer as it was first written, with its verdict, the commonest first."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        if one.answer:
            groups.setdefault((normalise_answer(one.answer), one.outcome), []).append(one)
    listed = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        {
            "answer": members[0].answer,
            "count": len(members),
            "outcome": outcome,
            "checker": members[0].checker,
            "reason": members[0].reason,
        }
        for (_, outcome), members in listed
    ]


def _build_label(reading: Reading, rule: LabelRule, at: int) -> StepLabel | None:
    progress, verdict = float(reading.labels.progress[at]), int(reading.labels.verdicts[at])
    score = Score(progress, rule.scale, rule.sentence) if math.isfinite(progress) else None
    if verdict == UNKNOWN:
        return StepLabel(score=score) if rule.kind == "soft" and score else None
    if reading.is_ambiguous[at]:
        chance = float(reading.chances[at])
        note = (
            "The rollouts leave this step open."
            if math.isnan(chance)
            else f"The rollouts leave this step open: {rule.sentence} has probability {chance:.2f}."
        )
        return StepLabel(unsure=True, score=score, note=note)
    validity = Validity.CORRECT if verdict == CORRECT else Validity.WRONG
    return StepLabel(validity=validity, score=score)
