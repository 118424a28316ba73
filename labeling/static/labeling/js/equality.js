/** Asks whether an equality is true: of what is selected, or of what is written into the field.
 *
 *  <section data-equality="/assignments/7/equalities/" data-failed data-sent> <details data-equality-place> …
 *    <input data-equality-text> <button data-equality-ask> <div data-equality-refusal> <div data-equality-answers>
 *
 *  startEquality({ signal, position });   // position() is the step one is at, or null; once or twice is the same
 *  askEquality();                         // the key: opens the place, and asks if something is selected
 *
 *  Of mathematics that is selected the source is taken. The answers are the server's part, asked for again
 *  until all are there; they are parsed as documents without scripts, and their nodes are taken over.
 */

import { findPause, refresh } from "./live.js";
import { renderMath } from "./math-loader.js";
import { t } from "./text.js";
import { announce } from "./toast.js";

const EVERY_MS = 1_000;
const FORMULA = ".tex, .tex-broken";
const CONFLICT = 409;
// By then a draft has been saved.
const SAVED_BY_MS = 1_000;

// The place of the item that is shown.
let desk = null;

export function startEquality({ signal, position = findStep, fetch = globalThis.fetch } = {}) {
  const root = document.querySelector("[data-equality]");
  // A page may start it twice: by its own script and by that of the evidence.
  if (root && desk?.root === root) return;
  desk = root && { root, signal, position, fetch, asked: false, following: false };
  if (!root || root.dataset.equalityStarted) return;
  root.dataset.equalityStarted = "yes";
  const mine = desk;
  const field = root.querySelector("[data-equality-text]");
  // A press on the place itself would take the selection away.
  root.addEventListener("pointerdown", () => keepSelection(mine, field), { capture: true, signal });
  root.querySelector("[data-equality-place]").addEventListener(
    "toggle",
    ({ target }) => {
      if (target.open && !answers(mine).hasChildNodes()) send(mine, null);
    },
    { signal },
  );
  root.querySelector("[data-equality-ask]").addEventListener("click", () => ask(mine, field), { signal });
  field.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Enter" || event.isComposing || event.repeat) return;
      // The field stands in the form of the work, and this is no submission of it.
      event.preventDefault();
      ask(mine, field);
    },
    { signal },
  );
}

/** What the key does; false where equalities are not checked here. */
export function askEquality() {
  if (!desk?.root.isConnected) {
    announce(t("equalityAbsent"));
    return false;
  }
  const field = desk.root.querySelector("[data-equality-text]");
  const text = readSelection();
  if (text) {
    field.value = text;
    send(desk, text);
  }
  const place = desk.root.querySelector("[data-equality-place]");
  place.open = true;
  place.scrollIntoView({ block: "nearest" });
  if (!text) field.focus();
  return true;
}

function ask(mine, field) {
  if (field.value.trim()) send(mine, field.value);
  else field.focus();
}

function keepSelection(mine, field) {
  const text = readSelection();
  if (text && !mine.root.contains(getSelection().anchorNode)) field.value = text;
}

/** Asks, or with null only for what was asked before. */
async function send(mine, text) {
  if (text === null && mine.asked) return;
  mine.asked ||= text !== null;
  const refusal = mine.root.querySelector("[data-equality-refusal]");
  refusal.replaceChildren();
  try {
    const { ok, nodes } = await exchange(mine, text);
    // What was asked before is older than what was asked meanwhile.
    if (text === null && mine.asked) return;
    if (!ok) {
      refusal.replaceChildren(...nodes);
      return;
    }
    answers(mine).replaceChildren(...nodes);
    if (text !== null) announce(mine.root.dataset.sent);
    await renderMath(answers(mine));
    follow(mine);
  } catch {
    if (text !== null) refusal.replaceChildren(sentence(mine.root.dataset.failed));
  }
}

async function exchange({ root, position, fetch }, text) {
  const at = position();
  const body = new URLSearchParams(text === null ? {} : { text, ...(at === null ? {} : { position: at }) });
  const attempt = () =>
    fetch(`${root.dataset.equality}?fragment=list`, {
      method: text === null ? "GET" : "POST",
      credentials: "same-origin",
      headers: {
        Accept: "text/html",
        "X-Requested-With": "fetch",
        "X-CSRFToken": document.querySelector('meta[name="csrf-token"]')?.content ?? "",
      },
      body: text === null ? undefined : body,
    });
  const response = await askOnceSaved(attempt);
  if (response.redirected) throw new Error("signed out");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.querySelector(response.ok ? "[data-equalities]" : "[data-refusal]")) throw new Error(`${response.status}`);
  const nodes = [...page.body.childNodes].map((node) => document.importNode(node, true));
  return { ok: response.ok, nodes };
}

/** What opens with one's own judgement is asked for once more, where that has only just been made. */
export async function askOnceSaved(attempt) {
  const response = await attempt();
  const isJudged = document.querySelector("#main [aria-current='step'] :checked") !== null;
  if (response.status !== CONFLICT || !isJudged) return response;
  await new Promise((resolve) => setTimeout(resolve, SAVED_BY_MS));
  return attempt();
}

/** Asks again until all is answered, and says the newest answer. Ends with the item. */
async function follow(mine) {
  if (mine.following) return;
  mine.following = true;
  let took = 0;
  for (let part = findList(mine); part && !part.hasAttribute("data-live-done"); part = findList(mine)) {
    await new Promise((resolve) => setTimeout(resolve, findPause(EVERY_MS, took)));
    if (mine.signal?.aborted || !part.isConnected) break;
    if (document.visibilityState !== "visible") continue;
    const asked = performance.now();
    // Without a network it is asked again later.
    const done = await refresh(part, mine.fetch).catch(() => false);
    took = performance.now() - asked;
    if (done) announce(part.querySelector("[data-check-says]")?.dataset.checkSays ?? "");
  }
  mine.following = false;
}

function findList(mine) {
  return answers(mine).querySelector("[data-equalities]");
}

function answers(mine) {
  return mine.root.querySelector("[data-equality-answers]");
}

/** The step that the list's cursor is at. */
function findStep() {
  const position = document.querySelector("[aria-current='step'][data-position]")?.dataset.position;
  return position === undefined || position === "" ? null : position;
}

// --- What is selected ------------------------------------------------------------------------------

/** The selected text, formulas as their source in dollars; within one formula, its source alone. */
export function readSelection(selection = getSelection()) {
  if (!selection || selection.isCollapsed || !selection.rangeCount) return "";
  const range = selection.getRangeAt(0);
  const common = range.commonAncestorContainer;
  const inside = (common instanceof Element ? common : common.parentElement)?.closest(FORMULA);
  const parts = [];
  if (inside) return sourceOf(inside);
  collect(common, range, parts);
  return parts.join("").replace(/\s+/g, " ").trim();
}

function collect(node, range, parts) {
  if (!range.intersectsNode(node)) return;
  if (node instanceof Text) {
    const from = node === range.startContainer ? range.startOffset : 0;
    const to = node === range.endContainer ? range.endOffset : node.length;
    parts.push(node.data.slice(from, to));
  } else if (node instanceof Element && node.matches(FORMULA)) {
    parts.push(node.matches(".tex") ? `$${sourceOf(node)}$` : node.textContent);
  } else if (!(node instanceof Element) || !node.matches(".sr, button, script")) {
    for (const child of node.childNodes) collect(child, range, parts);
  }
}

/** KaTeX leaves the source beside what it made of it; marks of a difference are taken out of it. */
function sourceOf(formula) {
  const source = formula.querySelector("annotation")?.textContent ?? formula.textContent;
  return source.replace(/^\$+|\$+$/g, "").replace(/\\prm(?:was|is)(?![A-Za-z])/g, "");
}

function sentence(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "refusal";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}
