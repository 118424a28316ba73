"""The palette of error types: found by any word, understood by examples, hit by a thumb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.selectors.review import ErrorTypeView
from tests.js.conftest import Site
from tests.js.pages import rate_context, verify_context

pytestmark = pytest.mark.browser

Show = Callable[..., Any]
PHONE = {"width": 390, "height": 844}
KINDS = [
    ErrorTypeView(
        *("redundancy", "Redundancy", "Simplicity", "A step that adds nothing new."),
        *("So $n = 4$, and again $n = 4$.", "A short summary at the end is none."),
    ),
    ErrorTypeView("circular", "Circular logic", "Simplicity", "It rests on itself.", "", ""),
    ErrorTypeView(
        "domain", "领域错误", "可靠性", "规则用在它不成立的地方。", "把 $x=0$ 代入分母。", ""
    ),
    ErrorTypeView("step", "Step inconsistency", "Soundness", "It contradicts a step.", "", ""),
]


@pytest.fixture
def palette(show: Show, site: Site) -> Callable[..., Any]:
    """Opens the palette on a page of work."""
    site.answers["PUT /api/v1/assignments/7/draft/"] = lambda _body: (200, {"version": 1})

    def open_it(**options: Any) -> Any:
        page = show("labeling/rate.html", rate_context() | {"error_types": KINDS}, **options)
        page.keyboard.press("e")
        page.keyboard.press("t")
        page.locator("#types").wait_for()
        return page

    return open_it


def found(page: Any) -> list[str]:
    names: list[str] = page.eval_on_selector_all(
        "#types [role=option]:not([hidden])", "all => all.map((option) => option.dataset.value)"
    )
    return names


def test_it_is_found_by_any_word(palette: Callable[..., Any]) -> None:
    page = palette()
    wanted = {
        "redun": ["redundancy"],
        # A definition, an example, one of what it is not, a dimension
        "rests itself": ["circular"],
        "again": ["redundancy"],
        "short summary": ["redundancy"],
        "simplicity": ["redundancy", "circular"],
        # Chinese has no spaces: any part of it finds it, and width says nothing
        "域错": ["domain"],
        "不成立": ["domain"],
        "分母": ["domain"],
        "ｓｔｅｐ": ["redundancy", "step"],
        # The headings over the examples are no words of a type
        "this is": [],
    }
    for words, kinds in wanted.items():
        page.locator("#types input[role=combobox]").fill(words)
        assert (words, found(page)) == (words, kinds)
    assert page.locator("#types [data-nothing]").is_visible()


def test_a_name_comes_before_a_definition(palette: Callable[..., Any]) -> None:
    page = palette()
    page.keyboard.type("step")
    assert page.get_attribute("#types [aria-selected=true]", "data-value") == "step"


def test_half_a_syllable_is_not_searched_for(palette: Callable[..., Any]) -> None:
    page = palette()
    field = page.locator("#types input[role=combobox]")
    typing = "new InputEvent('input', { isComposing: true, bubbles: true })"
    field.evaluate(f"(node) => {{ node.value = 'bu cheng'; node.dispatchEvent({typing}); }}")
    assert len(found(page)) == len(KINDS)
    ended = "new CompositionEvent('compositionend', { bubbles: true })"
    field.evaluate(f"(node) => {{ node.value = '不成立'; node.dispatchEvent({ended}); }}")
    assert found(page) == ["domain"]


def test_the_selected_type_is_explained_with_both_examples(palette: Callable[..., Any]) -> None:
    page = palette()
    detail = page.locator("#types [data-detail]")
    assert detail.locator("h3").inner_text() == "Redundancy"
    detail.locator("math").first.wait_for()
    assert detail.locator("h4").all_inner_texts() == ["This is one", "This is none"]
    assert "A short summary" in detail.inner_text()
    page.keyboard.press("ArrowDown")
    assert detail.locator("h3").inner_text() == "Circular logic"
    assert detail.locator("h4").count() == 0
    # Listeners hear the examples with the option.
    option = page.locator("#types [data-value=redundancy]")
    described = option.get_attribute("aria-describedby")
    assert "again" in page.locator(f"#{described}").text_content()


def test_nothing_jumps_while_one_looks(palette: Callable[..., Any]) -> None:
    page = palette()
    boxes = set()
    for key in ("ArrowDown", "ArrowDown", "z", "z"):
        page.keyboard.press(key)
        box = page.locator("#types .palette__panes").bounding_box()
        boxes.add((box["y"], box["height"]))
    assert len(boxes) == 1


def test_another_type_is_added_by_a_box_too(palette: Callable[..., Any]) -> None:
    page = palette()
    assert not page.locator("#types [data-several]").is_visible()
    page.locator("#types [data-value=circular]").click()
    page.keyboard.press("t")
    page.locator("#types [data-add]").check()
    page.locator("#types [data-value=step]").click()
    assert page.locator("[name='types-0']").input_value() == "circular,step"


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "has_touch": True}])
def test_a_thumb_hits_every_type(palette: Callable[..., Any], options: dict[str, Any]) -> None:
    page = palette(**options)
    for box in page.locator("#types [role=option]").all():
        assert box.bounding_box()["height"] >= 44
    wide = page.locator("#types").bounding_box()
    assert wide["x"] >= 0
    assert wide["x"] + wide["width"] <= page.viewport_size["width"]


def test_the_rulings_on_a_type_open_beside_the_work(palette: Callable[..., Any]) -> None:
    page = palette()
    page.keyboard.press("ArrowDown")
    link = page.locator("#types [data-detail] a")
    assert link.get_attribute("data-guidelines") == "circular"
    # By keyboard alone.
    link.focus()
    page.keyboard.press("Enter")
    page.locator("#guidelines-panel:popover-open").wait_for()
    assert not page.locator("#types").is_visible()


def test_without_a_panel_there_is_no_way_to_rulings(show: Show, site: Site) -> None:
    page = show("labeling/verify.html", verify_context(is_sealed=False))
    page.evaluate("document.getElementById('guidelines-panel')?.remove()")
    page.keyboard.press("t")
    assert page.locator("#types [data-detail] h3").count() == 1
    assert page.locator("#types [data-detail] a").count() == 0
