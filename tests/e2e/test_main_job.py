"""The main job from end to end: real rows, real browsers, the real system.

1. An engineer imports rows of PRMBench, and correct solutions of GSM8K.
2. A lead starts a job of the scripted engine that injects errors into those solutions.
3. Two annotators verify injections, each first without the claim.
4. An adjudicator decides where they differ.
5. The lead sees how far they agree.
6. An engineer makes a release and downloads it over REST; PRMBench's file comes in again whole.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from labeling.formats import get_format
from labeling.formats.lint import LintContext, lint_injection
from labeling.records import Solution
from tests.e2e.browsing import sign_in
from tests.e2e.people import (
    LIVE_MS,
    Office,
    Person,
    accept_claim,
    await_item,
    begin,
    import_file,
    invite,
    join,
    leaving,
    open_claim,
    read_tile,
    submit_item,
)
from tests.e2e.system import ADMIN, System, run_system

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.real_data]

PRMBENCH = "prmbench/prmbench_subset_394.jsonl"
GSM8K = "gsm8k/example_model_solutions_1319x4.jsonl"
PASSWORD = "walnut-cradle-4417"
# Enough for the job's page to be seen at work, few enough to be quick.
SOLUTIONS = 12
INJECTED_CLASSES = 8
FROM_JOB = 2


# --- Rows ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row of PRMBench as it stands in the file, read, and what its lints block."""

    raw: dict[str, Any]
    record: Solution
    blocking: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.raw['classification']} {self.raw['idx']}"

    def find_first_error(self) -> int | None:
        """Where an honest reviewer finds it; none in another correct solution."""
        numbers: list[int] = self.raw["error_steps"]
        return min(numbers) if numbers else None

    @property
    def has_currency(self) -> bool:
        texts = [self.raw["modified_question"], *self.raw["modified_process"]]
        # A sum of money: an escaped dollar sign, or one that no second one closes.
        return any(re.search(r"\\\$\d", text) or text.count("$") % 2 for text in texts)


def read_rows(path: Path) -> list[Row]:
    lines = path.read_bytes().splitlines(keepends=True)
    items = get_format("prmbench").read(io.BytesIO(b"".join(lines)))
    rows = [item for item in items if isinstance(item, Solution)]
    assert len(rows) == len(lines)
    context = LintContext.build(rows)
    found = []
    for line, record in zip(lines, rows, strict=True):
        lints = [lint.pack() for lint in lint_injection(record, context=context)]
        blocking = tuple(lint["code"] for lint in lints if lint["severity"] == "block")
        found.append(Row(json.loads(line), record, blocking))
    return found


def choose_rows(rows: list[Row]) -> dict[str, Row]:
    """A row of every class without blocking lints, one with money, one that is off by one."""
    chosen: dict[str, Row] = {}
    for row in rows:
        if not row.blocking and row.raw["modified_steps"]:
            chosen.setdefault(row.raw["classification"], row)
    chosen["multi_solutions"] = next(
        row for row in rows if row.raw["classification"] == "multi_solutions" and row.has_currency
    )
    chosen["money"] = next(
        row
        for row in rows
        if row.has_currency
        and not row.blocking
        and row.raw["classification"] == "domain_inconsistency"
    )
    # All error steps stand one too far, so that the last one lies past the end.
    chosen["off by one"] = next(
        row
        for row in rows
        if "E03a" in row.blocking
        and max(row.raw["error_steps"]) == len(row.raw["modified_process"]) + 1
        and len(row.raw["error_steps"]) == 3
        and row.raw["classification"] == "deception"
    )
    assert len(chosen) == 11
    return chosen


def write_correct_solutions(source: Path, target: Path) -> int:
    """Keep what models answered right; how many solutions there are."""
    kept: list[str] = []
    count = 0
    for line in source.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        right = {
            name: value
            for name, value in row.items()
            if isinstance(value, dict) and value["is_correct"]
        }
        if not right:
            continue
        model = sorted(right)[0]
        given = {name: row[name] for name in ("question", "ground_truth")}
        kept.append(json.dumps({**given, model: right[model]}, ensure_ascii=False))
        count += 1
        if count == SOLUTIONS:
            break
    target.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return count


# --- The system and its people ------------------------------------------------------------------


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with run_system(tmp_path) as running:
        yield running
        # Shown where the test fails.
        print(running.read_log())


@pytest.fixture
def office(browser: Browser, system: System) -> Iterator[Office]:
    office = Office(browser, system.url)
    yield office
    office.close()


def make_project(page: Page, *, name: str, slug: str) -> None:
    page.goto("/projects/new/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Address").fill(slug)
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


# --- The steps of the job -----------------------------------------------------------------------


def start_job(page: Page, slug: str, *, source: str, items: int) -> None:
    """Start an injection job of the scripted engine and watch it to its end, without reloading."""
    page.goto(f"/projects/{slug}/jobs/new/")
    page.get_by_role("button", name="Use the shipped engines").click()
    page.get_by_label("Solutions of").select_option(label=source)
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("status").filter(has_text=f"{items} items")).to_be_visible()
    page.get_by_role("button", name="Start the job").click()
    page.wait_for_url("**/jobs/*/")
    page.evaluate("globalThis.sameDocument = true")
    expect(page.get_by_text("scripted: no model behind it")).to_be_visible()
    done = page.get_by_text(f"{items} of {items}")
    expect(done).to_be_visible(timeout=LIVE_MS)
    expect(page.get_by_role("region", name="Progress")).to_contain_text("Done", timeout=LIVE_MS)
    assert page.evaluate("globalThis.sameDocument") is True


def refuse_to_leak(page: Page, row: Row) -> None:
    """Nothing of the claim is in the page before the judgement, neither as text nor as data."""
    page.reload()
    source = html.unescape(page.content())
    assert json.loads(page.locator("#page").inner_text())["claim"] is None
    for phrase in re.findall(r"[A-Za-z ]{24,}", row.raw["reason"]):
        assert phrase not in source


def reject(page: Page) -> None:
    """Not an error, says this person."""
    page.keyboard.press("3")
    page.locator("[name=reject_code][value=not_an_error]").check()
    page.locator("#main").focus()


def accept_one_further(page: Page) -> None:
    page.keyboard.press("2")
    page.keyboard.press("]")


def accept_with_the_hint(page: Page) -> None:
    """Take the fix that a lint offers: all error steps one back."""
    page.keyboard.press("2")
    page.keyboard.press("l")
    page.keyboard.press("Shift+L")


def accept_without_the_last(page: Page) -> None:
    """Take back the flag of the last error step."""
    page.keyboard.press("2")
    page.locator(".flag__box:checked").last.uncheck()
    page.locator("#main").focus()


Verdict = Callable[["Page"], None]


def verify(person: Person, slug: str, rows: list[Row], verdicts: dict[str, Verdict]) -> None:
    """Verify the rows in their order, then some of what the job made; the first shows no leak."""
    page = person.page
    begin(page, slug)
    refuse_to_leak(page, rows[0])
    for number, row in enumerate(rows):
        await_item(page)
        open_claim(page, first_error=row.find_first_error(), key="e" if number % 2 else "w")
        if row.raw["reason"]:
            expect(page.locator("[data-fact=reason]")).not_to_be_empty()
        if "$" in "".join(row.raw["modified_process"]):
            expect(page.locator(".forks math").first).to_be_attached()
        verdicts.get(row.name, accept_claim)(page)
        submit_item(page)
    for _number in range(FROM_JOB):
        open_claim(page, first_error=1)
        expect(page.locator("[data-scripted]")).to_be_visible()
        accept_claim(page)
        submit_item(page)


def decide(person: Person, slug: str, *, disputes: int) -> None:
    """Decide every open dispute for the claim, each with a reason."""
    page = person.page
    page.goto(f"/projects/{slug}/disputes/")
    page.get_by_role("link", name="Decide the next one").click()
    for number in range(disputes):
        expect(page.get_by_role("heading", name="What the reviewers say")).to_be_visible()
        page.get_by_role("radio", name="Accept", exact=False).first.check()
        page.get_by_label("Reason for the decision").fill(f"The claim holds ({number + 1}).")
        with page.expect_navigation(url=leaving(page)):
            page.get_by_role("button", name="Decide").click()
    page.goto(f"/projects/{slug}/disputes/")
    expect(page.get_by_role("link", name="Decide the next one")).to_have_count(0)


def release(page: Page, slug: str, name: str) -> int:
    """Ask for a release and watch until its files are there; its number."""
    page.goto(f"/projects/{slug}/releases/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Leave them out and count them").check()
    page.get_by_role("button", name="Build the release").click()
    expect(page.get_by_role("link", name="Download").first).to_be_visible(timeout=LIVE_MS)
    found = re.search(r"/releases/(\d+)/", page.url)
    assert found is not None
    return int(found[1])


def make_token(page: Page) -> str:
    page.goto("/account/tokens/")
    page.get_by_label("Name", exact=True).fill("pipeline")
    for scope in ("Read problems", "Build and download releases"):
        page.get_by_label(scope).check()
    page.get_by_role("button", name="Make the token").click()
    return page.get_by_label("The token", exact=True).input_value()


def download(system: System, token: str, release_id: int, format_name: str) -> bytes:
    """A file of the release over REST, with the hash that its manifest promises."""
    found = system.get_json(f"/api/v1/releases/{release_id}/", token=token)
    [file] = [file for file in found["files"] if file["format"] == format_name]
    content = system.request("GET", file["url"], token=token)
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert len(content) == file["size"]
    return content


# Run beside the system, on its data: how many records there are, and which differ.
COMPARE = """
import json
from labeling.formats import get_format
from labeling.models import Source
from labeling.selectors.imported import iterate_imported
with open({path!r}, "rb") as file:
    read = list(get_format("prmbench").read(file))
stored = list(iterate_imported(Source.objects.get(project__slug={slug!r}, name={source!r})))
differing = [repr(pair) for pair in zip(read, stored) if pair[0] != pair[1]]
print(json.dumps([len(read), len(stored), differing]))
"""


def read_prmbench(content: bytes) -> list[Any]:
    return list(get_format("prmbench").read(io.BytesIO(content)))


# --- The job ------------------------------------------------------------------------------------


def test_the_main_job(system: System, office: Office, real_data: Path, tmp_path: Path) -> None:
    chosen = choose_rows(read_rows(real_data / PRMBENCH))
    rows = list(chosen.values())
    injections = tmp_path / "prmbench.jsonl"
    injections.write_text("".join(json.dumps(row.raw) + "\n" for row in rows), encoding="utf-8")
    correct = tmp_path / "gsm8k.jsonl"
    assert write_correct_solutions(real_data / GSM8K, correct) == SOLUTIONS

    # The people: whoever installed it makes the project and invites a lead, who invites the rest.
    admin = office.seat("admin")
    sign_in(admin.page, system.url, ADMIN, system.password)
    make_project(admin.page, name="Real rows", slug="real")
    lena, ada, ben, cleo, enid = (
        office.seat(name) for name in ("lena", "ada", "ben", "cleo", "enid")
    )
    link = invite(admin.page, "real", role="Lead", whom="lena")
    join(lena, link, password=PASSWORD)
    for person, role in (
        (ada, "Annotator"),
        (ben, "Annotator"),
        (cleo, "Adjudicator"),
        (enid, "Engineer"),
    ):
        link = invite(lena.page, "real", role=role, whom=person.name)
        join(person, link, password=PASSWORD)

    # 1. Import
    import_file(enid.page, "real", str(injections), source="PRMBench")
    assert read_tile(enid.page, "Rows read") == str(len(rows))
    # Every row brings its original along; rows made from the same one share it.
    originals = {
        (row.raw["idx"], row.raw["original_question"], *row.raw["original_process"]) for row in rows
    }
    assert read_tile(enid.page, "Solutions added") == str(len(rows) + len(originals))
    assert read_tile(enid.page, "Issues") == "0"
    import_file(enid.page, "real", str(correct), source="GSM8K", enqueue=False)
    assert read_tile(enid.page, "Solutions added") == str(SOLUTIONS)

    # 2. The model job
    start_job(lena.page, "real", source="GSM8K", items=SOLUTIONS * INJECTED_CLASSES)

    # 3. Verification
    shifted, repaired = chosen["deception"], chosen["off by one"]
    rejected, narrowed = chosen["circular"], chosen["missing_condition"]
    both: dict[str, Verdict] = {
        shifted.name: accept_one_further,
        repaired.name: accept_with_the_hint,
    }
    verify(ada, "real", rows, both)
    verify(
        ben,
        "real",
        rows,
        {**both, rejected.name: reject, narrowed.name: accept_without_the_last},
    )

    # 4. Adjudication
    decide(cleo, "real", disputes=2)

    # 5. Agreement
    lena.page.goto("/projects/real/agreement/")
    judged = len(rows) + FROM_JOB
    assert read_tile(lena.page, "Judged by 2 or more") == str(judged)
    assert read_tile(lena.page, "Open disputes") == "0"
    # Ben differs on two: he rejects one, and accepts another with an edit.
    share = round(100 * (judged - 2) / judged)
    assert read_tile(lena.page, "Same verdict") == f"{share} %"

    # 6. Release, download, and in again
    release_id = release(enid.page, "real", "first")
    token = make_token(enid.page)
    exported = download(system, token, release_id, "prmbench")
    stepwise = download(system, token, release_id, "trl")
    check_export(exported, stepwise, chosen, shifted=shifted, repaired=repaired)

    make_project(lena.page, name="Second", slug="second")
    add_member(lena.page, "second", "enid", role="Engineer")
    again = tmp_path / "released.jsonl"
    again.write_bytes(exported)
    import_file(enid.page, "second", str(again), source="Released")
    records = read_prmbench(exported)
    assert read_tile(enid.page, "Rows read") == str(len(records))
    assert read_tile(enid.page, "Issues") == "0"
    compare = COMPARE.format(path=str(again), slug="second", source="Released")
    compared = json.loads(system.manage("shell", "-v", "0", "-c", compare))
    assert compared == [len(records), len(records), []]

    assert office.list_complaints() == {}
    assert system.find_faults() == []


def add_member(page: Page, slug: str, name: str, *, role: str) -> None:
    page.goto(f"/projects/{slug}/members/")
    card = page.locator("form", has=page.get_by_role("heading", name="Add somebody"))
    card.get_by_label("Sign-in name").fill(name)
    card.get_by_label("Role").select_option(label=role)
    card.get_by_role("button", name="Add").click()
    expect(page.get_by_text(f"{name} is a member now.")).to_be_visible()


def check_export(
    exported: bytes,
    stepwise: bytes,
    chosen: dict[str, Row],
    *,
    shifted: Row,
    repaired: Row,
) -> None:
    """What was accepted is as it was, what was repaired is repaired, and TRL says the same."""
    out = {
        (row["classification"], row["idx"]): row
        for row in map(json.loads, exported.decode().splitlines())
    }
    labels = {
        row["prompt"] + "\n".join(row["completions"]): row["labels"]
        for row in map(json.loads, stepwise.decode().splitlines())
    }
    assert len(labels) >= len(chosen)
    for row in chosen.values():
        raw = row.raw
        got = out[raw["classification"], raw["idx"]]
        wrong = raw["error_steps"]
        if row is shifted:
            wrong = [number + 1 for number in wrong]
        elif row is repaired:
            wrong = [number - 1 for number in wrong]
        else:
            assert {name: got[name] for name in raw} == raw
        assert got["error_steps"] == wrong
        assert got["modified_process"] == raw["modified_process"]
        if raw["classification"] in ("redundency", "circular", "multi_solutions"):
            # Those steps are superfluous, not wrong.
            continue
        said = labels[raw["modified_question"] + "\n".join(raw["modified_process"])]
        assert [number for number, right in enumerate(said, start=1) if not right] == wrong
