"""Active time: seen, in focus, and not idle; in all, and for the step that was the current one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Run = Callable[..., Any]

# Time is given, and so is whether somebody looks: a made-up document that hears what it is told.
ACTIVITY = """
const { measureActivity } = await load("activity");
const store = new Map();
const storage = {
  getItem: (key) => store.get(key) ?? null,
  setItem: (key, value) => store.set(key, value),
  removeItem: (key) => store.delete(key),
};
let time = 0;
const view = new EventTarget();
const rows = [0, 1].map((position) => {
  const row = document.createElement("li");
  row.dataset.position = position;
  document.body.append(row);
  return row;
});
const target = Object.assign(new EventTarget(), {
  defaultView: view, visibilityState: "visible", focus: true, hasFocus: () => target.focus,
  querySelector: (selector) => document.querySelector(selector),
});
const stand = (position) => rows.forEach((row, at) => {
  if (at === position) row.setAttribute("aria-current", "step");
  else row.removeAttribute("aria-current");
});
const act = (ms) => { time += ms; target.dispatchEvent(new Event("keydown")); };
const turn = (state) => {
  target.visibilityState = state;
  target.dispatchEvent(new Event("visibilitychange"));
};
const blur = () => { target.focus = false; view.dispatchEvent(new Event("blur")); };
const focus = () => { target.focus = true; view.dispatchEvent(new Event("focus")); };
const given = { target, now: () => time, storage, key: "k" };
const measure = (more = {}) => measureActivity({ ...given, ...more });
"""


def test_time_is_counted_in_all_and_by_step(run: Run) -> None:
    body = """
    const activity = measure();
    act(1000);
    stand(0); act(2000);
    stand(1); act(3000);
    stand(0); act(500);
    return activity.read();
    """
    assert run(ACTIVITY + body) == {"total": 6500, "steps": {"0": 2500, "1": 3000}}


def test_who_does_nothing_for_long_is_not_there(run: Run) -> None:
    body = "const activity = measure(); stand(0); act(600000); return activity.read();"
    assert run(ACTIVITY + body) == {"total": 60_000, "steps": {"0": 60_000}}


def test_a_page_that_nobody_sees_takes_no_time(run: Run) -> None:
    body = """
    const activity = measure();
    stand(0);
    time += 5000; turn("hidden");
    time += 30000; turn("visible");
    act(1000);
    return activity.read();
    """
    assert run(ACTIVITY + body)["total"] == 6000


def test_a_window_without_focus_takes_no_time(run: Run) -> None:
    body = """
    const activity = measure();
    time += 5000; blur();
    act(20000);
    time += 20000; focus();
    act(1000);
    return activity.read();
    """
    assert run(ACTIVITY + body)["total"] == 6000


def test_a_reload_goes_on_from_where_it_was(run: Run) -> None:
    body = """
    const activity = measure();
    stand(1); act(4000);
    view.dispatchEvent(new Event("pagehide"));
    const again = measure();
    act(1000);
    return again.read();
    """
    assert run(ACTIVITY + body) == {"total": 5000, "steps": {"1": 5000}}


@pytest.mark.parametrize(("on_server", "total"), [(9000, 9000), (100, 4000)])
def test_the_longer_of_both_counts(run: Run, on_server: int, total: int) -> None:
    """Another browser may have gone on meanwhile; or the server's draft is an older one."""
    body = """
    const activity = measure();
    act(4000); activity.keep();
    return measure({ start: { total: args, steps: {} } }).read().total;
    """
    assert run(ACTIVITY + body, on_server) == total


def test_what_is_done_is_forgotten(run: Run) -> None:
    body = """
    const activity = measure();
    act(4000); activity.keep(); activity.forget();
    // The page is left after that.
    view.dispatchEvent(new Event("pagehide"));
    return measure().read();
    """
    assert run(ACTIVITY + body) == {"total": 0, "steps": {}}


def test_what_cannot_be_read_is_nothing(run: Run) -> None:
    body = 'store.set("k", "{"); return measure().read();'
    assert run(ACTIVITY + body) == {"total": 0, "steps": {}}
