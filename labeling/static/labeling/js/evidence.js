/** Opens a machine's word on a step where it is asked for, and lets its code be run again beside it.
 *
 *  <div data-evidence-of="3">                  // shown while the step at position 3 is the current one
 *    <details data-evidence-url="/assignments/7/evidence/?fragment=step" data-evidence-position="3"
 *        data-failed="It could not be loaded."> <summary>…</summary> <div data-evidence-body></div> </details>
 *  </div>
 *
 *  With a position the opening is a POST, because it is logged; without one it is a GET. Nothing is asked
 *  for before somebody opens it, and nothing twice. Answers are parsed as documents without scripts, and
 *  their nodes are taken over: no text of a model ever becomes HTML here.
 *
 *  <div data-trial="/job-items/5/trials/?fragment=trials" data-position data-sample data-block data-sent
 *      data-offline> <textarea data-trial-code></textarea> <button data-trial-run>…</button> </div>
 */

import { startLive } from "./live.js";
import { renderMath } from "./math-loader.js";
import { announce } from "./toast.js";
import { startEach } from "./turning.js";

export function startEvidence(root = document, { fetch = globalThis.fetch } = {}) {
  // The event does not bubble; it is caught on its way down.
  root.addEventListener(
    "toggle",
    ({ target }) => {
      if (target.open && target.matches?.("[data-evidence-url]")) open(target, fetch);
    },
    true,
  );
  root.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-trial-run]");
    if (button) run(button.closest("[data-trial]"), button, fetch);
  });
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
    await renderMath(body);
    startLive(body);
  } catch {
    details.dataset.evidenceState = "";
    body.replaceChildren(sentence(details.dataset.failed));
  }
}

/** Sends the edited code; the part with all runs comes back and asks for itself until they have ended. */
async function run(editor, button, fetch) {
  if (button.disabled) return;
  const refusal = editor.querySelector("[data-trial-refusal]");
  const { position, sample, block } = editor.dataset;
  const code = editor.querySelector("[data-trial-code]").value;
  button.disabled = true;
  refusal.replaceChildren();
  try {
    const { ok, nodes } = await ask(editor.dataset.trial, { position, sample, block, code }, fetch);
    if (!ok) {
      refusal.replaceChildren(...nodes);
      return;
    }
    const place = editor.closest("details").parentElement;
    const fresh = nodes.find((node) => node instanceof Element && node.matches("[data-trials]"));
    place.querySelector(":scope > [data-trials]").replaceWith(fresh);
    startLive(place);
    announce(editor.dataset.sent);
  } catch {
    refusal.replaceChildren(sentence(editor.dataset.offline));
  } finally {
    button.disabled = false;
  }
}

/** What the server answered, as nodes; `ok` is false where they are a refusal. Anything else is an error. */
async function ask(url, form, fetch) {
  const response = await fetch(url, {
    method: form ? "POST" : "GET",
    credentials: "same-origin",
    headers: {
      Accept: "text/html",
      "X-Requested-With": "fetch",
      ...(form ? { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]')?.content ?? "" } : {}),
    },
    body: form ? new URLSearchParams(form) : undefined,
  });
  if (response.redirected) throw new Error("signed out");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok && !page.querySelector("[data-refusal]")) throw new Error(`${response.status}`);
  const nodes = [...page.body.childNodes].map((node) => document.importNode(node, true));
  return { ok: response.ok, nodes };
}

/** Shows the place of the current step, and no other: the row says by `aria-current` which it is. */
function followCursor(root) {
  const places = [...root.querySelectorAll("[data-evidence-of]")];
  const list = document.querySelector(".steps, .forks");
  if (!places.length || !list) return;
  const show = () => {
    const current = list.querySelector("[aria-current='step']")?.dataset.position;
    for (const place of places) place.toggleAttribute("data-current", place.dataset.evidenceOf === current);
  };
  // It goes with the list that it watches.
  new MutationObserver(show).observe(list, { subtree: true, attributes: true, attributeFilter: ["aria-current"] });
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
startEach(() => followCursor(document));
