"""What every page has: the theme, the question before what is final, the one thing Enter does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.js.conftest import SPRITE, Site

pytestmark = pytest.mark.browser

PAGE = f"""<!doctype html><html lang="en" data-sprite="{SPRITE}"><title>t</title>
<link rel="stylesheet" href="/static/labeling/css/tokens.css">
<script type="module" src="/static/labeling/js/app.js"></script>
<body>
<button data-theme-button aria-label="Theme">theme</button>
<form method="post" action="/cancel" data-confirm="sure">
  <button name="job" value="48">Cancel</button>
</form>
<dialog id="sure"><form method="dialog">
  <button value="no">Keep it</button><button value="yes">Cancel the job</button>
</form></dialog>
<a href="/next" data-primary>Continue</a>
<p data-math>so $x$</p>
<script id="strings" type="application/json">{{"theme_dark": "Theme: dark"}}</script>
</body></html>"""


@pytest.fixture
def page(site: Site, open_page: Callable[..., Any]) -> Any:
    site.pages |= {"/page": PAGE, "/next": "<!doctype html><title>next</title>"}
    opened = open_page(base_url=site.url, color_scheme="light")
    opened.goto("/page")
    # The last thing that the script does at the start.
    opened.wait_for_selector("math")
    return opened


def test_the_theme_goes_round(page: Any) -> None:
    seen = []
    for _ in range(3):
        page.click("[data-theme-button]")
        seen.append(page.evaluate("document.documentElement.dataset.theme ?? 'system'"))
    assert seen == ["light", "dark", "system"]


def test_the_server_learns_of_the_theme(page: Any) -> None:
    page.click("[data-theme-button]")
    page.click("[data-theme-button]")
    assert page.get_attribute("[data-theme-button]", "aria-label") == "Theme: dark"
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert cookies["theme"] == "dark"


def test_what_is_final_is_asked_first(page: Any, site: Site) -> None:
    page.click("form[data-confirm] button")
    assert site.calls == []
    page.click("text=Keep it")
    assert site.calls == []
    page.click("form[data-confirm] button")
    page.click("text=Cancel the job")
    page.wait_for_url("**/cancel")
    assert site.calls == [("POST /cancel", "job=48")]


def test_enter_does_what_the_page_is_for(page: Any) -> None:
    page.keyboard.press("Enter")
    page.wait_for_url("**/next")


def test_enter_on_a_button_is_the_buttons(page: Any) -> None:
    page.focus("[data-theme-button]")
    page.keyboard.press("Enter")
    assert page.url.endswith("/page")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
