/** Keeps comments in place: opens the panel beside one's work, and sends its forms without leaving the page.
 *
 *  <aside class="panel" id="comments-panel" popover="manual" data-comments-url="/assignments/7/comments/?fragment=panel"
 *      data-styles="/static/…/comments.css" data-failed="…"> <div data-comments-place></div> </aside>
 *  <div data-comments="/items/5/comments/" data-person="3" data-sent="Sent" data-offline="…"> forms… </div>
 *  toggleComments({ position: 4 });   // to say something of the step at that position; again closes
 *
 *  Without script the button is a link and every form is a plain one. What comes back is parsed as a
 *  document without scripts, and its nodes are taken over: no text of a person ever becomes HTML here.
 *  A form that could not be sent keeps its words, and its key, so that sending it again counts once; what
 *  is written and not sent is kept in this browser until it is.
 */

import { renderMath } from "./math-loader.js";
import { startPanels } from "./panels.js";
import { announce } from "./toast.js";

const STARTED = "commentsStarted";
const KEPT = "comment:";

export function startComments(root = document, { fetch = globalThis.fetch } = {}) {
  // Several scripts of a page may each bring this module; a form is sent by one of them.
  if (root.documentElement.dataset[STARTED]) return;
  root.documentElement.dataset[STARTED] = "on";
  startPanels(root);
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
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing || event.repeat) return;
    const form = event.target.closest?.("[data-comments] textarea")?.form;
    if (!form) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[name='action']"));
  });
  for (const type of ["input", "change"]) {
    root.addEventListener(type, ({ target }) => {
      const form = target.closest?.("[data-comments] form");
      if (form) keepForm(form);
    });
  }
  for (const panel of root.querySelectorAll("[data-comments]")) restoreForms(panel);
}

/** Opens the panel with the cursor where one writes, about this step; closes it where one is in it. */
export function toggleComments({ position = null } = {}) {
  const panel = document.getElementById("comments-panel");
  if (!panel) return;
  const isOpen = panel.matches(":popover-open");
  if (isOpen && panel.contains(document.activeElement)) {
    panel.hidePopover();
    return;
  }
  panel.dataset.about = position ?? "";
  if (!isOpen) panel.showPopover();
  beginToWrite(panel);
}

/** Fills the panel anew each time, unless somebody is in the middle of writing there. */
async function open(panel, fetch) {
  const place = panel.querySelector("[data-comments-place]");
  const url = panel.dataset.commentsUrl;
  if (!panel.contains(document.activeElement)) panel.focus({ preventScroll: true });
  if (hasWords(place)) return;
  try {
    const [{ ok, fresh }] = await Promise.all([ask(url, null, fetch), loadStyles(panel)]);
    if (!ok) throw new Error("refused");
    const from = place.contains(document.activeElement) ? document.activeElement : null;
    restoreForms(fresh);
    chooseStep(fresh, panel.dataset.about);
    takeEarlyWords(place, fresh);
    place.replaceChildren(fresh);
    if (from?.matches("textarea")) beginToWrite(panel, from.id);
    await renderMath(place);
  } catch {
    place.querySelector("[data-unsent]")?.remove();
    place.prepend(note(panel.dataset.failed));
  }
}

/** The cursor goes to the end of the words; before the form is there, to what stands in for it. */
function beginToWrite(panel, id = "") {
  const place = panel.querySelector("[data-comments-place]");
  chooseStep(place, panel.dataset.about);
  const words =
    (id && place.querySelector(`textarea#${CSS.escape(id)}`)) ||
    place.querySelector("[data-comment-words], [data-comments-early]");
  if (!words) return;
  words.focus();
  words.setSelectionRange(words.value.length, words.value.length);
}

/** What was typed before the form had come goes into the form. */
function takeEarlyWords(place, fresh) {
  const typed = place.querySelector("[data-comments-early]")?.value ?? "";
  const words = fresh.querySelector("[data-comment-words]");
  if (!typed.trim() || !words) return;
  words.value = words.value ? `${words.value}\n${typed}` : typed;
  keepForm(words.form);
}

async function send(panel, form, submitter, fetch) {
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  const body = new URLSearchParams(new FormData(form, submitter));
  const words = findWords(form);
  const written = words?.value;
  try {
    const { ok, fresh } = await ask(`${panel.dataset.comments}?fragment=panel`, body, fetch);
    const sent = panel.dataset.sent;
    // Somebody may have written on while it was on its way: that is another comment.
    const isOver = ok && words?.value === written;
    if (ok) forget(form);
    restoreForms(fresh);
    // What is being written elsewhere in the panel outlives the exchange.
    carryWords(panel, fresh, isOver ? form : null);
    chooseStep(fresh);
    panel.replaceWith(fresh);
    if (ok) announce(sent);
    const next = fresh.dataset.done ? fresh.querySelector(`#comment-${fresh.dataset.done}`) : null;
    const refusal = fresh.querySelector("[data-refusal] [role=alert]");
    (next ?? refusal)?.scrollIntoView({ block: "nearest" });
    // The cursor stays where somebody writes, or has to write again.
    const again = words && !isOver ? fresh.querySelector(`#${CSS.escape(words.id)}`) : null;
    if (ok && again) keepForm(again.form);
    (again ?? next)?.focus({ preventScroll: true });
    await renderMath(fresh);
  } catch {
    delete form.dataset.sending;
    form.querySelector("[data-unsent]")?.remove();
    form.append(note(panel.dataset.offline));
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

/** The look of comments, asked for with the first of them; it goes with the item's page. */
function loadStyles(panel) {
  const url = panel.dataset.styles;
  if (!url || document.querySelector(`link[rel="stylesheet"][href="${CSS.escape(url)}"]`)) return null;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = url;
  return new Promise((resolve) => {
    // Without it the comments are plain, and can be read.
    link.addEventListener("load", resolve, { once: true });
    link.addEventListener("error", resolve, { once: true });
    panel.prepend(link);
  });
}

// --- What is not sent yet -----------------------------------------------------------------------

function findWords(form) {
  return form.querySelector("textarea[name='text']");
}

/** By person and by what it is about: on a shared machine it is nobody else's. */
function nameOf(form) {
  const person = form.closest("[data-comments]")?.dataset.person;
  const words = findWords(form);
  return person && words ? `${KEPT}${person}:${words.id}` : null;
}

function keepForm(form) {
  const name = nameOf(form);
  if (!name) return;
  if (!findWords(form).value.trim()) {
    write(name, null);
    return;
  }
  const fields = [...new FormData(form)].filter(([field]) => field !== "csrfmiddlewaretoken");
  write(name, JSON.stringify(fields));
}

function forget(form) {
  const name = nameOf(form);
  if (name) write(name, null);
}

function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Full or forbidden: the words are still in the field.
  }
}

/** Puts back what was written and never sent, with its key: sending it after all counts once. */
function restoreForms(panel) {
  for (const form of panel.querySelectorAll("form")) {
    const name = nameOf(form);
    const kept = name && readKept(name);
    // What the server gives back of a refused form is newer.
    if (!kept || findWords(form).value) continue;
    for (const field of form.elements) {
      const values = kept.filter(([one]) => one === field.name).map(([, value]) => value);
      if (field.type === "checkbox") field.checked = values.includes(field.value);
      else if (values.length && field.name !== "csrfmiddlewaretoken") setValue(field, values[0]);
    }
    findWords(form).closest("details")?.setAttribute("open", "");
  }
}

function readKept(name) {
  try {
    const kept = JSON.parse(localStorage.getItem(name));
    return Array.isArray(kept) ? kept : null;
  } catch {
    return null;
  }
}

function setValue(field, value) {
  if (field.tagName !== "SELECT") field.value = value;
  else if ([...field.options].some((option) => option.value === value)) field.value = value;
}

function hasWords(place) {
  return [...place.querySelectorAll("[data-comments] textarea")].some((area) => area.value.trim() !== "");
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
function chooseStep(place, about = "") {
  const choice = place.querySelector("[data-comment-position]");
  // What was begun about another step stays about that one.
  if (!choice || findWords(choice.form).value.trim()) return;
  const current = document.querySelector("[aria-current='step'][data-position]")?.dataset.position;
  const wanted = about || current;
  if (wanted !== undefined) setValue(choice, wanted);
}

function note(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "small";
  paragraph.dataset.unsent = "";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}

startComments();
