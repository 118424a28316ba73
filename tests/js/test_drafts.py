"""Drafts: kept at once in the browser, soon on the server, and no text is ever thrown away.

Time and network are given: `timers` runs what was put off, `answers` says what each request gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

DRAFTS = """
const { createDrafts } = await load("drafts");
const { ApiError } = await load("api");
const said = [], calls = [], conflicts = [], lost = [], timers = [];
const answers = [];
const storage = new Map();
const drafts = createDrafts({
  url: "/draft/", leaseToken: "token", version: 3, key: "draft:item-7",
  call: async (method, url, body) => {
    calls.push(structuredClone(body));
    const answer = answers.shift() ?? { version: body.version + 1 };
    if (answer instanceof Error) throw answer;
    return answer;
  },
  storage: {
    getItem: (key) => storage.get(key) ?? null,
    setItem: (key, value) => storage.set(key, value),
    removeItem: (key) => storage.delete(key),
  },
  say: (state, values) => said.push(values?.n ? `${state} ${values.n}` : state),
  onConflict: (both) => conflicts.push(both),
  onLeaseLost: (detail) => lost.push(detail),
  later: (task, ms) => { timers.push([task, ms]); return timers.length; },
  cancel: (timer) => { if (timer) timers[timer - 1] = null; },
});
const fire = async () => {
  const task = timers.findLast(Boolean);
  timers.length = 0;
  if (task) await task[0]();
};
const error = (code, detail) => new ApiError(code === "offline" ? 0 : 409, code, code, detail);
const kept = () => JSON.parse(storage.get("draft:item-7") ?? "null")?.content ?? null;
"""


def test_it_works(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    drafts.save({ n: 1 });
    const atOnce = kept();
    await fire();
    return [atOnce, calls, said, kept(), drafts.version, drafts.dirty];
    """
    )
    at_once, calls, said, kept, version, dirty = run(body)
    assert at_once == {"n": 1}
    assert calls == [{"lease_token": "token", "version": 3, "content": {"n": 1}}]
    assert said == ["saving", "saved"]
    # The server has it, so the browser's copy is not needed.
    assert (kept, version, dirty) == (None, 4, False)


def test_many_changes_are_one_request(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    for (let n = 1; n <= 20; n += 1) drafts.save({ n });
    await fire();
    return calls.map((call) => call.content.n);
    """
    )
    assert run(body) == [20]


def test_changes_during_a_request_go_with_the_next(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    drafts.save({ n: 1 });
    const first = fire();
    drafts.save({ n: 2 });
    await first;
    await fire();
    return [calls.map((call) => [call.version, call.content.n]), drafts.version];
    """
    )
    assert run(body) == [[[3, 1], [4, 2]], 5]


def test_offline_and_back(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    answers.push(error("offline"));
    drafts.save({ n: 1 });
    await fire();
    drafts.save({ n: 2 });
    drafts.save({ n: 3 });
    const here = kept();
    await drafts.retry();
    return [said, here, calls.at(-1).content, kept()];
    """
    )
    said, here, sent, kept = run(body)
    assert said == ["saving", "savedHere", "savedHere", "savedHere", "backOnline 3"]
    assert (here, sent, kept) == ({"n": 3}, {"n": 3}, None)


def test_offline_is_tried_again_less_and_less_often(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    for (let i = 0; i < 6; i += 1) answers.push(error("offline"));
    drafts.save({ n: 1 });
    const waits = [];
    for (let i = 0; i < 6; i += 1) { await fire(); waits.push(timers.at(-1)[1]); }
    return waits;
    """
    )
    assert run(body) == [2000, 4000, 8000, 15000, 30000, 30000]


def test_a_stale_draft_keeps_both_texts(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    answers.push(error("stale_draft", { version: 9, content: { n: "theirs" }, saved_at: "now" }));
    drafts.save({ n: "ours" });
    await fire();
    const here = kept();
    drafts.save({ n: "ours" });
    await fire();
    return [conflicts, here, calls.at(-1).version, drafts.version];
    """
    )
    conflicts, here, sent_version, version = run(body)
    assert conflicts == [{"ours": {"n": "ours"}, "theirs": {"n": "theirs"}, "savedAt": "now"}]
    assert here == {"n": "ours"}
    # Going on with ours is saying so against the newer version.
    assert (sent_version, version) == (9, 10)


def test_a_stale_draft_that_says_the_same_is_none(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    answers.push(error("stale_draft", { version: 9, content: { b: 2, a: 1 } }));
    drafts.save({ a: 1, b: 2 });
    await fire();
    return [conflicts.length, drafts.version, said.at(-1)];
    """
    )
    assert run(body) == [0, 9, "saved"]


def test_a_lost_lease_stops_saving_and_keeps_the_text(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    answers.push(error("lease_lost", { state: "expired" }));
    drafts.save({ n: 1 });
    await fire();
    drafts.save({ n: 2 });
    await fire();
    return [lost, calls.length, kept()];
    """
    )
    assert run(body) == [[{"state": "expired"}], 1, {"n": 2}]


def test_settling_sends_what_waits(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    drafts.save({ n: 1 });
    await drafts.settle();
    return [calls.length, drafts.dirty, drafts.version];
    """
    )
    assert run(body) == [1, False, 4]


def test_a_browser_that_keeps_nothing_says_so(run: Callable[..., Any]) -> None:
    body = """
    const { createDrafts } = await load("drafts");
    const { ApiError } = await load("api");
    const said = [];
    const drafts = createDrafts({
      url: "/", leaseToken: "t", version: 0, key: "k",
      call: async () => { throw new ApiError(0, "offline", "no network"); },
      storage: { setItem() { throw new Error("quota"); }, getItem: () => null, removeItem() {} },
      say: (state) => said.push(state),
      later: (task) => { window.task ??= task; return 1; },
      cancel() {},
    });
    drafts.save({ n: 1 });
    await window.task();
    return said;
    """
    assert run(body) == ["saving", "notSaved"]


def test_what_a_crash_left_is_found(run: Callable[..., Any]) -> None:
    body = (
        DRAFTS
        + """
    storage.set("draft:item-7", JSON.stringify({ version: 2, content: { n: 5 } }));
    const found = drafts.findUnsaved();
    storage.set("draft:item-7", "{broken");
    return [found, drafts.findUnsaved()];
    """
    )
    assert run(body) == [{"n": 5}, None]


# --- Submissions ----------------------------------------------------------------------------------

OUTBOX = """
const { createOutbox } = await load("outbox");
const { ApiError } = await load("api");
localStorage.clear();
const calls = [], answers = [];
let keys = 0;
const outbox = createOutbox({
  storage: localStorage,
  newKey: () => `key-${(keys += 1)}`,
  call: async (method, url, body) => {
    calls.push(body.idempotency_key);
    const answer = answers.shift() ?? { ok: true };
    if (answer instanceof Error) throw answer;
    return answer;
  },
});
const offline = new ApiError(0, "offline", "");
"""


def test_a_retry_carries_the_same_key(run: Callable[..., Any]) -> None:
    body = (
        OUTBOX
        + """
    answers.push(offline);
    await outbox.send("item-7", "/submit/", {}).catch(() => {});
    const waited = outbox.isWaiting("item-7");
    await outbox.send("item-7", "/submit/", {});
    return [waited, calls, outbox.isWaiting("item-7")];
    """
    )
    assert run(body) == [True, ["key-1", "key-1"], False]


def test_a_refusal_is_not_tried_again(run: Callable[..., Any]) -> None:
    body = (
        OUTBOX
        + """
    answers.push(new ApiError(400, "incomplete", ""));
    await outbox.send("item-7", "/submit/", {}).catch(() => {});
    await outbox.send("item-7", "/submit/", {});
    return [outbox.isWaiting("item-7"), calls];
    """
    )
    # Another submission is another key: the first one was answered.
    assert run(body) == [False, ["key-1", "key-2"]]


def test_what_waited_is_sent_by_the_next_page(run: Callable[..., Any]) -> None:
    body = (
        OUTBOX
        + """
    answers.push(offline, offline);
    await outbox.send("a", "/a/", {}).catch(() => {});
    await outbox.send("b", "/b/", {}).catch(() => {});
    const sent = await outbox.sendAll();
    return [sent.sort(), localStorage.length];
    """
    )
    assert run(body) == [["a", "b"], 0]


def test_it_can_be_sent_by_another_address_and_waits_under_its_own(run: Callable[..., Any]) -> None:
    """What any page may send later must not take an item that nobody sees."""
    body = """
    const { createOutbox } = await load("outbox");
    localStorage.clear();
    const urls = [];
    const call = async (_method, url) => {
      urls.push(url);
      if (urls.length === 1) throw Object.assign(new Error(""), { code: "offline" });
      return {};
    };
    const outbox = createOutbox({ storage: localStorage, call });
    await outbox.send("a", "/a/", {}, { via: "/a/and-next/" }).catch(() => {});
    await outbox.sendAll();
    return urls;
    """
    assert run(body) == ["/a/and-next/", "/a/"]


HELD = """
const { createDrafts } = await load("drafts");
localStorage.clear();
const sent = [];
const arrivals = [];
const call = (_method, _url, body) => {
  sent.push(body.content.n);
  return new Promise((resolve) => arrivals.push(() => resolve({ version: sent.length })));
};
const timers = [];
const drafts = createDrafts({
  url: "/d/", leaseToken: "t", version: 0, key: "k", call, storage: localStorage,
  later: (task) => timers.push(task), cancel: () => timers.splice(0),
});
const tick = () => timers.splice(0).forEach((task) => task());
"""


def test_held_it_starts_nothing_and_lets_what_is_under_way_arrive(run: Callable[..., Any]) -> None:
    body = (
        HELD
        + """
    drafts.save({ n: 1 });
    tick();
    drafts.save({ n: 2 });
    const held = drafts.hold();
    arrivals.shift()();
    await held;
    tick();
    return [sent, drafts.version];
    """
    )
    assert run(body) == [[1], 1]


def test_released_it_goes_on_with_what_came_meanwhile(run: Callable[..., Any]) -> None:
    body = (
        HELD
        + """
    drafts.save({ n: 1 });
    await drafts.hold();
    drafts.save({ n: 2 });
    tick();
    const before = [...sent];
    drafts.release();
    tick();
    return [before, sent];
    """
    )
    assert run(body) == [[], [2]]
