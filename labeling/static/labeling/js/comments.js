/** Keeps comments in place: opens the panel where one works, and sends its forms without leaving the page.
 *
 *  <div popover data-comments-url="/assignments/7/comments/?fragment=panel" data-failed="…">
 *    <div data-comments-place></div> </div>
 *  <div data-comments="/items/5/comments/" data-sent="Sent" data-offline="…"> forms… </div>
 *
 *  Without script the button is a link and every form is a plain one. What comes back is parsed as a
 *  document without scripts, and its nodes are taken over: no text of a person ever becomes HTML here.
 *  A form that could not be sent keeps its words, and its key, so that sending it again counts once.
 */

import { renderMath } from "./math-loader.js";
import { announce } from "./toast.js";

export function startComments(root = document, { fetch = globalThis.fetch } = {}) {
  // The event does not bubble; it is caught on its way down.
  root.addEventListener(
    "toggle",
    (event) => {
      const panel = event.target;
      if (event.newState === "open" && panel.matches?.("[data-comments-url]")) open(panel, fetch);
    },
    true,
  );
  root.addEventListener("submit", (event) => {
    const panel = event.target.closest?.("[data-comments]");
    if (!panel || event.defaultPrevented) return;
    event.preventDefault();
    send(panel, event.target, event.submitter, fetch);
  });
}

/** Fills the panel anew each time, unless somebody is in the middle of writing there. */
async function open(panel, fetch) {
  const place = panel.querySelector("[data-comments-place]");
  const url = panel.dataset.commentsUrl;
  // The page may have gone on to another item, whose comments these would not be.
  if (place.dataset.from === url && hasWords(place)) return;
  try {
    const { ok, fresh } = await ask(url, null, fetch);
    if (!ok) throw new Error("refused");
    place.replaceChildren(fresh);
    place.dataset.from = url;
    chooseStep(place);
    await renderMath(place);
  } catch {
    place.replaceChildren(sentence(panel.dataset.failed));
  }
}

async function send(panel, form, submitter, fetch) {
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  const body = new URLSearchParams(new FormData(form, submitter));
  try {
    const { ok, fresh } = await ask(`${panel.dataset.comments}?fragment=panel`, body, fetch);
    const sent = panel.dataset.sent;
    // What is being written elsewhere in the panel outlives the exchange.
    carryWords(panel, fresh, form);
    panel.replaceWith(fresh);
    if (ok) announce(sent);
    const next = fresh.dataset.done ? fresh.querySelector(`#comment-${fresh.dataset.done}`) : null;
    (next ?? fresh.querySelector("[data-refusal] [role=alert]"))?.scrollIntoView({ block: "nearest" });
    next?.focus({ preventScroll: true });
    await renderMath(fresh);
  } catch {
    delete form.dataset.sending;
    form.querySelector("[data-unsent]")?.remove();
    const note = sentence(panel.dataset.offline);
    note.dataset.unsent = "";
    form.append(note);
  }
}

/** The new panel; `ok` is false where it holds a refusal. Anything else is an error. */
async function ask(url, body, fetch) {
  const response = await fetch(url, {
    method: body ? "POST" : "GET",
    credentials: "same-origin",
    headers: { Accept: "text/html", "X-Requested-With": "fetch" },
    body: body ?? undefined,
  });
  if (response.redirected) throw new Error("signed out");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = page.querySelector("[data-comments]");
  if (!found) throw new Error(`${response.status}`);
  return { ok: response.ok, fresh: document.importNode(found, true) };
}

function hasWords(place) {
  return [...place.querySelectorAll("textarea")].some((area) => area.value.trim() !== "");
}

function carryWords(panel, fresh, sent) {
  for (const area of panel.querySelectorAll("textarea")) {
    const there = area.id && fresh.querySelector(`#${CSS.escape(area.id)}`);
    if (!there || area.form === sent || !area.value.trim() || there.value) continue;
    there.value = area.value;
    there.closest("details")?.setAttribute("open", "");
  }
}

/** Beside one's work the comment is about the step one is at, until one chooses another. */
function chooseStep(place) {
  const current = document.querySelector("[aria-current='step'][data-position]")?.dataset.position;
  const choice = place.querySelector("[data-comment-position]");
  if (current !== undefined && choice?.querySelector(`option[value="${CSS.escape(current)}"]`)) choice.value = current;
}

function sentence(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "small";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}

startComments();
