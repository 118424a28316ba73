"""What rollouts came to, step by step, as pages and REST show it. Nothing here writes.

Counts come from their columns and are read by the rule in force, so that another rule shows at
once. A reviewer sees no more of the curve than was opened to them: see `Sight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from modeljobs.given import count, list_of, mapping_of, number, text, whole
from modeljobs.methods.rpe_labels import Counts, CountTable, LabelRule, Share, describe_share
from modeljobs.methods.rpe_reading import OUTCOMES
from modeljobs.methods.rpe_work import KIND, KIND_START
from modeljobs.models import JobItem, StepCounts
from modeljobs.readings import STATES, find_rule, find_states, read_table

KINDS: Final = frozenset({KIND, KIND_START})
# The problem alone stands before the first step.
START: Final = -1
# Rollouts that a page shows of a step; REST gives all.
SHOWN_ROLLOUTS: Final = 6


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a solution's evidence a person may see besides the step that is shown.

    `positions` are steps that are open to them, None for all. Without `answers` no answer of a
    rollout is shown: which of them are right gives the reference away.
    """

    positions: frozenset[int] | None
    answers: bool

    def includes(self, position: int) -> bool:
        return self.positions is None or position in self.positions


# For those who browse the project.
WHOLE: Final = Sight(None, True)


@dataclass(frozen=True, slots=True)
class Point:
    """The share after one step, and what the rule in force makes of it.

    `state` is one of `readings.STATES`; "" for the problem alone, which nobody judges, and where
    the verdict is not to be seen. `progress` is the number that the rule looks at, `chance` that
    the step passes it; None where not known.
    """

    position: int
    share: Share
    state: str = ""
    progress: float | None = None
    chance: float | None = None
    is_exact: bool = False
    is_absorbed: bool = False

    @property
    def number(self) -> int:
        """The step from 1 on; 0 for the problem alone."""
        return self.position + 1


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of their steps, of a solution of `n_steps`; some may be missing."""

    points: tuple[Point, ...]
    n_steps: int
    rule: LabelRule

    @property
    def number(self) -> int:
        """The last step that it comes to, from 1 on."""
        return self.points[-1].number if self.points else 0


@dataclass(frozen=True, slots=True)
class RolloutAnswer:
    """An answer that rollouts gave, how many, and what it was found to be."""

    answer: str
    count: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutText:
    """One rollout as it was written, and what came of it."""

    text: str
    finish: str
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class DominantAnswer:
    """What most rollouts from the problem alone answer, where it is not the reference."""

    answer: str
    rollouts: int
    answered: int


@dataclass(frozen=True, slots=True)
class RolloutView:
    """The rollouts from one place of a solution.

    `point` and `before` are None where the counts are not stored. `curve` goes up to this step as
    far as it may be seen; `whole` is the solution's own, on its last row alone and only for those
    who browse.
    """

    is_start: bool
    counts: tuple[tuple[str, int], ...]
    k: int
    mc: float | None
    low: float | None
    high: float | None
    is_exact: bool
    planned: int | None
    shared: int
    stop: str
    n_answers: int | None
    checker: str
    reasons: tuple[tuple[str, str, int], ...]
    suspect: DominantAnswer | None
    hides_answers: bool
    point: Point | None = None
    before: Point | None = None
    curve: Curve | None = None
    whole: Curve | None = None
    answers: tuple[RolloutAnswer, ...] = ()
    samples: tuple[RolloutText, ...] = ()
    sampler: tuple[tuple[str, str], ...] = ()
    template: str = ""
    models: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """What the step comes to under the rule in force; "" where it is not known or seen."""
        return "" if self.point is None else self.point.state

    @property
    def decision(self) -> bool | None:
        """The verdict of the rule in force."""
        return {"correct": True, "wrong": False}.get(self.state)

    @property
    def shown_samples(self) -> tuple[RolloutText, ...]:
        """A few of each outcome before more of any: the commonest would crowd out the others."""
        by_outcome: dict[str, list[RolloutText]] = {}
        for sample in self.samples:
            by_outcome.setdefault(sample.outcome, []).append(sample)
        rounds = [
            group[at]
            for at in range(SHOWN_ROLLOUTS)
            for group in by_outcome.values()
            if at < len(group)
        ]
        return tuple(rounds[:SHOWN_ROLLOUTS])


def load_curve(item: JobItem) -> Curve | None:
    """All that is stored of the item's rollouts so far, by the rule in force; None where nothing
    is. Two queries.
    """
    rows = list(StepCounts.objects.filter(item=item).order_by("position"))
    if not rows:
        return None
    n_steps = item.solution.n_steps
    steps = np.zeros((n_steps, len(Counts._fields)), dtype=np.int64)
    start = np.zeros((1, len(Counts._fields)), dtype=np.int64)
    is_exact = np.zeros(n_steps, dtype=np.bool_)
    stored = [row for row in rows if row.position < n_steps]
    for row in stored:
        counts = [getattr(row, name) for name in Counts._fields]
        if row.position < 0:
            start[0] = counts
        else:
            steps[row.position], is_exact[row.position] = counts, row.is_exact
    rule = find_rule(item.job)
    table = CountTable(steps, start, np.asarray([0, n_steps], dtype=np.int64), is_exact)
    reading = read_table(table, rule)
    states = find_states(reading, rule)
    points = []
    for row in stored:
        at = row.position
        if at < 0:
            points.append(Point(START, describe_share(Counts(*map(int, start[0])), rule)))
            continue
        points.append(
            Point(
                position=at,
                share=describe_share(Counts(*map(int, steps[at])), rule),
                state=STATES[states[at]],
                progress=_known(reading.labels.progress[at]),
                chance=_known(reading.chances[at]),
                is_exact=bool(is_exact[at]),
                is_absorbed=bool(reading.labels.is_absorbed[at]),
            )
        )
    return Curve(tuple(points), n_steps, rule)


def narrow_curve(curve: Curve, position: int, sight: Sight) -> Curve:
    """The curve up to and with one step, as far as this person may see it.

    The step's own number compares it with the one before: of that its share is shown in any case,
    and its verdict only where it is open too. Of later steps nothing is, but to those who browse.
    """
    if sight.positions is None:
        return curve
    points = []
    for point in curve.points:
        if point.position > position:
            continue
        if point.position in (START, position) or sight.includes(point.position):
            points.append(point)
        elif point.position == position - 1:
            points.append(Point(point.position, point.share, is_exact=point.is_exact))
    return replace(curve, points=tuple(points))


def parse_rollouts(
    kind: str,
    position: int,
    summary: Mapping[str, Any],
    detail: Mapping[str, Any] | None,
    *,
    curve: Curve | None,
    sight: Sight,
) -> RolloutView:
    """What a row of evidence says, with the step's place in the curve."""
    is_start = kind == KIND_START
    own = START if is_start else position
    seen = None if curve is None else narrow_curve(curve, position, sight)
    points = {} if seen is None else {point.position: point for point in seen.points}
    point = points.get(own)
    given = detail if detail is not None and sight.answers else {}
    suspect = mapping_of(summary.get("suspect")) if sight.answers else {}
    interval = list_of(summary.get("interval"))
    counts = mapping_of(summary.get("counts"))
    facts = detail or {}
    return RolloutView(
        is_start=is_start,
        counts=tuple((name, count(counts.get(name))) for name in OUTCOMES),
        k=count(summary.get("k")),
        mc=number(summary.get("mc")) if point is None else point.share.value,
        low=(number(interval[0]) if len(interval) == 2 else None)
        if point is None
        else _unless_exact(point, point.share.low),
        high=(number(interval[1]) if len(interval) == 2 else None)
        if point is None
        else _unless_exact(point, point.share.high),
        is_exact=summary.get("judged_by") == "answer",
        planned=whole(summary.get("planned")),
        shared=count(summary.get("shared")),
        stop=text(summary.get("stop")),
        n_answers=whole(summary.get("answers")),
        checker=text(summary.get("checker")),
        reasons=tuple(
            (str(outcome), str(code), count(n))
            for outcome, codes in mapping_of(summary.get("reasons")).items()
            for code, n in mapping_of(codes).items()
        ),
        suspect=DominantAnswer(
            text(suspect.get("answer")),
            count(suspect.get("rollouts")),
            count(suspect.get("answered")),
        )
        if suspect
        else None,
        hides_answers=not sight.answers,
        point=point,
        before=points.get(own - 1),
        # The first step's own row shows it; that of the problem alone would show it twice.
        curve=None if is_start else seen,
        answers=tuple(_parse_answer(data) for data in list_of(given.get("answers"))),
        samples=tuple(_parse_text(data) for data in list_of(given.get("samples"))),
        sampler=tuple(
            (str(name), str(value))
            for name, value in mapping_of(facts.get("sampler")).items()
            if value is not None
        ),
        template=text(facts.get("template")),
        models=tuple(
            dict.fromkeys(
                text(mapping_of(chunk).get("model"))
                for chunk in list_of(facts.get("chunks"))
                if mapping_of(chunk).get("model")
            )
        ),
    )


def _parse_answer(data: Any) -> RolloutAnswer:
    given = mapping_of(data)
    return RolloutAnswer(
        text(given.get("answer")),
        count(given.get("count")),
        text(given.get("outcome")),
        text(given.get("reason")),
    )


def _parse_text(data: Any) -> RolloutText:
    given = mapping_of(data)
    return RolloutText(
        text(given.get("text")),
        text(given.get("finish")),
        text(given.get("outcome")),
        text(given.get("answer")),
    )


def _unless_exact(point: Point, bound: float | None) -> float | None:
    """A step judged by its answer is no sample and has no interval."""
    return None if point.is_exact else bound


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
