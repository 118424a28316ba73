"""Three simulated annotators with known habits, as seeded functions of the truth.

They fill the demo project with work whose statistics are known, so that agreement, disputes and
the reviewer reports have something true to show. Whatever they write must be stored as simulated.

Their habits are the probabilities in `Habit`. What follows from them:

==========================================  =======  =======  =====
a step is rated exactly like the truth      careful  lenient  hasty
==========================================  =======  =======  =====
correct and advancing                       0.97     0.985    0.95
correct and neutral, redundant or circular  0.97     0.60     0.30
own error noticed, if obvious               0.97     0.85     0.90
own error noticed, if subtle                0.97     0.35     0.70
inherited error, once its source was seen   1        0.80     0.70
inherited error, its source overlooked      0        0        0
==========================================  =======  =======  =====

An own error is subtle if it is of a class in SUBTLE_CLASSES or only partly wrong. The hasty
annotator places the first error that they notice one step late with probability 0.25, unless it
is on the last step: that step then passes for correct, and the next one carries the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import TypedDict

from labeling.content import RejectCode, VerdictValue
from labeling.demo.content import ERROR_CLASSES, IDLE_CLASSES, NO_ERROR_CLASS, DemoInjection
from labeling.records import Contribution, Origin, StepLabel, Validity

SUBTLE_CLASSES = frozenset({"deception", "domain_inconsistency", "missing_condition"})


@dataclass(frozen=True, slots=True)
class Habit:
    """How one simulated annotator works; every number is a probability.

    Steps: `sees_obvious` and `sees_subtle` notice an own error; `follows_inherited` marks an
    inherited one whose source was noticed; `marks_late` places the first noticed error one step
    late; `false_alarm` calls a correct step wrong; `idle_slip` calls an advancing step neutral;
    `sees_idle` notices that a correct step does not advance; `names_type` gives a noticed error
    its true types; `unsure` adds a question mark, whatever else is said.

    Verdicts: `keeps_right_claim` accepts a right claim; `catches_defect` gives the true verdict
    on a defective one, which otherwise is accepted as claimed; `drops_last_error` leaves the last
    of several error steps out of an acceptance, which makes it one with edits.
    """

    name: str
    sees_obvious: float
    sees_subtle: float
    follows_inherited: float
    marks_late: float
    false_alarm: float
    idle_slip: float
    sees_idle: float
    names_type: float
    unsure: float
    keeps_right_claim: float
    catches_defect: float
    drops_last_error: float
    writes_notes: bool = False


CAREFUL = Habit(
    name="careful",
    sees_obvious=0.97,
    sees_subtle=0.97,
    follows_inherited=1.0,
    marks_late=0.0,
    false_alarm=0.01,
    idle_slip=0.02,
    sees_idle=0.97,
    names_type=1.0,
    unsure=0.01,
    keeps_right_claim=0.97,
    catches_defect=0.97,
    drops_last_error=0.0,
    writes_notes=True,
)
LENIENT = Habit(
    name="lenient",
    sees_obvious=0.85,
    sees_subtle=0.35,
    follows_inherited=0.8,
    marks_late=0.0,
    false_alarm=0.005,
    idle_slip=0.01,
    sees_idle=0.6,
    names_type=0.8,
    unsure=0.02,
    keeps_right_claim=0.99,
    catches_defect=0.3,
    drops_last_error=0.1,
)
HASTY = Habit(
    name="hasty",
    sees_obvious=0.9,
    sees_subtle=0.7,
    follows_inherited=0.7,
    marks_late=0.25,
    false_alarm=0.02,
    idle_slip=0.03,
    sees_idle=0.3,
    names_type=0.7,
    unsure=0.0,
    keeps_right_claim=0.9,
    catches_defect=0.6,
    drops_last_error=0.15,
)
HABITS: Mapping[str, Habit] = MappingProxyType(
    {habit.name: habit for habit in (CAREFUL, LENIENT, HASTY)}
)


class SimulatedRating(TypedDict):
    """One step as a simulated annotator rates it, in the words of `labeling.records`."""

    validity: str
    contribution: str
    origin: str | None
    error_types: list[str]
    unsure: bool
    note: str


class SimulatedVerdict(TypedDict):
    """A simulated verdict on an injection; positions are 0-based.

    `blind_first_error` is the judgement before the claim was shown, None for "no error".
    """

    verdict: str
    reject_code: str | None
    error_steps: list[int]
    error_type: str
    note: str
    blind_first_error: int | None


def simulate_step_ratings(
    habit: Habit, truth_steps: Sequence[StepLabel], *, seed: int | str
) -> list[SimulatedRating]:
    """The ratings this annotator gives to these steps; the same seed gives the same ratings."""
    rng = _seeded(habit, "steps", seed)
    ratings: list[SimulatedRating] = []
    noticed_any = False
    source_noticed = False
    late: StepLabel | None = None
    for position, truth in enumerate(truth_steps):
        # One draw for each habit at every step, used or not: a habit that does not come into play
        # at one step then shifts nothing at the next.
        draw = _Draws(rng)
        is_last = position == len(truth_steps) - 1
        if late is not None:
            rating = _marked(late, draw, habit, own=True)
            late = None
        elif truth.origin is Origin.OWN:
            source_noticed = draw.see < (
                habit.sees_subtle if _is_subtle(truth) else habit.sees_obvious
            )
            if not source_noticed:
                rating = _passed(truth.contribution)
            elif not noticed_any and not is_last and draw.late < habit.marks_late:
                rating = _passed(Contribution.ADVANCES)
                late = truth
            else:
                rating = _marked(truth, draw, habit, own=True)
            noticed_any = noticed_any or source_noticed
        elif truth.origin is Origin.INHERITED:
            if source_noticed and draw.see < habit.follows_inherited:
                rating = _marked(truth, draw, habit, own=False)
            else:
                rating = _passed(truth.contribution)
        else:
            rating = _rate_correct_step(truth, draw, habit)
        rating["unsure"] = draw.unsure < habit.unsure
        ratings.append(rating)
    return ratings


def simulate_verdict(
    habit: Habit, injection: DemoInjection, *, seed: int | str
) -> SimulatedVerdict:
    """This annotator's verdict on the injection; the same seed gives the same verdict."""
    rng = _seeded(habit, "verdict", seed)
    blind = _judge_blind(habit, injection, rng)
    keep, drop, slip = rng.random(), rng.random(), rng.random()
    truth = injection.truth
    right = truth.verdict is VerdictValue.ACCEPT

    if keep < (habit.keeps_right_claim if right else habit.catches_defect):
        verdict, code, note = truth.verdict, truth.reject_code, truth.note
        errors, error_type = list(truth.error_positions), truth.error_type
    elif right and slip < 0.5:
        verdict, code, note = VerdictValue.UNSURE, None, ""
        errors, error_type = list(truth.error_positions), injection.error_type
    elif right:
        # Taken for no error at all; of another correct solution, for no correct one.
        is_solution = injection.error_type == NO_ERROR_CLASS
        code = RejectCode.OTHER if is_solution else RejectCode.NOT_AN_ERROR
        verdict, note = VerdictValue.REJECT, ""
        errors, error_type = [], injection.error_type
    else:
        verdict, code, note = VerdictValue.ACCEPT, None, ""
        steps = range(len(injection.modified_steps))
        errors = sorted({p for p in injection.claimed_error_positions if p in steps})
        error_type = injection.error_type

    if verdict is VerdictValue.ACCEPT and len(errors) > 1 and drop < habit.drops_last_error:
        verdict, errors = VerdictValue.ACCEPT_WITH_EDITS, errors[:-1]
    return SimulatedVerdict(
        verdict=str(verdict),
        reject_code=None if code is None else str(code),
        error_steps=errors,
        error_type=error_type,
        note=note if habit.writes_notes else "",
        blind_first_error=blind,
    )


class _Draws:
    """The random numbers of one step, one for each habit."""

    __slots__ = ("alarm", "late", "name", "pick", "see", "unsure")

    def __init__(self, rng: Random) -> None:
        self.see = rng.random()
        self.late = rng.random()
        self.alarm = rng.random()
        self.name = rng.random()
        self.pick = rng.random()
        self.unsure = rng.random()


def _seeded(habit: Habit, task: str, seed: int | str) -> Random:
    # A text seed is hashed the same way on every machine, unlike an object's hash().
    return Random(f"{habit.name}/{task}/{seed}")  # noqa: S311 - a simulation, not a secret


def _is_subtle(truth: StepLabel) -> bool:
    return truth.validity is Validity.PARTLY or not SUBTLE_CLASSES.isdisjoint(truth.error_types)


def _rate_correct_step(truth: StepLabel, draw: _Draws, habit: Habit) -> SimulatedRating:
    advances = truth.contribution is Contribution.ADVANCES
    if draw.alarm < habit.false_alarm:
        return _rating(
            Validity.WRONG,
            truth.contribution,
            origin=Origin.OWN,
            error_types=[_other_class((), draw.pick)],
        )
    if advances and draw.alarm < habit.false_alarm + habit.idle_slip:
        return _passed(Contribution.NEUTRAL)
    if not advances and draw.alarm >= habit.sees_idle:
        return _passed(Contribution.ADVANCES)
    return _rating(
        Validity.CORRECT,
        truth.contribution,
        error_types=list(truth.error_types),
        note=truth.note if habit.writes_notes else "",
    )


def _marked(truth: StepLabel, draw: _Draws, habit: Habit, *, own: bool) -> SimulatedRating:
    """The step rated as the error that it is."""
    types = list(truth.error_types)
    if own and draw.name >= habit.names_type:
        types = [_other_class(truth.error_types, draw.pick)]
    return _rating(
        truth.validity or Validity.WRONG,
        truth.contribution,
        origin=Origin.OWN if own else Origin.INHERITED,
        error_types=types,
        note=truth.note if habit.writes_notes else "",
    )


def _passed(contribution: Contribution | None) -> SimulatedRating:
    """The step rated as correct."""
    return _rating(Validity.CORRECT, contribution)


def _rating(
    validity: Validity,
    contribution: Contribution | None,
    *,
    origin: Origin | None = None,
    error_types: list[str] | None = None,
    note: str = "",
) -> SimulatedRating:
    return SimulatedRating(
        validity=str(validity),
        contribution=str(contribution or Contribution.ADVANCES),
        origin=None if origin is None else str(origin),
        error_types=error_types or [],
        unsure=False,
        note=note,
    )


def _other_class(true_types: Sequence[str], pick: float) -> str:
    """A class of error that the step does not have."""
    others = [
        code
        for code in ERROR_CLASSES
        if code not in true_types and code != NO_ERROR_CLASS and code not in IDLE_CLASSES
    ]
    return others[int(pick * len(others))]


def _judge_blind(habit: Habit, injection: DemoInjection, rng: Random) -> int | None:
    """The first error this annotator marks before the claim is shown; None for no error."""
    see, late, alarm, pick = rng.random(), rng.random(), rng.random(), rng.random()
    n_steps = len(injection.modified_steps)
    errors = injection.truth.error_positions
    if not errors:
        # At least one false alarm in n steps.
        alarmed = alarm < 1 - (1 - habit.false_alarm) ** n_steps
        return int(pick * n_steps) if alarmed else None
    if injection.truth.error_type in IDLE_CLASSES:
        sees = habit.sees_idle
    elif injection.truth.error_type in SUBTLE_CLASSES:
        sees = habit.sees_subtle
    else:
        sees = habit.sees_obvious
    if see >= sees:
        return None
    first = errors[0]
    return first + 1 if late < habit.marks_late and first + 1 < n_steps else first
