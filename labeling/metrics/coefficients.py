"""A figure that is either known or says why it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a figure is undefined; the value is what programs read."""

    NO_RATINGS = "no_ratings"
    ONE_RATER = "one_rater"
    NO_OVERLAP = "no_overlap"
    ONE_UNIT = "one_unit"
    NO_VARIATION = "no_variation"
    ONE_CATEGORY = "one_category"
    UNEQUAL_RATERS = "unequal_raters"
    CATEGORY_UNUSED = "category_unused"
    NO_LOCATED_PAIR = "no_located_pair"
    NO_ERROR_MARKED = "no_error_marked"
    NO_TRIALS = "no_trials"
    ONE_CLUSTER = "one_cluster"
    UNSTABLE_RESAMPLES = "unstable_resamples"


SENTENCES: dict[Reason, str] = {
    Reason.NO_RATINGS: "There are no ratings to compare.",
    Reason.ONE_RATER: "Only one person has rated, and agreement needs two.",
    Reason.NO_OVERLAP: "No unit was rated by two people.",
    Reason.ONE_UNIT: (
        "Only one unit was rated by two people; on a single unit this coefficient has a fixed "
        "value, whatever they said."
    ),
    Reason.NO_VARIATION: (
        "All ratings are of one category, so chance alone would agree just as well; see the "
        "percent agreement and AC1."
    ),
    Reason.ONE_CATEGORY: "The list of categories has one entry only, so nobody had a choice.",
    Reason.UNEQUAL_RATERS: (
        "Fleiss' kappa needs the same number of ratings on every unit; see the generalised kappa."
    ),
    Reason.CATEGORY_UNUSED: "Neither of the two raters used this category.",
    Reason.NO_LOCATED_PAIR: "No two raters both placed a first error in the same solution.",
    Reason.NO_ERROR_MARKED: "No rater of a pair marked any step as wrong.",
    Reason.NO_TRIALS: "Nothing has been counted yet.",
    Reason.ONE_CLUSTER: "An interval over solutions needs at least two of them.",
    Reason.UNSTABLE_RESAMPLES: (
        "The figure is undefined in too many resamples for an interval to be trusted."
    ),
}


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One agreement figure and what it was computed from.

    Exactly one of `value` and `reason` is set: an undefined figure has a reason and a sentence for
    people in `explanation`, and is never 0 or NaN. `n_units` and `n_ratings` count the units with
    two ratings or more and the ratings on them, `n_raters` the people behind those ratings (None
    where a table of counts does not tell). `observed` and `expected` are the agreement seen and
    the agreement expected by chance, where the coefficient is made of them.
    """

    value: float | None
    reason: Reason | None
    n_units: int
    n_ratings: int
    n_raters: int | None
    observed: float | None = None
    expected: float | None = None
    explanation: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(
                "A coefficient has either a value or a reason, "
                f"not value={self.value!r} and reason={self.reason!r}."
            )
        for name in ("value", "observed", "expected"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"A coefficient's {name} must be finite, not {number!r}.")
        if self.reason is not None and not self.explanation:
            object.__setattr__(self, "explanation", SENTENCES[self.reason])

    @property
    def is_defined(self) -> bool:
        """Whether there is a value to show."""
        return self.value is not None
