"""What may be submitted under a protocol."""

from __future__ import annotations

import pytest

from labeling.content import (
    Outcome,
    Override,
    OverrideReason,
    Proposal,
    RatingContent,
    StepJudgement,
)
from labeling.records import StepLabel, label_from_rating
from labeling.states import SubmissionRules, find_gaps, find_overridden

UNSURE = StepLabel(unsure=True)


def rules(
    *, stops: bool = False, partial: bool = False, proposed: tuple[int | None, ...] | None = None
) -> SubmissionRules:
    return SubmissionRules(
        stop_at_first_error=stops,
        allow_partial=partial,
        asks_error_types=True,
        error_codes=frozenset(),
        proposal=None if proposed is None else Proposal(3, proposed),
    )


def said(*ratings: int | StepLabel | None, **rest: object) -> RatingContent:
    """A rating of steps, with None for those that were not judged."""
    steps = tuple(
        StepJudgement(
            position, rating if isinstance(rating, StepLabel) else label_from_rating(rating)
        )
        for position, rating in enumerate(ratings)
        if rating is not None
    )
    return RatingContent(steps=steps, **rest)  # type: ignore[arg-type]


def positions(content: RatingContent, given: SubmissionRules) -> list[int | None]:
    return [gap.position for gap in find_gaps(content, n_steps=3, rules=given)]


def test_every_step_is_asked_for() -> None:
    assert positions(said(1, None, 0), rules()) == [1]
    assert positions(said(1, UNSURE, -1), rules()) == []


def test_what_comes_after_the_first_error_is_not_asked_for() -> None:
    assert positions(said(1, -1), rules(stops=True)) == []
    assert positions(said(None, -1), rules(stops=True)) == [0]


def test_what_comes_after_the_first_error_is_not_judged_either() -> None:
    content = said(1, -1, 1)
    assert positions(content, rules(stops=True)) == [2]
    assert positions(content, rules()) == []
    # A note beside it judges nothing.
    assert positions(said(1, -1, StepLabel(note="see above")), rules(stops=True)) == []


@pytest.mark.parametrize("outcome", [Outcome.GAVE_UP, Outcome.BAD_PROBLEM])
def test_ending_early_takes_a_reason_and_nothing_else(outcome: Outcome) -> None:
    [gap] = find_gaps(said(outcome=outcome, note="  "), n_steps=3, rules=rules())
    assert (gap.field, gap.position) == ("note", None)
    assert positions(said(outcome=outcome, note="no figure"), rules()) == []


def test_an_override_takes_a_reason() -> None:
    given = rules(proposed=(1, 1, None))
    assert positions(said(1, -1, 0), given) == [1]
    reason = Override(1, OverrideReason.MISSED_ERROR)
    assert positions(said(1, -1, 0, overrides=(reason,)), given) == []


def test_unconfirmed_is_unjudged() -> None:
    assert positions(said(1, None, None), rules(proposed=(1, 1, 1))) == [1, 2]


def test_neither_doubt_nor_silence_overrides() -> None:
    proposal = Proposal(3, (1, -1, None))
    assert find_overridden(said(-1, UNSURE, -1), n_steps=3, proposal=proposal) == [0]


def test_partial_work_needs_its_reasons_too() -> None:
    assert positions(said(None, 0), rules(partial=True, proposed=(1, 1, 1))) == [1]
