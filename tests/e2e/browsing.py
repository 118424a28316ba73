"""What a person with a browser does on many pages, and what the browser says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.e2e.system import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# WCAG 2.2 AA holds all that came before it.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Watch:
    """What went wrong in the pages of a browser context: errors, refusals, failed requests.

    No slots: Playwright leaves a mark on whoever listens.
    """

    problems: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._note_message)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("response", self._note_response)

    def take(self) -> list[str]:
        """What came up since this was asked last."""
        taken, self.problems = self.problems, []
        return taken

    def _note_message(self, message: ConsoleMessage) -> None:
        # A refusal by the content security policy is an error of the console too.
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 500:
            self.problems.append(f"{response.status} for {response.url}")


def sign_in(page: Page, url: str, username: str, password: str) -> None:
    """Sign in by the form, and be somewhere else afterwards."""
    page.goto(f"{url}/accounts/login/")
    # Whatever the language.
    page.locator("#id_username").fill(username)
    page.locator("#id_password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/accounts/login/" not in address)


@cache
def read_axe() -> str:
    return AXE.read_text(encoding="utf-8")


def find_barriers(page: Page) -> list[str]:
    """What axe-core calls a violation of WCAG 2.2 AA, of whatever impact, with where it is."""
    page.evaluate(read_axe())
    result: dict[str, Any] = page.evaluate(
        """tags => axe.run(document, {
             runOnly: {type: "tag", values: tags}, resultTypes: ["violations"],
           })""",
        AXE_TAGS,
    )
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def find_overflow(page: Page) -> list[str]:
    """What makes the page scroll sideways; nothing where it does not."""
    overflow: list[str] = page.evaluate(
        """() => {
          const root = document.scrollingElement;
          if (root.scrollWidth <= root.clientWidth) return [];
          const wide = [...document.body.querySelectorAll("*")].filter(
            (element) => element.getBoundingClientRect().right > root.clientWidth + 1,
          );
          const name = (element) => `${element.localName}.${element.className}`;
          return [`${root.scrollWidth} of ${root.clientWidth} px`, ...wide.slice(0, 8).map(name)];
        }"""
    )
    return overflow
