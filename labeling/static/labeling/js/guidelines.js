/** The guidelines beside one's work: fetched when they are opened, searched in place, marked as read.
 *
 *  startGuidelines({ signal });           // for each item; a click on [data-guidelines] then opens the panel,
 *                                         // at the card of the type that its value names, if it names one
 *  toggleGuidelines();                    // what the key does: the focus goes in, and back where it was
 *  openGuidelines({ at: "deception" });   // at the card of an error type
 *
 *  Needs templates/labeling/_guidelines_panel.html, outside of any form:
 *  <aside class="panel" id="guidelines-panel" popover="manual" data-styles="/static/…/guidance.css"
 *      data-guidelines-url="/projects/p/guidelines/panel/?fragment=panel" data-failed data-offline data-read>
 *      <h2 tabindex="-1">…</h2> <div data-guidelines-place></div> </aside>
 *
 *  What comes back is parsed as a document without scripts, and its nodes are taken over: no text of a
 *  person ever becomes HTML here. The panel that an item leaves open is open beside the next one.
 */

import { renderMath } from "./math-loader.js";
import { startPanels } from "./panels.js";
import { t } from "./text.js";
import { announce } from "./toast.js";

// The panel has these to itself while the focus is in it: they scroll, or press what has the focus.
const OWN_KEYS = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "Enter", " "]);

// What an entry says, as it was written: a rendered formula says it another way.
const texts = new WeakMap();
// The open panel and how far down it is: what an item that is over leaves to the next one.
let shown = null;

export function startGuidelines({ signal } = {}) {
  const panel = findPanel();
  if (!panel) return;
  startPanels();
  document.addEventListener("click", onLink, { signal });
  panel.addEventListener("beforetoggle", ({ newState }) => {
    shown = newState === "open" ? { panel, top: 0 } : null;
  });
  panel.addEventListener("toggle", () => markLinks(panel));
  panel.addEventListener("keydown", (event) => {
    if (OWN_KEYS.has(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  panel.addEventListener("input", ({ target }) => {
    if (target.type === "search") filter(panel, target.value);
  });
  panel.addEventListener("submit", onSubmit);
  panel.addEventListener("scroll", () => {
    if (shown) shown.top = panel.scrollTop;
  });
  markLinks(panel);
  goOn(panel);
}

export function toggleGuidelines() {
  const panel = findPanel();
  if (panel?.matches(":popover-open")) panel.hidePopover();
  else openGuidelines();
}

export async function openGuidelines({ at = "" } = {}) {
  const panel = findPanel();
  if (!panel) return;
  if (!panel.matches(":popover-open")) panel.showPopover();
  panel.querySelector("h2").focus({ preventScroll: true });
  await load(panel);
  if (at) goTo(panel, at);
}

function findPanel() {
  return document.getElementById("guidelines-panel");
}

/** Takes over what the last item's panel had, if it was open. */
function goOn(panel) {
  if (!shown || shown.panel === panel) return;
  const { panel: last, top } = shown;
  shown = null;
  if (last.isConnected || last.dataset.guidelinesUrl !== panel.dataset.guidelinesUrl) return;
  loadStyles(panel);
  findPlace(panel).replaceChildren(...findPlace(last).childNodes);
  panel.showPopover();
  panel.scrollTop = top;
}

function onLink(event) {
  const link = event.target.closest?.("[data-guidelines]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const at = link.dataset.guidelines;
  if (at) openGuidelines({ at });
  else toggleGuidelines();
}

/** A link that opened a new tab opens the panel now, and no longer says otherwise. */
function markLinks(panel) {
  const isOpen = panel.matches(":popover-open");
  for (const link of document.querySelectorAll("[data-guidelines]")) {
    link.setAttribute("aria-controls", panel.id);
    link.setAttribute("aria-expanded", String(isOpen));
    link.querySelector("[data-guidelines-tab]")?.remove();
  }
}

/** Fills the panel anew each time it is opened; what stood there stays until then, and if nothing comes. */
async function load(panel) {
  const place = findPlace(panel);
  const query = place.querySelector("input[type='search']")?.value ?? "";
  try {
    const [{ ok, nodes }] = await Promise.all([ask(panel.dataset.guidelinesUrl), loadStyles(panel)]);
    if (!ok) throw new Error("refused");
    await put(panel, nodes, query);
  } catch {
    const isEmpty = !place.querySelector("input[type='search']");
    place.replaceChildren(sentence(panel.dataset.failed), ...(isEmpty ? [] : withoutNotes(place)));
  }
}

async function put(panel, nodes, query = "") {
  const place = findPlace(panel);
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(...nodes);
  for (const entry of findEntries(place)) texts.set(entry, fold(entry.textContent));
  const field = place.querySelector("input[type='search']");
  if (field && query) {
    field.value = query;
    filter(panel, query);
  }
  if (hadFocus) panel.querySelector("h2").focus({ preventScroll: true });
  await renderMath(place);
}

async function onSubmit(event) {
  const panel = event.currentTarget;
  const form = event.target;
  event.preventDefault();
  // A search is done already, key by key.
  if (form.method !== "post" || form.dataset.sending) return;
  form.dataset.sending = "yes";
  try {
    const { ok, nodes } = await ask(`${form.action}?fragment=panel`, new URLSearchParams(new FormData(form)));
    await put(panel, nodes);
    if (!ok) return;
    for (const sign of document.querySelectorAll("[data-guidelines-unread]")) sign.remove();
    announce(panel.dataset.read);
  } catch {
    delete form.dataset.sending;
    form.querySelector("[role='alert']")?.remove();
    form.append(sentence(panel.dataset.offline));
  }
}

/** Shows the card of an error type, above all else that may be filtered out. */
function goTo(panel, code) {
  const card = document.getElementById(`guidance-type-${code}`);
  if (!card || !panel.contains(card)) return;
  const field = findPlace(panel).querySelector("input[type='search']");
  if (card.hidden && field) {
    field.value = "";
    filter(panel, "");
  }
  card.scrollIntoView({ block: "start" });
  card.focus({ preventScroll: true });
}

/** Leaves the entries that hold every word of the query, and says how many they are. */
function filter(panel, query) {
  const place = findPlace(panel);
  const words = fold(query).split(/\s+/).filter(Boolean);
  let n = 0;
  for (const entry of findEntries(place)) {
    const text = texts.get(entry) ?? fold(entry.textContent);
    const fits = words.every((word) => text.includes(word));
    entry.hidden = !fits;
    n += fits;
  }
  for (const group of place.querySelectorAll("[data-find-group]")) {
    group.hidden = words.length > 0 && findEntries(group).every((entry) => entry.hidden);
  }
  for (const aside of place.querySelectorAll("[data-find-aside]")) aside.hidden = words.length > 0;
  const status = place.querySelector("[data-found]");
  if (status) status.textContent = words.length ? t("guidanceFound", { n }) : "";
}

function findPlace(panel) {
  return panel.querySelector("[data-guidelines-place]");
}

function findEntries(root) {
  return [...root.querySelectorAll("[data-find], [data-find-blocks] > *")];
}

/** As the server compares: width and case say nothing. */
function fold(text) {
  return text.normalize("NFKC").toLowerCase();
}

/** What the server answered, as nodes; `ok` is false where they hold a refusal. Anything else is an error. */
async function ask(url, body = null) {
  const response = await fetch(url, {
    method: body ? "POST" : "GET",
    credentials: "same-origin",
    headers: { Accept: "text/html", "X-Requested-With": "fetch" },
    body: body ?? undefined,
  });
  if (response.redirected) throw new Error("signed out");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.querySelector("[data-guidance]")) throw new Error(`${response.status}`);
  const nodes = [...page.body.childNodes].map((node) => document.importNode(node, true));
  return { ok: response.ok, nodes };
}

/** The look of the guidelines, asked for when they are first opened; it goes with the item's page. */
function loadStyles(panel) {
  const url = panel.dataset.styles;
  if (!url || document.querySelector(`link[rel="stylesheet"][href="${CSS.escape(url)}"]`)) return null;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = url;
  return new Promise((resolve) => {
    // Without it they are plain, and can be read.
    link.addEventListener("load", resolve, { once: true });
    link.addEventListener("error", resolve, { once: true });
    panel.prepend(link);
  });
}

function withoutNotes(place) {
  return [...place.childNodes].filter((node) => !(node instanceof Element && node.matches("[data-note]")));
}

function sentence(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "small";
  paragraph.dataset.note = "";
  paragraph.setAttribute("role", "alert");
  paragraph.textContent = text;
  return paragraph;
}
