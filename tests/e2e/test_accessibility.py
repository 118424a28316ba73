"""What axe cannot see: the way of Tab, what has the focus, zoom, motion, forced colours, MathML.

On the pages of work and those of one's account, with the demo project's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import find_overflow
from tests.e2e.conftest import Demo
from tests.e2e.people import await_item

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESK = {"width": 1440, "height": 900}
# What a window of 1440 × 900 has left at 200 %: the same points, half as many CSS pixels.
ZOOMED = {"width": 720, "height": 450}
PHONE = {"width": 390, "height": 844}
# What is near is rendered; what is folded away or far below waits until it comes near.
RENDERED = """() => [...document.querySelectorAll("[data-math]:not([data-math-done])")].every(
  (element) => !element.checkVisibility() || element.getBoundingClientRect().top > innerHeight,
)"""
WORK = ("rate", "verify-sealed", "verify-open", "dispute-rating", "dispute-verdict")
PAGES = (*WORK, "account", "account-keys")
# No page has more places to stop at than this; who has not come round by then is in a trap.
MANY = 600

# Notes what Tab should stop at (each control that is drawn, one of each group of radios), and then
# what it does stop at, and whether one sees where.
WATCH_FOCUS = """() => {
  const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex]";
  const radios = new Set();
  const isStop = (element) => {
    if (element.tabIndex < 0 || element.disabled) return false;
    if (element.closest("fieldset:disabled")) return false;
    if (!element.checkVisibility({ visibilityProperty: true })) return false;
    const group = element.type === "radio" ? `${element.form?.id}:${element.name}` : null;
    const isKnown = group !== null && radios.has(group);
    radios.add(group);
    return !isKnown;
  };
  const hasRing = (element) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  };
  // A control that is drawn by its label has its ring there.
  const isSeen = (element) =>
    [element, element.parentElement, element.parentElement?.parentElement].some(
      (node) => node && hasRing(node),
    );
  window.stops = [...document.querySelectorAll(CONTROLS)].filter(isStop);
  window.walked = [];
  document.addEventListener("focusin", ({ target }) => {
    window.walked.push({ target, isSeen: isSeen(target) });
  });
}"""
READ_WALK = """() => {
  const nameOf = (element) => {
    const words = element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 30);
    return `${element.localName}#${element.id}.${element.className} ${element.name ?? ""} ${words}`;
  };
  const targets = window.walked.map(({ target }) => target);
  const round = targets.indexOf(targets[0], 1);
  const once = round < 0 ? targets : targets.slice(0, round);
  const groupOf = (element) => (element.type === "radio" ? element.name : element);
  const seen = new Set(once.map(groupOf));
  // The list's own stop is its current row, which goes along with the focus; so does what is said
  // of that step beside the list.
  const isGone = (element) =>
    element.matches("[data-row], [data-position]") || !element.checkVisibility();
  return {
    isRound: round > 0,
    last: nameOf(targets.at(-1)),
    twice: once.filter((element, index) => once.indexOf(element) !== index).map(nameOf),
    missed: window.stops
      .filter((element) => !isGone(element) && !seen.has(groupOf(element)))
      .map(nameOf),
    unseen: window.walked.filter(({ isSeen }) => !isSeen).map(({ target }) => nameOf(target)),
  };
}"""
# Pairs of neighbours in the document of which the second is drawn before the first.
FIND_DISORDER = """(selector) => {
  const isDrawn = (element) => element.checkVisibility({ visibilityProperty: true });
  const boxOf = (element) => element.getBoundingClientRect();
  const wanted = [...document.querySelectorAll(selector)].filter(
    (element) => isDrawn(element) && boxOf(element).width > 1,
  );
  const found = [];
  for (let index = 1; index < wanted.length; index += 1) {
    const [before, after] = [wanted[index - 1], wanted[index]];
    const [one, other] = [boxOf(before), boxOf(after)];
    const isAbove = other.bottom <= one.top + 1;
    const isBeside = other.top < one.bottom - 1 && other.bottom > one.top + 1;
    const isLeft = isBeside && other.right <= one.left + 1;
    if (isAbove || isLeft) found.push(`${after.className} before ${before.className}`);
  }
  return found;
}"""

# What is read or pressed and lies under something else even when it is brought into view.
FIND_COVERED = """() => {
  const wanted = document.querySelectorAll(
    ".step__text, .fork__text, .matrix__text, .question .read, .problem .read, main button," +
    " main input:not([type=hidden]), main textarea, aside button, aside textarea, .dock button",
  );
  const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
  const covered = [];
  for (const element of wanted) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("fieldset:disabled")) continue;
    // What is chosen by its label is drawn as that label.
    const drawn = element.closest("label") ?? element;
    drawn.scrollIntoView({ block: "center", inline: "nearest" });
    const box = drawn.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    const x = within(box.left + Math.min(box.width / 2, 40), innerWidth);
    const y = within(box.top + Math.min(box.height / 2, 40), innerHeight);
    const there = document.elementFromPoint(x, y);
    if (drawn.contains(there) || there?.contains(drawn)) continue;
    covered.push(`${element.localName}.${element.className} ${element.name ?? ""} under ` +
      `${there?.localName}.${there?.className}`);
  }
  return covered.slice(0, 8);
}"""
FIND_MOTION = """() => {
  const lasts = (value) => value.split(",").some((one) => parseFloat(one) > 0);
  const running = document
    .getAnimations()
    .filter((one) => one.effect.getComputedTiming().duration > 0)
    .map((one) => one.animationName ?? one.transitionProperty);
  const ready = [...document.querySelectorAll("*")].filter((node) => {
    const style = getComputedStyle(node);
    const { transitionDuration, animationDuration, scrollBehavior } = style;
    return lasts(transitionDuration) || lasts(animationDuration) || scrollBehavior === "smooth";
  });
  return [...running, ...ready.map((node) => `${node.localName}.${node.className}`)];
}"""
READ_SHAPES = """() => {
  const marks = [...document.querySelectorAll(".step__mark .mark")];
  const chosen = document.querySelector(".rating__option:has(:checked)");
  const edge = getComputedStyle(document.querySelector(".step[aria-current]"), "::before");
  return {
    marks: marks.map((mark) => [
      mark.dataset.v,
      mark.querySelector("use").getAttribute("href"),
      mark.getAttribute("aria-label"),
    ]),
    outline: getComputedStyle(chosen).outlineStyle,
    width: chosen.querySelector(".mark").getBoundingClientRect().width,
    word: chosen.textContent.trim(),
    edge: edge.backgroundColor,
  };
}"""
READ_LINES = """(name) => [...document.querySelectorAll(`.${name}`)]
  .map((node) => getComputedStyle(node).textDecorationLine)"""
# Elements with fewer formulas in MathML than their source has between dollars.
FIND_BARE = """async () => {
  const { href } = document.querySelector("link[rel=modulepreload][href*='js/math']");
  const { sourceOf } = await import(href);
  const FORMULA = /\\$\\$[^$]+\\$\\$|\\$[^$\\n]+\\$/g;
  const bare = [];
  let formulas = 0;
  for (const element of document.querySelectorAll("[data-math-done]")) {
    const source = sourceOf(element);
    const made = [...element.querySelectorAll("math")];
    formulas += made.length;
    if (made.some((math) => !math.textContent.trim())) bare.push(source);
    // A dollar that is a dollar makes counting them in pairs wrong.
    else if (!source.includes("\\\\$") && made.length < (source.match(FORMULA) ?? []).length) {
      bare.push(source);
    }
  }
  return { bare: bare.map((source) => source.slice(0, 80)), formulas };
}"""


@pytest.fixture(scope="module")
def open_demo(browser: Browser, demo: Demo) -> Iterator[Callable[..., Page]]:
    """Opens a page of the demo in a window that is kept for its options."""
    windows: dict[str, Page] = {}

    def open_page(name: str, **options: Any) -> Page:
        key = repr(sorted(options.items(), key=repr))
        if key not in windows:
            made = {"viewport": DESK} | options
            context = browser.new_context(
                base_url=demo.system.url, storage_state=demo.session, **made
            )
            windows[key] = context.new_page()
        page = windows[key]
        page.goto(demo.pages[name])
        if name in WORK:
            expect(page.locator("[aria-current=step]")).to_be_visible()
            page.wait_for_function(RENDERED)
        return page

    yield open_page
    for page in windows.values():
        page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_tab_goes_round_every_control_and_shows_where_it_is(open_demo, name):
    page = open_demo(name)
    # The pages of work put the focus on a step; the way begins at the top of the page.
    page.evaluate("document.activeElement.blur()")
    page.evaluate("getSelection().collapse(document.body, 0)")
    page.evaluate(WATCH_FOCUS)
    stops = page.evaluate("window.stops.length")
    assert 3 < stops < MANY
    for _press in range(stops + 3):
        page.keyboard.press("Tab")
    walk = page.evaluate(READ_WALK)
    assert walk["isRound"], f"caught at {walk['last']}"
    assert walk["twice"] == []
    assert walk["missed"] == []
    assert walk["unseen"] == []


@pytest.mark.parametrize("name", PAGES)
def test_at_200_percent_nothing_is_lost(open_demo, name):
    page = open_demo(name, viewport=ZOOMED, device_scale_factor=2)
    assert find_overflow(page) == []
    # Everything that is read or pressed can be brought into view, and nothing lies over it.
    assert page.evaluate(FIND_COVERED) == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["rate", "verify-open"])
def test_what_is_heard_comes_in_the_order_in_which_it_is_seen(open_demo, name, size):
    page = open_demo(name, viewport=size)
    panes = ".workspace > .topbar, .workspace__aside, .workspace__main, .workspace__side, .dock"
    assert page.evaluate(FIND_DISORDER, panes) == []
    rows = {"rate": ".step", "verify-open": ".fork"}[name]
    assert page.evaluate(FIND_DISORDER, rows) == []
    # Within a row: its number, its text, what is said of it.
    for number in range(min(3, page.locator(rows).count())):
        parts = f"{rows}:nth-of-type({number + 1}) > *"
        assert page.evaluate(FIND_DISORDER, parts) == []
    controls = ".topbar a, .topbar button"
    assert page.evaluate(FIND_DISORDER, controls) == []


def test_with_reduced_motion_nothing_moves(open_demo):
    page = open_demo("rate", reduced_motion="reduce")
    for popover in ("help", "types", "skip", "more"):
        page.evaluate("(id) => document.getElementById(id).showPopover()", popover)
        assert page.evaluate(FIND_MOTION) == []


def test_forced_colours_keep_shapes_and_words(open_demo):
    page = open_demo("rate", forced_colors="active")
    told = page.evaluate(READ_SHAPES)
    pictures = {value: (shape, word) for value, shape, word in told["marks"]}
    # Right, wrong and not judged yet: three shapes and three words.
    assert len(pictures) > 2
    assert len({shape for shape, _word in pictures.values()}) == len(pictures)
    assert len({word for _shape, word in pictures.values()}) == len(pictures)
    assert told["outline"] != "none"
    assert told["width"] > 10
    assert told["word"]
    assert told["edge"] != "rgba(0, 0, 0, 0)"


def test_forced_colours_keep_differences(open_demo):
    page = open_demo("verify-open", forced_colors="active")
    removed, inserted = page.evaluate(READ_LINES, "was"), page.evaluate(READ_LINES, "is")
    assert set(removed) <= {"line-through"}
    assert set(inserted) <= {"underline"}
    assert removed or inserted


@pytest.mark.parametrize("name", ["rate", "verify-open", "dispute-rating"])
def test_every_formula_is_mathml(open_demo, name):
    page = open_demo(name)
    found = page.evaluate(FIND_BARE)
    assert found["bare"] == []
    assert found["formulas"] > 0


def test_a_panel_beside_the_work_is_no_trap(open_demo):
    """Opened by its key, walked through, closed by Escape: the step has the focus again."""
    page = open_demo("rate")
    step = page.locator(".step[aria-current=step]")
    expect(step).to_be_focused()
    await_item(page)
    page.keyboard.press("c")
    words = page.locator("#comments-panel [data-comment-words]")
    expect(words).to_be_focused()
    inside = 'document.getElementById("comments-panel").contains(document.activeElement)'
    for _press in range(MANY):
        page.keyboard.press("Tab")
        if not page.evaluate(inside):
            break
    assert not page.evaluate(inside)
    words.focus()
    page.keyboard.press("Escape")
    expect(page.locator("#comments-panel")).to_be_hidden()
    expect(step).to_be_focused()
