"""Equality checks in words: every code has its sentence, and nothing hostile becomes a formula."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from labeling.models import ReviewItem
from modeljobs.equality_views import CheckView, show_check
from modeljobs.methods import equalities
from modeljobs.models import EqualityCheck
from modeljobs.services.equalities import pack_failure
from tests.labeling.factories import enqueue
from tests.modeljobs.web.rows import add_check
from tests.modeljobs.worlds import World

FOLDER = Path(equalities.__path__[0])


@pytest.fixture
def item(world: World) -> ReviewItem:
    return enqueue(world.solutions[0])


def show(item: ReviewItem, world: World, **fields: Any) -> CheckView:
    return show_check(add_check(item, world.alice, **fields))


def explain(item: ReviewItem, world: World, code: str, **values: Any) -> CheckView:
    """A check that has no pairs, and says so."""
    reason = json.dumps({"code": code, "values": values, "pairs": []})
    return show(item, world, answer="unknown", reason=reason)


def test_it_works(item: ReviewItem, world: World):
    view = show(item, world)
    assert (view.headline, view.is_settled) == ("False", True)
    [pair] = view.pairs
    assert pair.statement == "$1+1 = 3$"
    assert pair.sentences == ("The left side is $2$ and the right side $3$.",)


def test_a_counter_example_is_named(item: ReviewItem, world: World):
    pair = {
        "left": "x",
        "relation": "<=",
        "right": "2",
        "answer": "false",
        "code": "counterexample",
        "values": {"at": [["x", "3"], ["y", "0.5"]], "left": "3", "right": "2"},
        "notes": ["whole:n", "rounded:2", "something new"],
    }
    view = show(item, world, reason=json.dumps({"pairs": [pair]}))
    assert view.headline == "Not for all values"
    assert view.pairs[0].statement == r"$x \le 2$"
    assert view.pairs[0].sentences == (
        "At $x = 3$, $y = 0.5$ the left side is $3$ and the right side $2$.",
        "$n$: whole numbers only.",
        "Rounded to 2 digits after the point, both sides are the same.",
    )


@pytest.mark.parametrize(
    ("state", "headline"), [("queued", "Queued"), ("running", "Running"), ("failed", "Not checked")]
)
def test_before_there_is_an_answer(item: ReviewItem, world: World, state: str, headline: str):
    view = show(item, world, state=state, answer="", reason="")
    assert (view.headline, view.pairs) == (headline, ())
    assert view.is_settled is (state == "failed")


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("unavailable", "Landlock is missing here.", "Landlock is missing here."),
        ("worker_lost", "", "was lost. Ask again."),
        ("no_worker", "", "No worker for the sandbox"),
        ("unexpected_error", "", "in the software"),
        ("something", "", "could not be used"),
    ],
)
def test_why_nothing_was_checked(
    item: ReviewItem, world: World, code: str, message: str, words: str
):
    view = show(item, world, state="failed", answer="", reason=pack_failure(code, message))
    assert words in view.sentences[0]


def find_codes() -> set[str]:
    """Every code that the checker gives, from its source."""
    source = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))
    said = re.findall(r"(?:Unreadable\(|Verdict\(\w+, )\"(\w+)\"", source)
    # Chosen between two, or given up outside of it.
    others = (
        *("names", "condition", "exact", "compared", "units_one_side", "units_differ"),
        *("identity", "proved", "math_verify", "timeout", "killed", "failed", "too_large"),
    )
    return {*said, *others}


@pytest.mark.parametrize("code", sorted(find_codes()))
def test_every_code_has_a_sentence(item: ReviewItem, world: World, code: str):
    values = {
        **dict.fromkeys(("left", "right", "modulus", "points", "digits", "units"), "1"),
        **dict.fromkeys(("name", "what", "side"), "x"),
        "at": [["x", "2"]],
        "readings": [["a", "=", "b", "true"], ["c", "=", "d", "false"]],
    }
    [sentence] = explain(item, world, code, **values).sentences
    assert sentence != "The reason was not kept."
    assert "%(" not in sentence
    # Dollars come in pairs.
    assert sentence.count("$") % 2 == 0


@pytest.mark.parametrize("code", sorted(find_codes()))
def test_a_reason_without_values_breaks_nothing(item: ReviewItem, world: World, code: str):
    assert explain(item, world, code).sentences


@pytest.mark.parametrize(
    "reason", ["", "x", "[]", "null", '{"pairs": 7}', '{"pairs": [7]}', '{"values": []}']
)
def test_a_reason_that_cannot_be_read_breaks_nothing(item: ReviewItem, world: World, reason: str):
    assert show(item, world, reason=reason).headline == "False"


def test_what_somebody_wrote_begins_no_formula(item: ReviewItem, world: World):
    [sentence] = explain(item, world, "sign", what="$x$").sentences
    assert sentence == "It cannot be read at “x”."


def test_a_proof_that_was_broken_off_says_so(item: ReviewItem, world: World):
    reason = json.dumps({"pairs": [], "code": "symbolic", "values": {}, "ended": "timeout"})
    view = show(item, world, answer="unknown", reason=reason)
    assert "broken off" in view.sentences[-1]


def test_all_of_it_is_in_the_readers_language(item: ReviewItem, world: World):
    with override("zh-hans"):
        assert show(item, world).headline


def test_an_answer_that_nobody_knows_is_no_answer(item: ReviewItem, world: World):
    check = add_check(item, world.alice, answer="")
    assert show_check(check).headline == "Cannot tell"
    assert str(EqualityCheck.Answer.UNKNOWN.label) == "Cannot tell"
