"""What the workspace pages show before any script runs."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import translation

from labeling.alignment import diff_text
from labeling.content import OverrideReason, pack_label
from labeling.records import Contribution, StepLabel, Validity, derive_rating
from labeling.selectors.review import ErrorTypeView, StepView
from labeling.templatetags import workspace

STEPS = [StepView(at, at, at + 1, f"text {at}", "text") for at in range(4)]
TYPES = [ErrorTypeView("counting", "Counting", "", "", "", "")]


def render(source: str, **context: Any) -> str:
    return Template("{% load workspace %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("validity", "contribution", "rating"),
    list(product([None, *Validity], [None, *Contribution], [None, -1, 0, 1])),
)
def test_ratings_are_derived_as_everywhere(
    validity: Validity | None, contribution: Contribution | None, rating: int | None
) -> None:
    label = StepLabel(validity=validity, contribution=contribution, rating=rating)
    assert workspace.rating_of(pack_label(label)) == derive_rating(label)


def test_a_draft_is_drawn_as_it_was_left() -> None:
    content = {
        "steps": [
            {"position": 0, "validity": "correct", "rating": 1},
            {"position": 1, "unsure": True},
            {"position": 2, "validity": "wrong", "error_types": ["counting", "old"], "note": "n"},
        ],
        "outcome": "first_error",
    }
    rows = workspace.rating_rows(STEPS, content, TYPES)
    assert [row["mark"] for row in rows] == ["1", "unsure", "-1", "skip"]
    assert [row["rating"] for row in rows] == [1, None, -1, None]
    assert rows[2]["type_names"] == ["Counting", "old"]
    assert rows[2]["types"] == "counting,old"
    assert [row["after_stop"] for row in rows] == [False, False, False, True]


def test_nothing_said_is_nothing_marked() -> None:
    rows = workspace.rating_rows(STEPS, {}, TYPES)
    assert {row["mark"] for row in rows} == {"none"}
    assert workspace.rating_rows(STEPS, None, TYPES) == rows


def words(row: dict[str, Any]) -> list[str]:
    return [tag["text"] for tag in row["tags"]]


def test_what_is_known_of_a_step_stands_beside_it() -> None:
    content = {
        "steps": [
            {"position": 0, "validity": "correct", "rating": 1, "note": "n"},
            {"position": 1, "unsure": True},
            {"position": 2, "validity": "wrong", "error_types": ["counting"], "note": "n"},
        ],
        "outcome": "first_error",
        "bulk": [0, 3],
    }
    rows = workspace.rating_rows(STEPS, content, TYPES)
    assert [words(row) for row in rows] == [
        ["in bulk", "note"],
        ["Unsure"],
        ["Counting", "note"],
        ["not judged"],
    ]
    # A step that is not rated was not rated in bulk.
    assert [row["is_bulk"] for row in rows] == [True, False, False, False]
    # Where no rating is drawn, the word brings its picture.
    assert rows[1]["tags"][0]["mark"] == "unsure"


def test_a_proposal_is_unconfirmed_until_somebody_has_said_something() -> None:
    content = {
        "steps": [
            {"position": 0, "validity": "correct", "rating": 1},
            {"position": 1, "validity": "wrong", "rating": -1},
            {"position": 2, "unsure": True},
        ],
        "overrides": [{"position": 1, "reason": "missed_error"}],
    }
    proposal = {"ratings": [-1, 1, 1, 0]}
    rows = workspace.rating_rows(STEPS, content, TYPES, proposal)
    assert [words(row) for row in rows] == [
        ["Say why"],
        ["Overridden"],
        ["Unsure"],
        ["unconfirmed"],
    ]
    assert [row["mark"] for row in rows] == ["1", "-1", "unsure", "none"]
    assert [row["reason"] for row in rows] == ["", "missed_error", "", ""]


def test_a_proposed_rating_is_drawn_and_not_checked() -> None:
    html = render('{% rating_control "rating-0" None "Step 1" "ternary" proposed=0 %}')
    assert html.count("mark--machine") == html.count("data-proposed") == 1
    assert "0, neutral (proposed)" in html
    assert "checked" not in html


def test_every_reason_has_words_and_a_key_of_its_own() -> None:
    reasons = workspace.override_reasons("misread")
    assert [reason["value"] for reason in reasons] == [str(reason) for reason in OverrideReason]
    assert "".join(reason["sign"] for reason in reasons) == "4567890"
    assert [reason["word"] for reason in reasons if reason["chosen"]] == [
        "It misread the step or the problem"
    ]


def test_binary_ratings_offer_no_zero() -> None:
    html = render('{% rating_control "rating-0" None "Step 1" "binary" %}')
    assert 'value="0"' not in html
    assert html.count('type="radio"') == 2
    assert "checked" not in html


def test_differences_escape_what_was_written() -> None:
    diff = diff_text("a <b>bold</b> word", "a <script>alert(1)</script> word")
    html = render("{% diff_side diff.modified %}", diff=diff)
    assert "<script" not in html
    assert "&lt;" in html
    assert '<ins class="is">' in html


def test_marked_formulas_carry_their_source() -> None:
    diff = diff_text(r"so $\frac{1}{2}$", r"so $\frac{3}{2}$")
    html = render("{% diff_side diff.modified %}", diff=diff)
    assert html == (
        'so <span data-tex="diff" data-latex="\\frac{3}{2}">$\\frac{\\prmis{3}}{2}$</span>'
    )


def test_neighbours_of_one_kind_are_one_change() -> None:
    diff = diff_text("The minimum is 12.", "The minimum over all nonzero $x$ is 12.")
    html = render("{% diff_side diff.modified %}", diff=diff)
    assert html.count("<ins") == 1
    assert '<span data-tex="plain">$x$</span></ins>' in html


def test_data_for_scripts_is_plain_json() -> None:
    html = render(
        '{% page_json "page" steps=steps text="</script><b>" %}',
        steps=STEPS[:1],
    )
    assert "</script><b>" not in html
    data = json.loads(html.split(">", 1)[1].rsplit("<", 1)[0])
    assert data["text"] == "</script><b>"
    assert data["steps"] == [
        {"id": 0, "position": 0, "number": 1, "text": "text 0", "kind": "text"}
    ]


@pytest.mark.parametrize(
    ("judgement", "words"),
    [
        ({"at": 2}, "error at step 3"),
        ({"none": True}, "no error"),
        ({"unknown": "cannot tell"}, "cannot tell"),
        (None, ""),
    ],
)
def test_blind_judgements_in_words(judgement: dict[str, Any] | None, words: str) -> None:
    with translation.override("en"):
        assert workspace.blind_words(judgement) == words


def test_positions_become_numbers() -> None:
    assert workspace.step_list([1, 2]) == "2, 3"
    assert workspace.step_list([]) == "–"
