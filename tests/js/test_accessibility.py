"""axe finds nothing on the workspace pages, in their states, themes and widths."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.js.conftest import ROOT, Site
from tests.js.pages import (
    adjudicate_ratings_context,
    adjudicate_verdicts_context,
    rate_context,
    verify_context,
)

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
STOP = {"stop_at_first_error": True}
PRM800K = {"mode": "prm800k", "asks_contribution": False, "asks_origin": False, **STOP}
PROPOSED = [1, 1, -1, None, 0, 1]
STATES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "rate": ("labeling/rate.html", rate_context(), []),
    "rate, an error": ("labeling/rate.html", rate_context(), ["e"]),
    "rate, stopped": ("labeling/rate.html", rate_context(protocol=STOP), ["j", "e"]),
    "rate, types": ("labeling/rate.html", rate_context(), ["e", "t"]),
    "rate, keys": ("labeling/rate.html", rate_context(), ["?"]),
    "rate, skip": ("labeling/rate.html", rate_context(), ["x"]),
    "rate, bad problem": ("labeling/rate.html", rate_context(), ["b"]),
    "rate, prm800k": ("labeling/rate.html", rate_context(protocol=PRM800K), ["1", "u", "j", "3"]),
    "rate, proposed": ("labeling/rate.html", rate_context(proposed=PROPOSED), ["1", "3"]),
    "verify, sealed": ("labeling/verify.html", verify_context(), []),
    "verify, edits": ("labeling/verify.html", verify_context(is_sealed=False), ["2", "]", "o"]),
    "verify, reject": ("labeling/verify.html", verify_context(is_sealed=False), ["3"]),
    "decide ratings": ("labeling/adjudicate.html", adjudicate_ratings_context(), ["3"]),
    "decide verdicts": ("labeling/adjudicate.html", adjudicate_verdicts_context(), ["2"]),
}


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, from the development packages."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci)")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("state", STATES)
def test_no_violations(show: Callable[..., Any], site: Site, axe: str, state: str) -> None:
    site.answers["PUT /api/v1/assignments/7/draft/"] = lambda _body: (200, {"version": 1})
    template, context, keys = STATES[state]
    page = show(template, context, viewport=WIDE, reduced_motion="reduce")
    for key in keys:
        page.keyboard.press(key)
    page.evaluate(axe)
    for size, theme in product((WIDE, NARROW), ("light", "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme)
        # What the sticky bars cover after scrolling is no smaller a target for that.
        page.evaluate("scrollTo(0, 0)")
        found = page.evaluate(
            "(rules) => axe.run(document, { runOnly: rules })"
            ".then((result) => result.violations.flatMap((rule) =>"
            " rule.nodes.map((node) => `${rule.id}: ${node.html}`)))",
            RULES,
        )
        assert found == [], f"{theme}, {size['width']} px"
