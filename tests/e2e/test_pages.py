"""Every page of the demo project: it comes, it says nothing odd, and everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browsing import Watch, find_barriers, find_overflow
from tests.e2e.conftest import Demo
from tests.e2e.tour import NO_PAGES, NOT_OK, PAGES, PUBLIC

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


class Visitor:
    """One browser window, kept open over all pages, and what it complained of."""

    def __init__(self, browser: Browser, demo: Demo, **options: Any) -> None:
        self.demo = demo
        self.context = browser.new_context(base_url=demo.system.url, **options)
        self.watch = Watch()
        self.watch.follow(self.context)
        self.page: Page = self.context.new_page()

    def open(self, name: str) -> Page:
        """The page of that name, once its mathematics stands; its status is what it should be."""
        # What another page left behind is that page's fault.
        self.watch.take()
        path = PUBLIC.get(name) or self.demo.pages[name]
        response = self.page.goto(path)
        assert response is not None
        assert response.status == NOT_OK.get(name, 200)
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture(scope="module")
def windows(browser: Browser, demo: Demo) -> Iterator[dict[str, Visitor]]:
    """A signed-in window in light, one in dark and Chinese, two as narrow as a phone, and a
    stranger's.
    """
    made = {
        "light": Visitor(browser, demo, storage_state=demo.session, viewport=DESK),
        "dark": Visitor(
            browser,
            demo,
            storage_state=demo.session,
            viewport=DESK,
            color_scheme="dark",
            locale="zh-CN",
        ),
    }
    made["phone"] = Visitor(browser, demo, storage_state=demo.session, viewport=PHONE)
    made["chinese phone"] = Visitor(
        browser, demo, storage_state=demo.session, viewport=PHONE, locale="zh-CN"
    )
    made["stranger"] = Visitor(browser, demo, viewport=PHONE)
    yield made
    for visitor in made.values():
        visitor.context.close()


def list_complaints(visitor: Visitor, name: str) -> list[str]:
    """What the browser said of the page, but for the status that was expected."""
    expected = str(NOT_OK.get(name, "-"))
    return [problem for problem in visitor.watch.take() if expected not in problem]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_comes_and_has_no_barrier(windows, name, theme):
    page = windows[theme].open(name)
    assert list_complaints(windows[theme], name) == []
    assert find_barriers(page) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("window", ["phone", "chinese phone"])
def test_a_page_fits_a_phone(windows, name, window):
    page = windows[window].open(name)
    assert find_overflow(page) == []
    assert list_complaints(windows[window], name) == []
    wanted = "zh-hans" if window.startswith("chinese") else "en"
    assert page.locator("html").get_attribute("lang") == wanted


@pytest.mark.parametrize("name", PUBLIC)
def test_a_page_for_strangers(windows, name):
    page = windows["stranger"].open(name)
    assert find_overflow(page) == []
    assert list_complaints(windows["stranger"], name) == []
    assert find_barriers(page) == []


def test_every_page_is_among_them(demo):
    from django.urls import resolve

    from labeling.web.urls import urlpatterns as labelling
    from modeljobs.web.urls import urlpatterns as machines

    assert set(PAGES) == set(demo.pages)
    paths = [*demo.pages.values(), *PUBLIC.values()]
    seen = {resolve(path.partition("?")[0]).url_name for path in paths if path != "/nothing/"}
    there = {getattr(pattern, "name", None) for pattern in (*labelling, *machines)}
    assert there - NO_PAGES - seen == set()


def test_the_server_said_nothing_of_errors(demo, windows):
    for name in ("overview", "agreement", "verify-open"):
        windows["light"].open(name)
    assert demo.system.find_faults() == []
