"""`python -m tests.benchmarks.measure_browser`: the workspace in a browser, one JSON object a line.

Real Chromium against the real server, on items of 13 steps with formulas. Beside each time stands
what the same browser needs at the same moment for next to nothing: a page of a few bytes, a key
that nobody answers, a request for nothing. The figures:

  keypress_ms_p95       from a key that rates a step to the frame that shows the rating
  keypress_event_ms_p95 the same as the browser's Event Timing has it, in steps of 8 ms
  submit_next_ms_p95    from the key that submits to the next item, its mathematics rendered
  submit_requests       what the page asks the server for between the two
  submit_ahead_percent  of the submissions, those whose next item was ready in the browser by then
  first_load_kb         with an empty cache, as transferred, without fonts; first_load_requests
  warm_load_kb          the next item loaded as a page of its own, the cache full
  readable_cold_ms      from the navigation to the frame that shows the item, the cache empty
  layout_shift          the worst sum of layout shifts of an item, those after a key included
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.places import ROOT, make_folder, say
from tests.e2e.browsing import sign_in
from tests.e2e.people import KEYS_REST_MS
from tests.e2e.system import System, run_system

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, ViewportSize

NAME = "reviewer"
SLUG = "measured"
STEPS = 13
# As fast as somebody who does not read: slower people only give the page more time.
KEY_PAUSE_MS = 90
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
PATIENCE_MS = 60_000
# An answer that brings the next item's page has more, whatever the item.
WITHOUT_PAGE_KB = 3
P95 = 0.95
# Root has no sandbox to give, and a container little shared memory.
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]


@dataclass(frozen=True, slots=True)
class Size:
    """How many cold loads are made, and how many items are rated and submitted."""

    loads: int
    items: int


FULL = Size(loads=5, items=25)
QUICK = Size(loads=1, items=3)

# Notes, on the clock of the machine, when an item can be read for the first time, and how much of
# the page moved; the notes outlive a navigation. A frame's callbacks run before it is painted, and
# the message sent from one arrives when that is done.
OBSERVE = """
(() => {
  const notes = JSON.parse(sessionStorage.getItem("bench") ?? "[]");
  const note = (entry) => {
    notes.push(entry);
    sessionStorage.setItem("bench", JSON.stringify(notes));
  };
  const wall = (time = performance.now()) => performance.timeOrigin + time;
  const afterPaint = (done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(wall());
    channel.port2.postMessage(null);
  });
  const isSeen = (element) => {
    const box = element.getBoundingClientRect();
    const frame = element.closest(".workspace__main")?.getBoundingClientRect();
    return box.height > 0 && box.top < (frame?.bottom ?? innerHeight) && box.bottom > 0;
  };
  let seen = null;
  const watch = () => {
    const form = document.getElementById("work");
    const item = form?.getAttribute("action");
    if (item && item !== seen && form.querySelector("[aria-current=step]")) {
      const waiting = [...document.querySelectorAll("[data-math]:not([data-math-done])")];
      if (!waiting.some(isSeen)) {
        seen = item;
        const channel = new MessageChannel();
        channel.port1.onmessage = () => note({ kind: "readable", item, at: wall() });
        channel.port2.postMessage(null);
      }
    }
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  const judged = new Set();
  addEventListener("keydown", (event) => {
    const pressed = wall(event.timeStamp);
    const key = event.key;
    if (key === "Enter") note({ kind: "submit", at: pressed });
    else {
      judged.add(event.timeStamp);
      afterPaint((at) => note({ kind: "key", key, ms: at - pressed }));
    }
  }, true);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) note({ kind: "shift", item: seen, value: entry.value });
  }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name !== "keydown" || !judged.has(entry.startTime)) continue;
      note({ kind: "event", ms: entry.duration });
    }
  }).observe({ type: "event", durationThreshold: 16 });
})();
"""
ASK_FOR_NOTHING = """
async () => {
  const start = performance.now();
  await (await fetch("/health/", { cache: "no-store" })).text();
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}
"""


@dataclass
class Traffic:
    """What a page asked the server for, since it was cleared: requests and bytes as transferred.

    No slots: Playwright leaves a mark on whoever listens.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    def follow(self, session: CDPSession) -> None:
        session.on("Network.responseReceived", self._note_response)
        session.on("Network.loadingFinished", self._note_end)
        session.send("Network.enable")

    def clear(self) -> None:
        self.kinds.clear()
        self.sizes.clear()

    @property
    def requests(self) -> int:
        """How many answers came over the network: the browser's cache is none."""
        return len(self._counted())

    @property
    def kilobytes(self) -> float:
        return sum(self._counted()) / 1000

    def _counted(self) -> list[float]:
        return [
            size
            for request, size in self.sizes.items()
            if size and self.kinds.get(request) != "Font"
        ]

    def _note_response(self, event: dict[str, Any]) -> None:
        self.kinds[event["requestId"]] = event["type"]

    def _note_end(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]


def measure(size: Size) -> Iterator[Figure]:
    """Every figure, on a workbench of its own."""
    from playwright.sync_api import sync_playwright

    from tests.servers import find_chromium

    with make_folder() as folder, run_system(folder) as system:
        stage(system, items=size.items + 2)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            context = browser.new_context(viewport=VIEWPORT)
            sign_in(context.new_page(), system.url, NAME, NAME)
            session: Any = context.storage_state()
            path = take_first(context, system)
            context.close()
            yield from measure_loads(browser, system, session, path, size)
            yield from measure_work(browser, system, session, path, size)
            browser.close()


def measure_loads(
    browser: Browser, system: System, session: Any, path: str, size: Size
) -> Iterator[Figure]:
    """What the first page of the day costs, and one after it."""
    readable, bare, first, requests, warm = [], [], [], [], []
    for _load in range(size.loads):
        context = browser.new_context(viewport=VIEWPORT, storage_state=session)
        context.add_init_script(OBSERVE)
        page = context.new_page()
        traffic = Traffic()
        traffic.follow(context.new_cdp_session(page))
        start = time.time() * 1000
        page.goto(f"{system.url}/health/", wait_until="load")
        bare.append(page.evaluate("performance.timeOrigin + performance.now()") - start)
        traffic.clear()
        page.goto(f"{system.url}{path}", wait_until="networkidle")
        note = await_readable(page, path)
        readable.append(note["at"] - page.evaluate("performance.timeOrigin"))
        first.append(traffic.kilobytes)
        requests.append(traffic.requests)
        traffic.clear()
        page.goto(f"{system.url}{path}", wait_until="networkidle")
        warm.append(traffic.kilobytes)
        context.close()
    yield Figure("first_load_kb", max(first), "KB")
    yield Figure("first_load_requests", max(requests), "requests")
    yield Figure("warm_load_kb", max(warm), "KB")
    yield Figure("readable_cold_ms", percentile(readable, P95), "ms", percentile(bare, P95))


def measure_work(
    browser: Browser, system: System, session: Any, path: str, size: Size
) -> Iterator[Figure]:
    """A shift by key: each item rated step by step and submitted, the next one awaited."""
    context = browser.new_context(viewport=VIEWPORT, storage_state=session)
    context.add_init_script(OBSERVE)
    page = context.new_page()
    traffic = Traffic()
    traffic.follow(context.new_cdp_session(page))
    page.goto(f"{system.url}{path}", wait_until="networkidle")
    await_readable(page, path)
    submits, asked, fetches, ahead = [], [], [], []
    for _item in range(size.items):
        page.wait_for_timeout(KEYS_REST_MS)
        for _step in range(STEPS):
            page.keyboard.press("1")
            page.wait_for_timeout(KEY_PAUSE_MS)
        fetches.append(page.evaluate(ASK_FOR_NOTHING))
        traffic.clear()
        page.keyboard.press("Enter")
        readable = await_readable(page, path, other=True)
        path = readable["item"]
        pressed = next(note for note in reversed(read_notes(page)) if note["kind"] == "submit")
        submits.append(readable["at"] - pressed["at"])
        asked.append(traffic.requests)
        ahead.append(traffic.kilobytes < WITHOUT_PAGE_KB)
    notes = read_notes(page)
    context.close()
    keys = [note["ms"] for note in notes if note["kind"] == "key"]
    # What the browser does not report took less than it reports at all.
    events = [note["ms"] for note in notes if note["kind"] == "event"]
    events += [16.0] * max(0, len(keys) - len(events))
    bare = measure_bare_keys(browser, system, count=len(keys))
    yield Figure("keypress_ms_p95", percentile(keys, P95), "ms", percentile(bare, P95))
    yield Figure("keypress_event_ms_p95", percentile(events, P95), "ms")
    yield Figure("submit_next_ms_p95", percentile(submits, P95), "ms", percentile(fetches, P95))
    yield Figure("submit_next_ms_p50", percentile(submits, 0.5), "ms", percentile(fetches, 0.5))
    yield Figure("submit_requests", max(asked), "requests")
    yield Figure("submit_ahead_percent", 100 * sum(ahead) / len(ahead), "%")
    yield Figure("layout_shift", find_worst_shift(notes), "score")


def measure_bare_keys(browser: Browser, system: System, *, count: int) -> list[float]:
    """Milliseconds from a key to the next frame, on a page that does nothing."""
    page = browser.new_page(viewport=VIEWPORT)
    page.add_init_script(OBSERVE)
    page.goto(f"{system.url}/health/")
    for _key in range(count):
        page.keyboard.press("1")
        page.wait_for_timeout(KEY_PAUSE_MS)
    notes = read_notes(page)
    page.close()
    return [note["ms"] for note in notes if note["kind"] == "key"]


def find_worst_shift(notes: Sequence[dict[str, Any]]) -> float:
    """The largest sum over one item."""
    sums: dict[str | None, float] = {}
    for note in notes:
        if note["kind"] == "shift":
            sums[note["item"]] = sums.get(note["item"], 0.0) + note["value"]
    return max(sums.values(), default=0.0)


def read_notes(page: Page) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = page.evaluate("JSON.parse(sessionStorage.getItem('bench'))") or []
    return notes


def await_readable(page: Page, path: str, *, other: bool = False) -> dict[str, Any]:
    """The note that this item, or with `other` a different one than this, can be read."""
    handle = page.wait_for_function(
        """([path, other]) => JSON.parse(sessionStorage.getItem("bench") ?? "[]").findLast(
             (note) => note.kind === "readable" && (note.item === path) !== other
               && note.item === document.getElementById("work")?.getAttribute("action"))""",
        arg=[path, other],
        timeout=PATIENCE_MS,
    )
    note: dict[str, Any] = handle.json_value()
    return note


def take_first(context: BrowserContext, system: System) -> str:
    """The path of the first item, which the person then holds."""
    page = context.new_page()
    page.goto(f"{system.url}/projects/{SLUG}/work/")
    page.get_by_role("button", name="Take the next item").click()
    page.wait_for_url("**/assignments/*/")
    path: str = page.evaluate("location.pathname")
    page.close()
    return path


# --- The items ------------------------------------------------------------------------------------


def stage(system: System, *, items: int) -> None:
    """A project with this many items and a reviewer, made in a process with the system's data."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.measure_browser", "--stage", str(items)],
        cwd=ROOT,
        env=system.env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"The items could not be made:\n{done.stderr}")


def make_queue(count: int) -> None:
    """Solutions of 13 steps, a formula or two in each, as they are in the data sets."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")
    import django

    django.setup()
    from labeling.models import Membership, User
    from labeling.services.members import add_member
    from tests.labeling.factories import enqueue, make_project, make_solution

    lead = User.objects.get(username="admin")
    project = make_project(lead, SLUG)
    user = User.objects.create_user(NAME, password=NAME)
    add_member(project=project, user=user, role=Membership.Role.ANNOTATOR, by=None)
    for number in range(count):
        key = f"item-{number}"
        enqueue(
            make_solution(project, key, steps=write_steps(number), question=write_question(number))
        )


def write_question(number: int) -> str:
    return (
        rf"Let $f(x) = x^2 + \frac{{{number + 16}}}{{x}}$ for $x > 0$. What is the least value of "
        rf"$f$, and for how many integers $n \le {number + 100}$ is $n^2 + 3n$ divisible by $10$?"
    )


def write_steps(number: int) -> list[str]:
    return [
        rf"Step {step} of {number}: since $\sum_{{k=1}}^{{{step}}} k = "
        rf"\frac{{{step}({step}+1)}}{{2}} = {step * (step + 1) // 2}$, the bound "
        rf"$a_{{{step}}} \le \sqrt[3]{{{number + step}}}$ "
        r"holds, and every term that is left is divisible by both $2$ and $5$, which is what we "
        rf"use next: $\lfloor \tfrac{{{number + 100}}}{{{step}}} \rfloor$."
        for step in range(1, STEPS + 1)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 0."""
    name = "python -m tests.benchmarks.measure_browser"
    parser = argparse.ArgumentParser(prog=name, description="The workspace in a browser.")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    # How the items are made, in a process of the system's own data.
    parser.add_argument("--stage", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.stage is not None:
        make_queue(options.stage)
        return 0
    say("Measuring the workspace in Chromium …")
    for figure in measure(QUICK if options.quick else FULL):
        print(figure.to_line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
