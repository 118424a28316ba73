"""What the workspace pages show before any script runs."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import translation

from labeling.alignment import diff_text
from labeling.content import pack_label
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
