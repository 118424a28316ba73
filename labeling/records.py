"""The words of step-level labelling as plain records: no database, no web.

Formats read files into these records and write them back; services turn them into rows. Positions
are 0-based everywhere inside; a format that counts from one converts at its own edge.

Sources: PRM800K (Lightman et al. 2023, ratings -1/0/+1), ProcessBench (Zheng et al. 2024, first
error), PRMBench (Song et al. 2025, nine error types), GenPRM (Zhao et al. 2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Validity(StrEnum):
    """Is what the step says true, given the problem and the steps before it?"""

    CORRECT = "correct"
    PARTLY = "partly"
    WRONG = "wrong"


class Contribution(StrEnum):
    """Does the step move the solution on? A redundant step is true and superfluous."""

    ADVANCES = "advances"
    NEUTRAL = "neutral"
    REDUNDANT = "redundant"
    CIRCULAR = "circular"


class Origin(StrEnum):
    """Whose mistake a wrong step is: made here, or inherited from an earlier step."""

    OWN = "own"
    INHERITED = "inherited"


class ContentKind(StrEnum):
    TEXT = "text"
    CODE = "code"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"


class Author(StrEnum):
    """Who a set of labels comes from."""

    HUMAN = "human"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class At:
    """The first wrong step is the one at `position` (0-based)."""

    position: int


@dataclass(frozen=True, slots=True)
class NoError:
    """Somebody looked, and no step is wrong."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows where the first error is, and why."""

    reason: str


FirstError = At | NoError | Unknown
# Longer names for readers of statistics code.
FirstErrorAt = At
UnknownFirstError = Unknown


@dataclass(frozen=True, slots=True)
class Score:
    """A model's number for a step, with what is needed to read it again.

    `raw` is as the model gave it; `scale` says what it is ("probability", "logit", "difference",
    "margin", "critic" in [-1, 1], "mc_estimate", "label"); `rule` is the threshold rule in force
    (">=0.5", "difference>-0.05"), empty where none was applied.
    """

    raw: float
    scale: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class StepLabel:
    """One judgement of one step. A step that nobody judged has no StepLabel at all.

    `rating` keeps a -1/0/+1 given as such (PRM800K); where it is None the rating is derived from
    the two axes by `derive_rating`. `score` is a model's number for the step's validity,
    `redundancy` its other one, where it has two (ReasonEval, PRMBench's critics).
    """

    validity: Validity | None = None
    contribution: Contribution | None = None
    origin: Origin | None = None
    error_types: tuple[str, ...] = ()
    unsure: bool = False
    note: str = ""
    rating: int | None = None
    score: Score | None = None
    severity: str = ""
    confidence: str = ""
    redundancy: Score | None = None

    def __post_init__(self) -> None:
        if self.rating not in (None, -1, 0, 1):
            raise ValueError(f"A rating is -1, 0, +1 or None, not {self.rating!r}.")


@dataclass(frozen=True, slots=True)
class LabelSet:
    """What one person or one machine said about the steps of one solution.

    `labels` is as long as the steps; None marks a step that was not judged. `first_error` is what
    was said about it, or Unknown when the labels do not tell.
    """

    author: Author
    labels: tuple[StepLabel | None, ...]
    first_error: FirstError = Unknown("not given")
    rater: str = ""
    method: str = ""
    created_at: str = ""
    total_ms: int | None = None
    outcome: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a solution. `alternatives` are other candidates for this same position."""

    text: str
    kind: ContentKind = ContentKind.TEXT
    alternatives: tuple[Alternative, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Alternative:
    """A candidate that the solution did not go on with: prefix + this text, then stop."""

    text: str
    label: StepLabel | None = None
    source: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its known answer and where it stands in its source."""

    text: str
    source_id: str = ""
    reference_answer: str | None = None
    reference_solution: str | None = None
    family: str = ""
    domain: str = ""
    language: str = "en"
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Injection:
    """A claim: these steps of a modified solution carry an error of this type.

    The solution that owns the injection holds the *modified* problem and steps; the record keeps
    the original ones. Claimed positions are 0-based and stored as given: one may point past the
    end, for a person to repair. Order and repetition are kept.
    """

    error_type: str
    original_problem: str
    original_steps: tuple[str, ...]
    claimed_error_positions: tuple[int, ...]
    claimed_changed_positions: tuple[int, ...]
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's word on an injection, or questionnaire answers as another tool exported them."""

    value: str
    rater: str = ""
    answers: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Solution:
    """One candidate answer to a problem: what an importer yields and an exporter takes.

    A problem without a solution (GSM8K-like files) is a Solution with no steps and `is_problem`
    true. `extra` holds what a format needs to write the row again and nothing else reads; its keys
    start with the format's name.
    """

    problem: Problem
    steps: tuple[Step, ...] = ()
    source_id: str = ""
    generator: str = ""
    final_answer: str | None = None
    final_answer_correct: bool | None = None
    label_sets: tuple[LabelSet, ...] = ()
    injection: Injection | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @property
    def is_problem(self) -> bool:
        return not self.steps


@dataclass(frozen=True, slots=True)
class ReadIssue:
    """A defect of one line of a file: where, which field, and what to do about it.

    `line` counts from one (for a JSON array: the element's number). `fatal` is true where nothing
    of the line was loaded.
    """

    line: int
    field: str
    message: str
    fatal: bool = True


def derive_rating(label: StepLabel) -> int | None:
    """The label as PRM800K's -1/0/+1: wrong or partly wrong is -1, true without progress is 0.

    None where nothing was judged, so that an unmarked step cannot pass for a neutral one. A label
    whose validity was not asked but whose contribution was is 0 unless it advances.
    """
    if label.rating is not None:
        return label.rating
    return _RATINGS.get((label.validity, label.contribution))


def _rate(validity: Validity | None, contribution: Contribution | None) -> int | None:
    if validity in (Validity.WRONG, Validity.PARTLY):
        return -1
    if contribution in (Contribution.NEUTRAL, Contribution.REDUNDANT, Contribution.CIRCULAR):
        return 0
    if validity is Validity.CORRECT or contribution is Contribution.ADVANCES:
        return 1
    return None


# Every label of a data set is looked up here, several times over.
_RATINGS = {
    (validity, contribution): _rate(validity, contribution)
    for validity in (None, *Validity)
    for contribution in (None, *Contribution)
}


def derive_binary(label: StepLabel, *, neutral_is_good: bool = True) -> bool | None:
    """The label as good/bad. What becomes of a neutral step is the caller's explicit choice."""
    rating = derive_rating(label)
    if rating is None:
        return None
    return rating > 0 or (rating == 0 and neutral_is_good)


def label_from_rating(rating: int) -> StepLabel:
    """The two axes that a -1/0/+1 stands for (the stored mapping of a rating view).

    +1 is correct and advances; 0 is correct and neutral; -1 is wrong, with no word on contribution.
    """
    if rating == 1:
        return StepLabel(validity=Validity.CORRECT, contribution=Contribution.ADVANCES, rating=1)
    if rating == 0:
        return StepLabel(validity=Validity.CORRECT, contribution=Contribution.NEUTRAL, rating=0)
    return StepLabel(validity=Validity.WRONG, rating=-1)


def find_first_error(labels: Sequence[StepLabel | None]) -> FirstError:
    """The first step judged wrong, or NoError when every step was judged and none is.

    An unjudged step before the first wrong one leaves it unknown: nobody can say that the wrong
    step is the *first* one.
    """
    for position, label in enumerate(labels):
        if label is None or (label.validity is None and label.rating is None):
            return Unknown(f"step {position + 1} was not judged")
        if label.unsure and label.validity is not Validity.WRONG:
            return Unknown(f"step {position + 1} is marked unsure")
        if derive_rating(label) == -1:
            return At(position)
    return NoError() if labels else Unknown("the solution has no steps")
