"""python -m tests.e2e.screenshots [NAME…]: a picture of every page, in ./screenshots/.

Starts the system with the demo project in a temporary folder. Each page is taken light and dark,
1440 and 390 pixels wide; with names, only those pages. `--readme` makes the README's four again, in
docs/images/: as large as a window, light.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM_FLAGS
from tests.e2e.browsing import sign_in
from tests.e2e.system import ADMIN, ROOT, System, run_system, stage_demo
from tests.e2e.tour import PUBLIC
from tests.servers import find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

FOLDER = ROOT / "screenshots"
WIDTHS = {1440: 900, 390: 844}
# Formulas are rendered when they come near; a frame later everything stands.
# What is folded away is rendered when it is opened.
RENDERED = """() =>
  [...document.querySelectorAll("[data-math]:not([data-math-done])")]
    .every((element) => element.closest("details:not([open])"))
"""
SETTLED = "document.fonts.ready.then(() => new Promise(requestAnimationFrame))"
TALLEST = 12_000
README_FOLDER = ROOT / "docs" / "images"
README_PAGES = {
    "rate": "rate",
    "verify-open": "verify",
    "dispute-rating": "adjudicate",
    "agreement": "agreement",
}
README_SIZE: ViewportSize = {"width": 1440, "height": 900}


def main(arguments: Sequence[str]) -> int:
    """Take the pictures; 2 where there is no browser or no such page."""
    for_readme = "--readme" in arguments
    names = [name for name in arguments if name != "--readme"]
    chromium = find_chromium()
    if chromium is None:
        print("There is no Chromium; WORKBENCH_TEST_CHROMIUM may name one.", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="prm-screenshots-") as folder:
        print("Starting the system with the demo project.", flush=True)
        with run_system(Path(folder), demo=True) as system:
            pages = stage_demo(system)
            unknown = set(names) - set(pages) - set(PUBLIC)
            if unknown:
                known = ", ".join((*PUBLIC, *pages))
                print(f"There is no page {min(unknown)!r}; there are {known}.", file=sys.stderr)
                return 2
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, headless=True, args=CHROMIUM_FLAGS
                )
                if for_readme:
                    count = take_for_readme(browser, system, pages)
                else:
                    count = take_all(browser, system, pages, frozenset(names))
                browser.close()
    folder_name = (README_FOLDER if for_readme else FOLDER).relative_to(ROOT)
    print(f"{count} pictures are in {folder_name}/.")
    return 0


def take_for_readme(browser: Browser, system: System, pages: dict[str, str]) -> int:
    """The four that the README shows, as they stand in a window; how many."""
    README_FOLDER.mkdir(exist_ok=True)
    context = browser.new_context(
        base_url=system.url, viewport=README_SIZE, color_scheme="light", locale="en-GB"
    )
    page = context.new_page()
    sign_in(page, system.url, ADMIN, system.password)
    for name, target in README_PAGES.items():
        page.goto(pages[name])
        page.wait_for_load_state("networkidle")
        page.evaluate(SETTLED)
        page.screenshot(path=README_FOLDER / f"{target}.png", animations="disabled")
    context.close()
    return len(README_PAGES)


def take_all(browser: Browser, system: System, pages: dict[str, str], names: frozenset[str]) -> int:
    """Every page in every theme and width, or those named; how many pictures."""
    signed_in = browser.new_context()
    sign_in(signed_in.new_page(), system.url, ADMIN, system.password)
    session = signed_in.storage_state()
    signed_in.close()
    count = 0
    for theme in ("light", "dark"):
        for width, height in WIDTHS.items():
            for state, chosen in ((None, PUBLIC), (session, pages)):
                context: BrowserContext = browser.new_context(
                    base_url=system.url,
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    storage_state=state,
                )
                page = context.new_page()
                for name, path in chosen.items():
                    if not names or name in names:
                        page.set_viewport_size({"width": width, "height": height})
                        take(page, path, FOLDER / f"{name}-{width}-{theme}.png")
                        count += 1
                context.close()
    return count


def take(page: Page, path: str, target: Path) -> None:
    """A picture of the whole page."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    # A window as tall as the page, rather than a picture of more than the window: what is fixed to
    # the window's foot stands at the foot of the picture, and all that is lazy has been seen.
    width, height = page.evaluate("[innerWidth, document.scrollingElement.scrollHeight]")
    page.set_viewport_size({"width": width, "height": min(height, TALLEST)})
    page.wait_for_function(RENDERED)
    page.evaluate(SETTLED)
    page.screenshot(path=target, animations="disabled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
