/** Loses nothing: drafts, lease, second tab, lost session and submission of one item, tied together.
 *
 *  const keeper = keepSafe({ page, store, signal });   // page: {assignment, draft, urls, way} as the server gave it
 *  await keeper.submit();                       // once, however often it is asked; then the next item
 *  await keeper.skip(reason);
 *
 *  Every change of the store is kept at once in this browser and soon on the server. Without `urls.draft` it
 *  is kept in this browser alone, without `urls.heartbeat` there is no lease, without `urls.skip` no skipping;
 *  `way` {kind, asks_reason, extra} says what else the submission carries (workspace_context.py has it all).
 */

import { measureActivity } from "./activity.js";
import { lookAhead } from "./ahead.js";
import { call } from "./api.js";
import { hideBanner, say, showBanner } from "./banners.js";
import { el } from "./dom.js";
import { createDrafts } from "./drafts.js";
import { keepLease } from "./lease.js";
import { borrowMath } from "./math.js";
import { createOutbox } from "./outbox.js";
import { t } from "./text.js";
import { hideToast, showToast } from "./toast.js";
import { readPage, turnTo } from "./turning.js";
import { sameContent } from "./workspace.js";

// After so long it is said that the next item is on its way.
const SLOW_MS = 150;
const NOTHING_AHEAD = { touch() {}, hold: () => null, release() {}, forget() {} };
const WORK = { kind: "work", asks_reason: false, extra: {} };

export function keepSafe({ page, store, signal = undefined, onIncomplete = () => {} }) {
  const { assignment, draft, urls } = page;
  const way = page.way || WORK;
  // By item and person: an item that is taken again has another assignment, and the same draft.
  const name = `item-${draft.key ?? assignment.id}`;
  const activity = measureActivity({ signal, storage: localStorage, key: `activity:${name}`, start: draft.activity });
  const outbox = createOutbox({ storage: localStorage, call });
  let submitting = false;
  let over = false;

  const drafts = createDrafts({
    url: urls.draft,
    leaseToken: assignment.lease_token,
    version: draft.version,
    key: `draft:${name}`,
    call,
    storage: localStorage,
    more: () => ({ activity: activity.read() }),
    say,
    onConflict: askWhichVersion,
    onLeaseLost: leaseLost,
    onSignedOut: () => signInAgain(() => drafts.retry()),
  });
  const lease = urls.heartbeat
    ? keepLease({ url: urls.heartbeat, token: assignment.lease_token, call, onLost: leaseLost })
    : { stop() {} };
  const ahead = urls.ahead ? lookAhead({ url: urls.ahead, signal }) : NOTHING_AHEAD;
  if (!urls.skip) hideSkipping();
  const tab = watchOtherTabs(name, {
    signal,
    onOther: () => {
      drafts.settle();
      drafts.stop();
      lease.stop();
      showBanner("tab", t("otherTab"), {
        tone: "warn",
        iconName: "info",
        action: t("continueHere"),
        onAction: () => location.reload(),
      });
    },
  });

  function askWhichVersion({ ours, theirs, savedAt }) {
    const dialog = document.getElementById("conflict");
    const when = dialog.querySelector("[data-conflict-when]");
    when.textContent = savedAt ? t("conflictWhen", { time: clockTime(savedAt) }) : "";
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        // Both go into the history, so that undo brings the other one back.
        const takeTheirs = dialog.returnValue === "theirs" && Object.keys(theirs ?? {}).length > 0;
        if (takeTheirs) store.adopt(theirs, null);
        else {
          store.adopt(ours, Object.keys(theirs ?? {}).length > 0 ? theirs : null);
          drafts.save(ours);
        }
      },
      { once: true },
    );
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[value='ours']").focus();
  }

  function leaseLost({ ended_at: endedAt, state } = {}) {
    drafts.stop();
    lease.stop();
    if (over || state === "submitted") return;
    const text = endedAt ? t("leaseLostAt", { time: clockTime(endedAt) }) : t("leaseLost");
    showBanner("lease", text, {
      tone: "warn",
      iconName: "clock",
      action: t("takeAgain"),
      // Somebody else may have it now; the server says so then, and the draft is kept either way.
      onAction: () => document.getElementById("take-again").requestSubmit(),
    });
  }

  /** `send` is given what is ready of the next item, null where nothing is. */
  async function finish(send) {
    if (submitting) return;
    submitting = true;
    document.querySelector("[data-submit]")?.setAttribute("aria-busy", "true");
    const slow = setTimeout(sayThatNextComes, SLOW_MS);
    try {
      await drafts.hold();
      // Another window has saved other words: the person is asked which ones are meant.
      if (document.getElementById("conflict")?.open) {
        clearTimeout(slow);
        goOnHere();
        return;
      }
      const ready = ahead.hold();
      const answer = await send(ready);
      over = true;
      drafts.stop({ forget: true });
      activity.forget();
      lease.stop();
      if (turn(answer, ready)) clearTimeout(slow);
      else location.assign(answer.next_url);
    } catch (error) {
      clearTimeout(slow);
      goOnHere();
      failed(error);
    }
  }

  function goOnHere() {
    submitting = false;
    document.querySelector("[data-submit]")?.removeAttribute("aria-busy");
    document.querySelector(".workspace")?.removeAttribute("data-leaving");
    hideToast();
    ahead.release();
    drafts.release();
  }

  function signInAgain(again) {
    ahead.forget();
    askToSignIn(again);
  }

  function failed(error) {
    if (error.code === "offline") {
      showBanner("submit", t("submitWaits"), { tone: "warn", iconName: "offline" });
      // The banner stays above the steps, which whoever has judged the last one has scrolled away from.
      showToast(t("submitWaits"));
    } else if (error.code === "incomplete") {
      onIncomplete(error);
      showToast(error.message);
    } else if (error.code === "stale_draft" || (error.code === "conflict" && error.detail.content)) {
      // The word that was said elsewhere meanwhile is what the next one changes.
      if (error.detail.number) way.extra = { ...way.extra, number: error.detail.number };
      askWhichVersion({
        ours: store.content,
        theirs: error.detail.content,
        savedAt: error.detail.saved_at ?? null,
      });
    } else if (error.code === "lease_lost") {
      leaseLost(error.detail);
    } else if (error.code === "signed_out") {
      signInAgain(() => keeper.submit());
    } else {
      showToast(t("submitFailed", { reason: error.message }));
    }
  }

  store.subscribe((content) => {
    drafts.save(content);
    activity.keep();
    ahead.touch();
  });
  addEventListener("pagehide", () => drafts.leave(), { signal });
  addEventListener(
    "online",
    async () => {
      hideBanner("offline");
      await drafts.retry();
      if (outbox.isWaiting(name)) keeper.submit();
    },
    { signal },
  );

  const unsaved = drafts.findUnsaved();
  if (unsaved && !sameContent(unsaved, store.content)) {
    store.adopt(unsaved);
    showToast(t("restored"), { undo: () => store.undo() });
  }
  tab.announce();

  /** What waits already was given its reason. */
  async function findReason() {
    if (!way.asks_reason) return {};
    const reason = outbox.findBody(name)?.reason ?? (await askForReason());
    return reason ? { reason } : null;
  }

  function send(reason, ready) {
    const { total, steps } = activity.read();
    const held = assignment.lease_token ? { lease_token: assignment.lease_token, version: drafts.version } : {};
    const said = { content: store.content, active_ms: total, step_ms: steps };
    // What waits may be sent by any page, and only here is somebody there to see the next item.
    const via = naming(ready, urls.submit_next);
    return outbox.send(name, urls.submit, { ...held, ...said, ...way.extra, ...reason }, { via });
  }

  const keeper = {
    drafts,
    async submit() {
      const reason = submitting ? null : await findReason();
      if (reason) await finish((ready) => send(reason, ready));
    },
    async skip(reason) {
      if (!urls.skip) return;
      const body = { lease_token: assignment.lease_token, reason };
      await finish((ready) => call("POST", naming(ready, urls.skip_next), body));
    },
  };
  // It was submitted without a network, and the page was loaded again since.
  if (outbox.isWaiting(name) && navigator.onLine) keeper.submit();
  return keeper;
}

function hideSkipping() {
  document.getElementById("skip")?.remove();
  for (const button of document.querySelectorAll("[popovertarget='skip']")) button.hidden = true;
}

/** Why a judgement is changed; null where the person goes on with it instead. Asked again, the words are there. */
function askForReason() {
  const dialog = document.getElementById("way-reason") ?? buildReasonDialog();
  if (dialog.open) return Promise.resolve(null);
  const field = dialog.querySelector("textarea");
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const answer = () => {
      const reason = field.value.trim();
      // Blanks alone are none, which the browser does not know.
      resolve(dialog.returnValue === "yes" ? reason || askForReason() : null);
    };
    dialog.addEventListener("close", answer, { once: true });
  });
}

function buildReasonDialog() {
  const field = { class: "input", id: "way-reason-text", rows: 3, maxlength: 10_000, required: true };
  const form = el(
    "form",
    { class: "dialog__body", method: "dialog" },
    el("h2", { id: "way-reason-title" }, t("reasonTitle")),
    el(
      "div",
      { class: "field" },
      el("label", { class: "field__label", for: "way-reason-text" }, t("reasonLabel")),
      el("textarea", field),
    ),
    el(
      "div",
      { class: "row row--end" },
      el("button", { class: "btn", value: "", formnovalidate: true }, t("goOnWithIt")),
      el("button", { class: "btn btn--primary", value: "yes" }, t("submitReason")),
    ),
  );
  const dialog = el("dialog", { class: "dialog", id: "way-reason", "aria-labelledby": "way-reason-title" }, form);
  document.body.append(dialog);
  return dialog;
}

/** The address, with what the server need not send again. */
function naming(ready, url) {
  return ready ? `${url}?at_hand=${ready.digest}` : url;
}

/** Shows the next item, which is at hand or came with the answer; false where its page has to be loaded. */
function turn({ page, values, next_url: url }, ready) {
  try {
    const next = values ? ready.fill(values) : page && readPage(page);
    if (!next) return false;
    // Something of it has changed, but hardly its text.
    if (ready && !values) borrowMath(ready.body, next.body);
    turnTo(next, url);
    return true;
  } catch (error) {
    reportError(error);
    return false;
  }
}

function sayThatNextComes() {
  document.querySelector(".workspace")?.setAttribute("data-leaving", "");
  showToast(t("nextItem"));
}

/** Another tab that opens the same item takes it over; this one then only shows it. */
function watchOtherTabs(name, { onOther, signal }) {
  if (!("BroadcastChannel" in globalThis)) return { announce() {} };
  const channel = new BroadcastChannel(`workbench:${name}`);
  channel.addEventListener("message", (event) => {
    if (event.data === "opened") onOther();
  });
  signal?.addEventListener("abort", () => channel.close());
  return {
    announce: () => channel.postMessage("opened"),
  };
}

function askToSignIn(again) {
  const dialog = document.getElementById("signed-out");
  if (!dialog || dialog.open) return;
  dialog.addEventListener(
    "close",
    async () => {
      await refreshToken();
      again();
    },
    { once: true },
  );
  dialog.showModal();
}

/** Signing in makes a new token; the page that carries it is asked for, and only the token is taken. */
async function refreshToken() {
  try {
    const response = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const token = fresh.querySelector('meta[name="csrf-token"]')?.content;
    const meta = document.querySelector('meta[name="csrf-token"]');
    if (token && meta) meta.content = token;
    for (const field of document.querySelectorAll("input[name='csrfmiddlewaretoken']")) {
      field.value = token ?? field.value;
    }
  } catch {
    // The network is away: the next try says so.
  }
}

function clockTime(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return date.toLocaleTimeString(document.documentElement.lang || "en", { hour: "2-digit", minute: "2-digit" });
}
