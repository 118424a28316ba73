/** Puts the next item in place of this one: no navigation, and no script or style loaded again.
 *
 *  const next = readPage(answer.page);
 *  if (next) turnTo(next, answer.next_url); else location.assign(answer.next_url);
 *  const start = (signal) => { … };   // one item; `signal` is aborted when it is over
 *  startEach(start);                  // now, and for every item that comes in its place
 *
 *  Only where both pages are made alike: one that needs more scripts or styles, or other words, is navigated to.
 */

import { announce } from "./toast.js";

const TURNED = "workbench:turned";
const LOADED = "link[rel='stylesheet'], link[rel='modulepreload'], script[src]";
// A region that has only just come is not listened to yet.
const HEARD_AFTER_MS = 150;
// The second half of a slow double click lands on the next item's button.
const DOUBLE_CLICK_MS = 500;

let shown = location.pathname;
let turnedAt = -Infinity;

addEventListener(TURNED, () => {
  shown = location.pathname;
  turnedAt = performance.now();
});

/** HTML of this server as {body, title, token}, which is shown nowhere yet; null where it has to be navigated to. */
export function readPage(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.getElementById("work") || !fits(page)) return null;
  const { title } = page;
  const token = tokenOf(page)?.content ?? "";
  // Scripts of a parsed document never run; what is left in it is data.
  return { body: document.adoptNode(page.body), title, token };
}

/** Shows a page that `readPage` gave. */
export function turnTo({ body, title, token }, url) {
  const meta = tokenOf(document);
  if (token && meta) meta.content = token;
  document.body.replaceWith(body);
  document.title = title;
  history.pushState(null, "", url);
  dispatchEvent(new Event(TURNED));
  // Last, because it asks for a layout.
  scrollTo(0, 0);
  setTimeout(() => announce(document.title), HEARD_AFTER_MS);
}

/** Where a page keeps the token that every request which changes something has to name. */
export function tokenOf(root) {
  return root.querySelector("meta[name='csrf-token']");
}

/** True while a press may still have been meant for the item before. */
export function hasJustTurned() {
  return performance.now() - turnedAt < DOUBLE_CLICK_MS;
}

export function startEach(start) {
  let life = new AbortController();
  addEventListener(TURNED, () => {
    life.abort();
    life = new AbortController();
    start(life.signal);
  });
  start(life.signal);
}

// Going back leads to an item that is done: its page says what became of it.
addEventListener("popstate", () => {
  if (location.pathname !== shown) location.reload();
});

/** The same language, and all that its head loads is loaded here; what is here besides finds nothing to do. */
function fits(next) {
  const here = new Set(listLoaded(document));
  const isSpoken = next.documentElement.lang === document.documentElement.lang;
  return isSpoken && listLoaded(next).every((address) => here.has(address));
}

function listLoaded(root) {
  const nodes = [...root.head.querySelectorAll(LOADED)];
  return nodes.map((node) => node.getAttribute("href") ?? node.getAttribute("src"));
}
