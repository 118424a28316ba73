/** Has the next item's page ready while this one is judged, so that a submission need not wait for it.
 *
 *  const ahead = lookAhead({ url: urls.ahead, signal });   // asks when nothing else is to do
 *  ahead.touch();                  // somebody works: looks again, where the last look is some time ago
 *  const held = ahead.hold();      // what the submission names: held.digest, or null where nothing is ready
 *  const next = held.fill(values); // the page for `turnTo`, with what the claim brought in its places
 *  ahead.release();                // the submission was refused: looking goes on
 *
 *  The page is nobody's yet (labeling/web/ahead.py): it is parsed and its mathematics rendered apart from what is
 *  shown. There is one at a time. Without it everything works, only later.
 */

import { call } from "./api.js";
import { renderAhead } from "./math.js";
import { readPage, tokenOf } from "./turning.js";

// The page that is shown has its own mathematics to finish, and what it loads to load.
const FIRST_AFTER_MS = 600;
// What waits in a queue changes while others work in it.
const AGAIN_AFTER_MS = 15_000;
const LOOKED = "workbench:looked-ahead";

export function lookAhead({ url, signal, now = () => performance.now() }) {
  let ready = null;
  // Of the last answer, also of one that cannot be turned to.
  let known = "";
  let asked = -Infinity;
  let isHeld = false;

  const look = async () => {
    asked = now();
    try {
      const answer = await call("GET", `${url}?have=${known}`);
      if (answer && !isHeld && !signal.aborted) replace(prepare(answer), answer.digest);
    } catch {
      // Offline, signed out or busy: the next item comes with the submission.
    }
    // Nothing of it shows; who measures and tests waits for this.
    dispatchEvent(new Event(LOOKED));
  };
  const replace = (next, digest = "") => {
    ready?.stop();
    ready = next;
    known = digest;
  };
  const touch = () => {
    if (isHeld || signal.aborted || now() - asked < AGAIN_AFTER_MS || document.hidden) return;
    asked = now();
    whenIdle(look);
  };

  const timer = setTimeout(touch, FIRST_AFTER_MS);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    replace(null);
  });

  return {
    touch,
    hold() {
      isHeld = true;
      return ready;
    },
    release() {
      isHeld = false;
    },
    /** Somebody else may sign in here: what was drawn for the one is not for the other. */
    forget() {
      replace(null);
    },
  };
}

/** The answer as a page, its mathematics rendered little by little; null where it cannot be turned to. */
function prepare({ page: html, digest, stand_ins: standIns }) {
  const page = readPage(html);
  if (!page) return null;
  const { body } = page;
  const life = new AbortController();
  // Before the formulas are there, which have no addresses.
  const places = findPlaces(body, [standIns.id, standIns.lease_token]);
  renderAhead(body, life.signal);
  return {
    digest,
    body,
    stop: () => life.abort(),
    fill(values) {
      const { assignment, progress } = values;
      const put = (text) =>
        text.replaceAll(standIns.id, String(assignment.id)).replaceAll(standIns.lease_token, assignment.lease_token);
      for (const attribute of places) attribute.value = put(attribute.value);
      const data = body.querySelector("#page");
      data.textContent = JSON.stringify({ ...JSON.parse(put(data.textContent)), assignment });
      for (const bar of body.querySelectorAll("progress[data-label]")) showProgress(bar, progress);
      // The token of the page that is shown may be newer: somebody signed in again since.
      const token = tokenOf(document)?.content ?? page.token;
      for (const field of body.querySelectorAll("input[name='csrfmiddlewaretoken']")) field.value = token;
      return { ...page, token };
    },
  };
}

/** The attributes that hold one of these; they are long and made by chance, so that no other text does. */
function findPlaces(root, marks) {
  const path = `descendant-or-self::*/@*[${marks.map((mark) => `contains(., "${mark}")`).join(" or ")}]`;
  const found = document.evaluate(path, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
  return Array.from({ length: found.snapshotLength }, (_, index) => found.snapshotItem(index));
}

function showProgress(bar, { done, total, words }) {
  bar.value = done;
  bar.max = total;
  bar.setAttribute("aria-label", bar.dataset.label ? `${bar.dataset.label}: ${words}` : words);
  const spoken = bar.previousElementSibling;
  if (spoken?.matches("[data-progress-words]")) spoken.textContent = words;
}

function whenIdle(task) {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(() => task());
  else setTimeout(task);
}
