/** Keeps a part of the page up to date from a URL that renders the same part.
 *
 *  <section data-live="/jobs/48/progress/" data-live-every="2000"> … </section>
 *  <button data-live-hold aria-pressed="false">Hold still</button>
 *
 *  At most one request a second, none while the page is hidden or held; where an answer takes long, so
 *  seldom that a page never keeps the server busy for more than a tenth of the time. When the server's part has
 *  data-live-done, asking ends. What comes back is parsed as a document without scripts, and its nodes
 *  are taken over; what has the focus keeps its place by its id.
 */

import { renderMath } from "./math-loader.js";

const LEAST_MS = 1_000;
const LONGEST_MS = 30_000;
// How many times longer a page waits than its last answer took.
const PATIENCE = 9;

export function startLive(root = document, { fetch = globalThis.fetch } = {}) {
  for (const part of root.querySelectorAll("[data-live]")) keepUpToDate(part, fetch);
}

function keepUpToDate(part, fetch) {
  const every = Math.max(LEAST_MS, Number(part.dataset.liveEvery) || 2_000);
  const hold = document.querySelector("[data-live-hold]");
  let failures = 0;
  let took = 0;
  hold?.addEventListener("click", () => {
    hold.setAttribute("aria-pressed", String(hold.getAttribute("aria-pressed") !== "true"));
  });
  const tick = async () => {
    // Another item has taken the page's place.
    if (!part.isConnected) return;
    const held = hold?.getAttribute("aria-pressed") === "true" || part.matches(":has(:popover-open, dialog[open])");
    if (!held && document.visibilityState === "visible") {
      const asked = performance.now();
      try {
        if (await refresh(part, fetch)) return;
        took = performance.now() - asked;
        failures = 0;
      } catch {
        failures += 1; // the network is away: ask again later, less and less often
      }
    }
    setTimeout(tick, findPause(every, took) * Math.min(2 ** failures, 16));
  };
  if (!part.hasAttribute("data-live-done")) setTimeout(tick, every);
}

/** Milliseconds until the next request, after one that took so long. */
export function findPause(every, took) {
  return Math.max(every, Math.min(PATIENCE * took, LONGEST_MS));
}

/** Fetches and shows the part; true when the server said that nothing more will change. */
export async function refresh(part, fetch = globalThis.fetch) {
  const response = await fetch(part.dataset.live, {
    credentials: "same-origin",
    headers: { Accept: "text/html", "X-Requested-With": "fetch" },
  });
  if (!response.ok || response.redirected) throw new Error(`${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("[data-live]") ?? page.body;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  await renderMath(part);
  const done = fresh.hasAttribute("data-live-done");
  part.toggleAttribute("data-live-done", done);
  return done;
}
