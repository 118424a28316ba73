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
