/** Keeps a draft: at once in this browser, soon after on the server, and never in silence.
 *
 *  const drafts = createDrafts({ url, leaseToken, version, key: "draft-7", call, storage: localStorage,
 *                                say, onConflict, onLeaseLost, onSignedOut });
 *  drafts.save(content);            // "Saving", then "Saved", "Saved on this device" or "Not saved: …"
 *  await drafts.settle();           // what waits is sent and arrives
 *  await drafts.hold();             // before a submit, which brings the newest content itself: what is
 *                                   // on its way arrives, nothing new starts until drafts.release()
 *  drafts.version                   // the version that the server has
 *
 *  One request is under way at a time; what changes meanwhile goes with the next. A version that is
 *  older than the server's is answered with the other text (409 stale_draft): when it says the same,
 *  its version is taken over; else `onConflict` gets both texts, and neither is thrown away.
 *  Without a `url` there is no server to keep it: then it is kept in this browser alone.
 */

import { t } from "./text.js";
import { sameContent } from "./workspace.js";

const DELAY_MS = 400;
const RETRY_MS = [2_000, 4_000, 8_000, 15_000, 30_000];

export function createDrafts({
  url,
  leaseToken,
  version,
  key,
  call,
  storage,
  // What goes with the content, as it is when it is sent.
  more = () => ({}),
  say = () => {},
  onConflict = () => {},
  onLeaseLost = () => {},
  onSignedOut = () => {},
  later = (task, ms) => setTimeout(task, ms),
  cancel = (timer) => clearTimeout(timer),
}) {
  let pending = null; // the newest content that the server does not have
  let running = null; // the request under way
  let timer = null;
  let failures = 0;
  let offlineChanges = 0;
  let stopped = false;
  let held = false;

  const remember = (content) => {
    try {
      storage.setItem(key, JSON.stringify({ version, content }));
      return true;
    } catch {
      return false; // full or forbidden: the server's copy is then the only one, and the words say so
    }
  };

  const isLocal = !url;

  const schedule = (ms) => {
    cancel(timer);
    timer = later(send, ms);
  };

  const send = async () => {
    cancel(timer);
    if (stopped || held || running || pending === null) return running;
    const content = pending;
    pending = null;
    running = put(content);
    await running;
    running = null;
    if (pending !== null && !stopped && !held && failures === 0) await send();
    return undefined;
  };

  const put = async (content) => {
    try {
      const saved = await call("PUT", url, { lease_token: leaseToken, version, content, ...more() });
      version = saved.version;
      failures = 0;
      if (pending === null) {
        storage.removeItem(key);
        say(offlineChanges ? "backOnline" : "saved", { n: offlineChanges });
      }
      offlineChanges = 0;
    } catch (error) {
      refused(error, content);
    }
  };

  const refused = (error, content) => {
    const newest = pending ?? content;
    if (error.code === "stale_draft") {
      const theirs = error.detail.content;
      version = error.detail.version;
      if (sameContent(theirs, newest)) {
        pending = null;
        storage.removeItem(key);
        say("saved");
        return;
      }
      pending = null;
      remember(newest);
      onConflict({ ours: newest, theirs, savedAt: error.detail.saved_at ?? null });
      return;
    }
    pending = newest;
    const kept = remember(newest);
    if (error.code === "offline" || error.code === "server_error") {
      offlineChanges = Math.max(offlineChanges, 1);
      say(kept ? "savedHere" : "notSaved", { reason: error.message });
      schedule(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
      failures += 1;
      return;
    }
    say("notSaved", { reason: error.message });
    failures += 1;
    if (error.code === "lease_lost") {
      stopped = true;
      onLeaseLost(error.detail);
    } else if (error.code === "signed_out") {
      onSignedOut();
    }
  };

  return {
    get version() {
      return version;
    },
    /** True while the server does not have everything. */
    get dirty() {
      return pending !== null || running !== null;
    },
    save(content) {
      const kept = remember(content);
      if (isLocal) {
        say(kept ? "savedHere" : "notSaved", { reason: t("notSavedStorage") });
        return;
      }
      pending = content;
      if (failures) {
        offlineChanges += 1;
        say(kept ? "savedHere" : "notSaved", { reason: "" });
        return;
      }
      say("saving");
      if (!stopped) schedule(DELAY_MS);
    },
    /** Tries again now: the network is back, or the person signed in again. */
    retry() {
      failures = 0;
      return send();
    },
    /** Sends what waits and resolves when nothing is under way. */
    async settle() {
      cancel(timer);
      failures = 0;
      await running;
      await send();
      await running;
    },
    /** Lets what is under way arrive, and starts nothing new. */
    async hold() {
      held = true;
      cancel(timer);
      await running;
    },
    /** The submission was refused: saving goes on with what came since. */
    release() {
      held = false;
      if (pending !== null && !stopped) schedule(DELAY_MS);
    },
    /** Sends what waits without being waited for: the page is going away. */
    leave() {
      if (pending === null || stopped) return;
      const body = { lease_token: leaseToken, version, content: pending, ...more() };
      call("PUT", url, body, { keepalive: true }).catch(() => {});
    },
    /** The content of this browser that never reached the server, or null. */
    findUnsaved() {
      try {
        return JSON.parse(storage.getItem(key))?.content ?? null;
      } catch {
        return null;
      }
    },
    /** No more saving: the work is submitted, skipped or lost. */
    stop({ forget = false } = {}) {
      stopped = true;
      cancel(timer);
      if (forget) storage.removeItem(key);
    },
  };
}
