"""Ratings as pure functions: what a key press writes is what the server's parser reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.content import RatingContent, pack_content, parse_content
from labeling.records import At, NoError

pytestmark = pytest.mark.browser

ALL = {"stop_at_first_error": False, "rating_view": "ternary"}
STOP = {"stop_at_first_error": True, "rating_view": "ternary"}
BINARY = {"stop_at_first_error": False, "rating_view": "binary"}
# Applies [[function, ...arguments], ...] to an empty rating.
APPLY = """
const rating = await load("rating");
let content = rating.emptyRating();
for (const [name, ...given] of args) content = rating[name](content, ...given);
return content;
"""


def read(document: dict[str, Any], n_steps: int) -> RatingContent:
    """The document as the server reads it; it must be what the server would have written."""
    content = parse_content(document, n_steps=n_steps)
    assert isinstance(content, RatingContent)
    assert pack_content(content) == document
    return content


def test_it_works(run: Callable[..., Any]) -> None:
    steps = [["rate", 0, 1, ALL], ["rate", 1, 0, ALL], ["rate", 2, -1, ALL]]
    content = read(run(APPLY, steps), 3)
    assert [judged.label.rating for judged in content.steps] == [1, 0, -1]
    assert content.first_error(3) == At(2)


def test_binary_ratings_store_no_number(run: Callable[..., Any]) -> None:
    content = run(APPLY, [["rate", 0, 1, BINARY], ["rate", 1, -1, BINARY]])
    assert content["steps"] == [
        {"position": 0, "validity": "correct"},
        {"position": 1, "validity": "wrong", "origin": "own"},
    ]
    read(content, 2)


def test_a_new_rating_keeps_note_and_doubt_but_not_the_error(run: Callable[..., Any]) -> None:
    steps = [
        ["rate", 0, -1, ALL],
        ["setTypes", 0, ["counting", "other"]],
        ["setNote", 0, "97"],
        ["toggleUnsure", 0],
        ["rate", 0, 1, ALL],
    ]
    [label] = run(APPLY, steps)["steps"]
    assert label == {
        "position": 0,
        "validity": "correct",
        "contribution": "advances",
        "rating": 1,
        "note": "97",
        "unsure": True,
    }


def test_first_error_where_all_steps_are_judged_says_nothing_of_others(
    run: Callable[..., Any],
) -> None:
    content = run(APPLY, [["markFirstError", 2, ALL]])
    assert [label["position"] for label in content["steps"]] == [2]
    assert content["outcome"] == "complete"


def test_first_error_where_one_stops_there(run: Callable[..., Any]) -> None:
    steps = [["rate", 0, 0, STOP], ["rate", 4, 1, STOP], ["markFirstError", 2, STOP]]
    content = read(run(APPLY, steps), 6)
    # Step 1 keeps its 0, step 2 becomes +1, step 3 is the error; steps 4 to 6 are not judged.
    assert [judged.label.rating for judged in content.steps] == [0, 1, -1]
    assert content.outcome == "first_error"
    assert content.first_error(6) == At(2)


def test_the_first_error_may_move_back_and_forth(run: Callable[..., Any]) -> None:
    later = run(APPLY, [["markFirstError", 1, STOP], ["markFirstError", 3, STOP]])
    assert [label["rating"] for label in later["steps"]] == [1, 1, 1, -1]
    earlier = run(APPLY, [["markFirstError", 3, STOP], ["markFirstError", 1, STOP]])
    assert [label["rating"] for label in earlier["steps"]] == [1, -1]


def test_marking_the_same_first_error_twice_changes_nothing(run: Callable[..., Any]) -> None:
    once = run(APPLY, [["markFirstError", 1, STOP]])
    assert run(APPLY, [["markFirstError", 1, STOP], ["markFirstError", 1, STOP]]) == once


def test_a_first_error_that_was_none_opens_the_steps_after_it(run: Callable[..., Any]) -> None:
    content = run(APPLY, [["markFirstError", 1, STOP], ["rate", 1, 1, STOP]])
    assert content["outcome"] == "complete"


def test_steps_after_the_stop_take_no_rating(run: Callable[..., Any]) -> None:
    content = run(APPLY, [["markFirstError", 1, STOP], ["rate", 3, 1, STOP]])
    assert [label["position"] for label in content["steps"]] == [0, 1]


def test_four_things_that_are_not_the_same(run: Callable[..., Any]) -> None:
    body = """
    const rating = await load("rating");
    let content = rating.emptyRating();
    content = rating.rate(content, 0, 0, args);
    content = rating.toggleUnsure(content, 1);
    content = rating.setNote(content, 2, "look here");
    const stopped = rating.markFirstError(content, 3, { ...args, stop_at_first_error: true });
    return [[0, 1, 2, 3].map((at) => rating.markOf(content, at)), rating.markOf(stopped, 4),
            rating.stepsLeft(content, 4), rating.judgedCount(content, 4)];
    """
    marks, after, left, judged = run(body, ALL)
    assert marks == [0, "unsure", "none", "none"]
    assert after == "skip"
    # A note alone judges nothing.
    assert left == [2, 3]
    assert judged == 2


def test_redundant_is_true_and_adds_nothing(run: Callable[..., Any]) -> None:
    steps = [["rate", 0, 1, ALL], ["setContribution", 0, "redundant", ALL]]
    content = read(run(APPLY, steps), 1)
    assert content.steps[0].label.rating == 0
    assert content.first_error(1) == NoError()


def test_inherited_is_wrong_without_an_error_of_its_own(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [["setOrigin", 0, "inherited", ALL]]), 1)
    assert (content.steps[0].label.rating, content.steps[0].label.origin) == (-1, "inherited")


def test_rating_the_rest(run: Callable[..., Any]) -> None:
    content = run(APPLY, [["rate", 1, -1, ALL], ["rateRest", 4, ALL]])
    assert [label["rating"] for label in content["steps"]] == [1, -1, 1, 1]


def test_emptied_labels_leave_the_document(run: Callable[..., Any]) -> None:
    steps = [["toggleUnsure", 0], ["toggleUnsure", 0], ["setNote", 1, "x"], ["setNote", 1, ""]]
    assert run(APPLY, steps)["steps"] == []


# --- In bulk ------------------------------------------------------------------------------------


def test_what_is_rated_with_others_says_so(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [["rate", 1, -1, ALL], ["rateRest", 4, ALL]]), 4)
    assert content.bulk == (0, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        ["rate", 2, 0, ALL],
        # Also to say the same again, of this step alone.
        ["rate", 2, 1, ALL],
        ["toggleUnsure", 2],
        ["setContribution", 2, "redundant", ALL],
        ["setOrigin", 2, "inherited", ALL],
    ],
)
def test_a_word_on_one_step_takes_it_out_of_the_bulk(
    run: Callable[..., Any], change: list[Any]
) -> None:
    assert read(run(APPLY, [["rateRest", 3, ALL], change]), 3).bulk == (0, 1)


def test_a_note_leaves_a_step_in_the_bulk(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [["rateRest", 2, ALL], ["setNote", 0, "x"]]), 2)
    assert content.bulk == (0, 1)


def test_the_steps_before_a_first_error_are_rated_in_bulk(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [["rate", 0, 0, STOP], ["markFirstError", 3, STOP]]), 6)
    assert content.bulk == (1, 2)


def test_steps_that_are_judged_no_more_leave_the_bulk(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [["rateRest", 6, STOP], ["markFirstError", 2, STOP]]), 6)
    assert content.bulk == (0, 1)


def test_what_nobody_was_asked_is_not_said(run: Callable[..., Any]) -> None:
    plain = {**STOP, "asks_origin": False}
    assert run(APPLY, [["markFirstError", 0, plain]])["steps"] == [
        {"position": 0, "validity": "wrong", "rating": -1}
    ]


def test_who_rates_a_step_goes_on_with_the_item(run: Callable[..., Any]) -> None:
    given_up = [["setOutcome", "gave_up", "no idea"], ["rate", 0, 1, ALL]]
    assert run(APPLY, given_up)["outcome"] == "complete"


# --- What a machine proposed --------------------------------------------------------------------

PROPOSED = {**ALL, "proposed": [1, 0, -1, None]}


def test_a_proposal_is_in_no_document_until_somebody_says_it(run: Callable[..., Any]) -> None:
    body = """
    const rating = await load("rating");
    const content = rating.emptyRating();
    return [rating.stepsLeft(content, 4), rating.isUnconfirmed(content, 0, args),
            rating.isUnconfirmed(content, 3, args), content];
    """
    left, first, last, content = run(body, PROPOSED)
    assert left == [0, 1, 2, 3]
    assert (first, last) == (True, False)
    assert content["steps"] == []


def test_another_rating_needs_a_reason(run: Callable[..., Any]) -> None:
    body = """
    const rating = await load("rating");
    let content = rating.rate(rating.emptyRating(), 0, 1, args);
    content = rating.rate(content, 1, 1, args);
    content = rating.rate(content, 3, -1, args);
    const missing = rating.reasonsMissing(content, args);
    content = rating.setReason(content, 1, "contribution", args);
    return [missing, rating.reasonsMissing(content, args), content];
    """
    missing, left, content = run(body, PROPOSED)
    # What nothing was proposed for is nobody's to override.
    assert missing == [1]
    assert left == []
    assert content["overrides"] == [{"position": 1, "reason": "contribution"}]
    read(content, 4)


@pytest.mark.parametrize("back", [["rate", 0, 1, PROPOSED], ["takeProposed", 0, PROPOSED]])
def test_a_reason_goes_with_the_difference(run: Callable[..., Any], back: list[Any]) -> None:
    steps = [["rate", 0, -1, PROPOSED], ["setReason", 0, "missed_error", PROPOSED]]
    assert run(APPLY, steps)["overrides"] == [{"position": 0, "reason": "missed_error"}]
    assert "overrides" not in run(APPLY, [*steps, back])


def test_a_reason_for_nothing_is_not_kept(run: Callable[..., Any]) -> None:
    steps = [["rate", 0, 1, PROPOSED], ["setReason", 0, "other", PROPOSED]]
    assert "overrides" not in run(APPLY, steps)


def test_a_draft_of_another_proposal_loses_its_reasons(run: Callable[..., Any]) -> None:
    steps = [["rate", 0, -1, PROPOSED], ["setReason", 0, "missed_error", PROPOSED], ["tidy", ALL]]
    content = run(APPLY, steps)
    assert "overrides" not in content
    assert [label["rating"] for label in content["steps"]] == [-1]


def test_a_draft_follows_the_protocol_in_force(run: Callable[..., Any]) -> None:
    begun = [["rate", 1, -1, ALL], ["rate", 3, 1, ALL]]
    stopped = run(APPLY, [*begun, ["tidy", STOP]])
    assert [label["position"] for label in stopped["steps"]] == [1]
    assert stopped["outcome"] == "first_error"
    assert run(APPLY, [["markFirstError", 1, STOP], ["tidy", ALL]])["outcome"] == "complete"


def test_a_draft_that_was_given_up_stays_so(run: Callable[..., Any]) -> None:
    given_up = [["rate", 0, -1, STOP], ["setOutcome", "gave_up", "no idea"], ["tidy", STOP]]
    assert run(APPLY, given_up)["outcome"] == "gave_up"


def test_to_be_unsure_is_not_to_override(run: Callable[..., Any]) -> None:
    body = """
    const rating = await load("rating");
    const content = rating.toggleUnsure(rating.emptyRating(), 0);
    return [rating.isOverride(content, 0, args), rating.isUnconfirmed(content, 0, args)];
    """
    assert run(body, PROPOSED) == [False, False]


def test_the_rest_is_confirmed_in_bulk_where_something_was_proposed(
    run: Callable[..., Any],
) -> None:
    content = read(run(APPLY, [["rate", 0, 1, PROPOSED], ["rateRest", 4, PROPOSED]]), 4)
    assert [judged.label.rating for judged in content.steps] == [1, 0, -1]
    assert content.bulk == (1, 2)


def test_confirming_the_rest_stops_at_the_first_error(run: Callable[..., Any]) -> None:
    stopping = {**STOP, "proposed": [1, -1, 1, -1]}
    content = read(run(APPLY, [["rateRest", 4, stopping]]), 4)
    assert content.first_error(4) == At(1)
    assert (content.outcome, content.bulk) == ("first_error", (0, 1))
