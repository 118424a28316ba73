/** Opens a machine's word on a step where it is asked for, and lets people say theirs beside it.
 *
 *  <div data-evidence-of="3">                  // shown while the step at position 3 is the current one
 *    <details data-evidence-url="/assignments/7/evidence/?fragment=step" data-evidence-position="3"
 *        data-failed="It could not be loaded."> <summary>…</summary> <div data-evidence-body></div> </details>
 *  </div>
 *  toggleEvidence();   // the key: opens the current step's evidence, or closes it
 *
 *  With a position the opening is a POST, because it is logged; without one it is a GET. Nothing is asked
 *  for before somebody opens it, and nothing twice. Answers are parsed as documents without scripts, and
 *  their nodes are taken over: no text of a model ever becomes HTML here. Once a step's evidence is shown,
 *  the document hears "workbench:evidence-opened" with {position}.
 *
 *  <div data-trial="/job-items/5/trials/?fragment=trials" data-position data-sample data-block data-sent
 *      data-kept data-offline> <textarea data-trial-analysis> <textarea data-trial-code> <button data-trial-run>
 *  <div data-rationale="/job-items/5/rationales/?fragment=rationale" data-position data-sample data-sent
 *      data-offline> <input type="radio" data-rationale-value> <textarea data-rationale-note>
 *
 *  A page may hold this module twice, on its own and in a bundle: what is under way is noted in the page.
 */

import { askOnceSaved, startEquality } from "./equality.js";
import { startLive } from "./live.js";
import { renderMath } from "./math-loader.js";
import { announce } from "./toast.js";
import { startEach } from "./turning.js";

const OPENED = "workbench:evidence-opened";
// Arrow keys pass over radios on the way to the one that is meant.
const SETTLED_MS = 400;

const waiting = new WeakMap();

export function startEvidence(root = document, { fetch = globalThis.fetch } = {}) {
  // The event does not bubble; it is caught on its way down.
  root.addEventListener(
    "toggle",
    ({ target }) => {
      if (target.open && target.matches?.("[data-evidence-url]")) open(target, fetch);
    },
    true,
  );
  root.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-trial-run], [data-trial-keep]");
    if (button) run(button.closest("[data-trial]"), button, fetch);
    const keep = target.closest?.("[data-rationale-keep]");
    if (keep) rate(keep.closest("[data-rationale]"), fetch);
  });
  root.addEventListener("change", ({ target }) => {
    if (!target.matches?.("[data-rationale-value]")) return;
    const box = target.closest("[data-rationale]");
    clearTimeout(waiting.get(box));
    waiting.set(box, setTimeout(rate, SETTLED_MS, box, fetch));
  });
}

/** Opens what machines found of the current step, with the focus on it; what is open closes, and the
 *  row has the focus again. False where there is nothing to open.
 */
export function toggleEvidence() {
  const place = document.querySelector(".evidence-place[data-current]");
  // What is sealed is not shown.
  if (!place?.checkVisibility()) {
    announce(document.querySelector("[data-evidence-section] .sealed")?.textContent.trim() ?? "");
    return false;
  }
  const panels = [...place.querySelectorAll(":scope > details")];
  const isOpen = panels.some((panel) => panel.open);
  for (const panel of panels) panel.open = !isOpen;
  if (isOpen) findRow()?.focus({ preventScroll: true });
  else panels[0]?.querySelector("summary").focus();
  return true;
}

async function open(details, fetch) {
  if (details.dataset.evidenceState) return;
  details.dataset.evidenceState = "opening";
  const body = details.querySelector("[data-evidence-body]");
  const position = details.dataset.evidencePosition;
  try {
    const form = position === undefined ? null : { position };
    const { ok, nodes } = await ask(details.dataset.evidenceUrl, form, fetch);
    body.replaceChildren(...nodes);
    // What was refused may be allowed later: opening it again asks again.
    details.dataset.evidenceState = ok ? "open" : "";
    if (!ok) return;
    const at = details.closest("[data-evidence-of]")?.dataset.evidenceOf;
    if (at !== undefined) document.dispatchEvent(new CustomEvent(OPENED, { detail: { position: Number(at) } }));
    await renderMath(body);
    startLive(body);
  } catch {
    details.dataset.evidenceState = "";
    body.replaceChildren(sentence(details.dataset.failed));
  }
}

/** Sends what was edited; the part with all versions comes back and asks for itself until they have ended. */
async function run(editor, button, fetch) {
  if (button.disabled) return;
  const refusal = editor.querySelector("[data-trial-refusal]");
  const { position, sample, block } = editor.dataset;
  const form = { position, sample, block, code: editor.querySelector("[data-trial-code]").value };
  const analysis = editor.querySelector("[data-trial-analysis]");
  if (analysis) form.analysis = analysis.value;
  const keeps = button.matches("[data-trial-keep]");
  if (keeps) form.action = "keep";
  button.disabled = true;
  refusal.replaceChildren();
  try {
    const { ok, nodes } = await ask(editor.dataset.trial, form, fetch);
    if (!ok) {
      refusal.replaceChildren(...nodes);
      return;
    }
    const place = editor.closest("details").parentElement;
    const fresh = nodes.find((node) => node instanceof Element && node.matches("[data-trials]"));
    place.querySelector(":scope > [data-trials]").replaceWith(fresh);
    await renderMath(fresh);
    startLive(place);
    announce(keeps ? editor.dataset.kept : editor.dataset.sent);
  } catch {
    refusal.replaceChildren(sentence(editor.dataset.offline));
  } finally {
    button.disabled = false;
  }
}

/** Says what one thinks of a sample's reasoning; the controls stay as they are, with the focus. */
async function rate(box, fetch) {
  clearTimeout(waiting.get(box));
  const refusal = box.querySelector("[data-rationale-refusal]");
  const { position, sample } = box.dataset;
  const value = box.querySelector("[data-rationale-value]:checked")?.value ?? "";
  const note = box.querySelector("[data-rationale-note]").value;
  refusal.replaceChildren();
  try {
    const { ok, nodes } = await ask(box.dataset.rationale, { position, sample, value, note }, fetch);
    if (!ok) {
      refusal.replaceChildren(...nodes);
      return;
    }
    const fresh = nodes.find((node) => node instanceof Element && node.matches("[data-rationale]"));
    box.querySelector("[data-rationale-said]").replaceWith(fresh.querySelector("[data-rationale-said]"));
    announce(box.dataset.sent);
  } catch {
    refusal.replaceChildren(sentence(box.dataset.offline));
  }
}

/** What the server answered, as nodes; `ok` is false where they are a refusal. Anything else is an error. */
async function ask(url, form, fetch) {
  const attempt = () =>
    fetch(url, {
      method: form ? "POST" : "GET",
      credentials: "same-origin",
      headers: {
        Accept: "text/html",
        "X-Requested-With": "fetch",
        ...(form ? { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]')?.content ?? "" } : {}),
      },
      body: form ? new URLSearchParams(form) : undefined,
    });
  const response = await askOnceSaved(attempt);
  if (response.redirected) throw new Error("signed out");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok && !page.querySelector("[data-refusal]")) throw new Error(`${response.status}`);
  const nodes = [...page.body.childNodes].map((node) => document.importNode(node, true));
  return { ok: response.ok, nodes };
}

function findRow() {
  return document.querySelector("#main [aria-current='step']");
}

/** Shows the place of the current step, and no other: the row says by `aria-current` which it is. */
function followCursor() {
  const places = [...document.querySelectorAll("[data-evidence-of]")];
  const main = document.getElementById("main");
  if (!places.length || !main) return;
  const show = () => {
    const current = findRow()?.dataset.position;
    for (const place of places) place.toggleAttribute("data-current", place.dataset.evidenceOf === current);
  };
  // It goes with the list that it watches.
  new MutationObserver(show).observe(main, { subtree: true, attributes: true, attributeFilter: ["aria-current"] });
  show();
}

function sentence(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "refusal";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}

startEvidence();
startEach((signal) => {
  followCursor();
  startEquality({ signal });
});
