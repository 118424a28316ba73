/** Loses nothing: drafts, lease, second tab, lost session and submission of one item, tied together.
 *
 *  const keeper = keepSafe({ page, store, signal });   // page: {assignment, draft, urls} as the server gave it
 *  await keeper.submit();                       // once, however often it is asked; then the next item
 *  await keeper.skip(reason);
 *
 *  Every change of the store is kept at once in this browser and soon on the server.
 */

import { measureActivity } from "./activity.js";
import { call } from "./api.js";
import { hideBanner, say, showBanner } from "./banners.js";
import { createDrafts } from "./drafts.js";
import { keepLease } from "./lease.js";
import { createOutbox } from "./outbox.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";
import { turnTo } from "./turning.js";
import { sameContent } from "./workspace.js";

export function keepSafe({ page, store, signal = undefined, onIncomplete = () => {} }) {
  const { assignment, draft, urls } = page;
  // By item and person: an item that is taken again has another assignment, and the same draft.
  const name = `item-${draft.key ?? assignment.id}`;
  const activity = measureActivity({ signal });
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
    say,
    onConflict: askWhichVersion,
    onLeaseLost: leaseLost,
    onSignedOut: () => askToSignIn(() => drafts.retry()),
  });
  const lease = keepLease({ url: urls.heartbeat, token: assignment.lease_token, call, onLost: leaseLost });
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

  async function finish(send) {
    if (submitting) return;
    submitting = true;
    document.querySelector("[data-submit]")?.setAttribute("aria-busy", "true");
    try {
      await drafts.hold();
      // Another window has saved other words: the person is asked which ones are meant.
      if (document.getElementById("conflict")?.open) {
        goOnHere();
        return;
      }
      const answer = await send();
      over = true;
      drafts.stop({ forget: true });
      lease.stop();
      document.querySelector(".workspace")?.setAttribute("data-leaving", "");
      goOn(answer);
    } catch (error) {
      goOnHere();
      failed(error);
    }
  }

  function goOnHere() {
    submitting = false;
    document.querySelector("[data-submit]")?.removeAttribute("aria-busy");
    drafts.release();
  }

  function failed(error) {
    if (error.code === "offline") {
      showBanner("submit", t("submitWaits"), { tone: "warn", iconName: "offline" });
    } else if (error.code === "incomplete") {
      onIncomplete(error);
      showToast(error.message);
    } else if (error.code === "stale_draft") {
      askWhichVersion({
        ours: store.content,
        theirs: error.detail.content,
        savedAt: error.detail.saved_at ?? null,
      });
    } else if (error.code === "lease_lost") {
      leaseLost(error.detail);
    } else if (error.code === "signed_out") {
      askToSignIn(() => keeper.submit());
    } else {
      showToast(t("submitFailed", { reason: error.message }));
    }
  }

  store.subscribe((content) => drafts.save(content));
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

  const keeper = {
    drafts,
    submit() {
      // What waits may be sent by any page, and only here is somebody there to see the next item.
      return finish(() =>
        outbox.send(
          name,
          urls.submit,
          {
            lease_token: assignment.lease_token,
            version: drafts.version,
            content: store.content,
            active_ms: activity.milliseconds(),
          },
          { via: urls.submit_next },
        ),
      );
    },
    skip(reason) {
      return finish(() => call("POST", urls.skip_next, { lease_token: assignment.lease_token, reason }));
    },
  };
  // It was submitted without a network, and the page was loaded again since.
  if (outbox.isWaiting(name) && navigator.onLine) keeper.submit();
  return keeper;
}

/** The next item came with the answer; where it cannot take this one's place, its page is loaded. */
function goOn({ page, next_url: url }) {
  try {
    if (page && turnTo(page, url)) return;
  } catch (error) {
    reportError(error);
  }
  location.assign(url);
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
