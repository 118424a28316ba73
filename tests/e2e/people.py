"""People at their browsers: joining, and what one does on the pages of the workbench."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.e2e.browsing import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# The keyboard rests for the first 250 ms of an item (`itemShown` in keyboard.js).
KEYS_REST_MS = 260
LIVE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a browser of their own."""

    name: str
    page: Page
    watch: Watch


class Office:
    """Opens a browser for each person, all at one address, and closes them together."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.people: list[Person] = []

    def seat(self, name: str, **options: Any) -> Person:
        """A person with an empty browser."""
        context = self.browser.new_context(base_url=self.url, **options)
        watch = Watch()
        watch.follow(context)
        person = Person(name, context.new_page(), watch)
        self.people.append(person)
        return person

    def close(self) -> None:
        for person in self.people:
            person.page.context.close()

    def list_complaints(self) -> dict[str, list[str]]:
        """What each browser had to say of the pages; only those who had to say something."""
        return {
            person.name: person.watch.problems for person in self.people if person.watch.problems
        }


def invite(page: Page, slug: str, *, role: str, whom: str) -> str:
    """A one-time link into the project, made on the page of its members."""
    page.goto(f"/projects/{slug}/members/")
    card = page.locator("form", has=page.get_by_role("heading", name="Invite somebody"))
    card.get_by_label("Role").select_option(label=role)
    card.get_by_label("For whom").fill(whom)
    card.get_by_role("button", name="Make a link").click()
    return page.get_by_label("Link of the invitation").input_value()


def join(person: Person, link: str, *, password: str) -> None:
    """Make an account by the link, and be inside."""
    page = person.page
    page.goto(link)
    page.get_by_label("Sign-in name").fill(person.name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password again").fill(password)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_text("Welcome to")).to_be_visible()


def import_file(page: Page, slug: str, path: str, *, source: str, enqueue: bool = True) -> None:
    """Send a file on the page of imports, and watch until it was read."""
    page.goto(f"/projects/{slug}/imports/")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_label(re.compile(r"^Source\b")).fill(source)
    page.get_by_label("Put the solutions into the review queue").set_checked(enqueue)
    page.get_by_text("What is known of the source").click()
    page.get_by_label("Licence").fill("Apache-2.0")
    page.get_by_label("May it be passed on?").select_option(label="Yes")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("Done", timeout=LIVE_MS)


def read_tile(page: Page, label: str) -> str:
    """The number on a tile."""
    return page.locator(".tile", has_text=label).locator(".tile__value").inner_text()


# --- Work ---------------------------------------------------------------------------------------


def begin(page: Page, slug: str) -> None:
    """Take the next item on the way into the queue."""
    page.goto(f"/projects/{slug}/work/")
    page.get_by_role("button", name="Take the next item").click()
    await_item(page)


def await_item(page: Page) -> None:
    """Return when the item's scripts run, its mathematics stands, and its keys act."""
    expect(page.locator("[aria-current=step]")).to_be_visible()
    page.wait_for_function(
        "([start, rest]) => performance.now() > start + rest",
        arg=[page.evaluate("performance.now()"), KEYS_REST_MS],
    )


def find_item(page: Page) -> int:
    """The number of the assignment whose page this is."""
    found = re.search(r"/assignments/(\d+)/", page.url)
    assert found is not None, f"{page.url} is no assignment"
    return int(found[1])


def go_to_step(page: Page, number: int) -> None:
    """Walk by key, over all rows, until the step with this number is the current one."""
    here, there = page.evaluate(
        """number => {
          const rows = [...document.querySelectorAll("[data-row]")];
          const current = rows.findIndex((row) => row.hasAttribute("aria-current"));
          return [current, rows.findIndex((row) => row.id === `step-${number}`)];
        }""",
        number,
    )
    assert there >= 0, f"there is no step {number}"
    for _row in range(abs(there - here)):
        page.keyboard.press("Shift+J" if there > here else "Shift+K")
    expect(page.locator("[aria-current=step]")).to_have_id(f"step-{number}")


def open_claim(page: Page, *, first_error: int | None, key: str = "e") -> None:
    """Judge without the claim: the first error is at this step, or there is none. It opens then."""
    expect(page.locator("[data-sealed]")).to_be_visible()
    if first_error is None:
        page.keyboard.press("0")
    else:
        go_to_step(page, first_error)
        page.keyboard.press(key)
    expect(page.locator("[data-claim]")).to_be_visible()


def accept_claim(page: Page) -> None:
    """Accept what is claimed; another solution is correct by the same key, and really differs."""
    page.keyboard.press("1")
    if page.locator("[data-asked]").count():
        page.keyboard.press("1")


def leaving(page: Page) -> Callable[[str], bool]:
    """True of an address that is not where the page is now."""
    here = page.url
    return lambda address: address != here


def submit_item(page: Page) -> None:
    """Enter, and the next page is there: another item, or the end of the queue."""
    with page.expect_navigation(url=leaving(page)):
        page.keyboard.press("Enter")
    if "/assignments/" in page.url:
        await_item(page)
