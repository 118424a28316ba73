/** Choosing keys by pressing them: each is sent at once, and its row comes back with what became of it.
 *
 *  <div data-own-keys> <tr id="key-next"> <form> <input name="keys"> <button name="do" value="change">
 *    <button type="button" data-press aria-pressed="false"><span data-press-word>…</span></button> </form> </tr> </div>
 *
 *  Without script every row is a form with a text field. What is not for an action to have, the server says.
 */

import { isModified, keyOf } from "./keyboard.js";
import { t } from "./text.js";
import { announce } from "./toast.js";

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Fn", "NumLock"]);

let listening = null;

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-press]");
  if (button && button !== listening?.button) listen(button);
});
document.addEventListener("focusout", ({ target }) => {
  if (target === listening?.button) stopListening();
});
document.addEventListener("keydown", onKey, true);
document.addEventListener("input", ({ target }) => {
  if (target.name === "keys") target.form.dataset.edited = "";
});
document.addEventListener("submit", (event) => {
  if (!event.target.closest("[data-own-keys]")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

function listen(button) {
  stopListening();
  const word = button.querySelector("[data-press-word]");
  listening = { button, word, before: word.textContent };
  word.textContent = t("pressKey");
  button.setAttribute("aria-pressed", "true");
  announce(t("pressKeyHow"));
}

function stopListening() {
  if (!listening) return;
  listening.word.textContent = listening.before;
  listening.button.setAttribute("aria-pressed", "false");
  listening = null;
}

function onKey(event) {
  if (!listening || event.repeat || event.isComposing || MODIFIERS.has(event.key)) return;
  const { form } = listening.button;
  stopListening();
  // Tab leads on from here as from everywhere.
  if (event.key === "Tab") return;
  // What is the browser's stays so; why it cannot be had is read in the answer.
  if (!isModified(event) && !/^F\d/.test(event.key)) event.preventDefault();
  event.stopPropagation();
  if (event.key === "Escape") return;
  form.elements.namedItem("keys").value = nameOf(event);
  form.requestSubmit(form.querySelector("[value='change']"));
}

/** As it is written in the field: a space separates keys there. */
function nameOf(event) {
  if (event.key === " ") return "space";
  const name = keyOf(event);
  return isModified(event) && !name.startsWith("mod+") ? `alt+${name}` : name;
}

/** Sends the row's form and shows the page that comes back, with the focus where it was. */
async function send(form, submitter) {
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  const row = form.closest("tr").id;
  try {
    const response = await fetch(form.getAttribute("action"), {
      method: "POST",
      credentials: "same-origin",
      headers: { Accept: "text/html", "X-Requested-With": "fetch" },
      body: new URLSearchParams(new FormData(form, submitter)),
    });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-own-keys]");
    if (!fresh) throw new Error(`${response.status}`);
    show(page, row, response.ok);
  } catch {
    delete form.dataset.sending;
    form.querySelector("[data-unsent]")?.remove();
    const note = document.createElement("p");
    note.className = "errorlist";
    note.dataset.unsent = "";
    note.setAttribute("role", "alert");
    note.textContent = t("notSaved", { reason: t("noNetwork") });
    form.append(note);
  }
}

function show(page, id, ok) {
  const said = page.querySelector(".flashes");
  // Above the page it would push everything down: it is said, and the field shows it.
  said?.remove();
  const main = document.getElementById("main");
  main.replaceChildren(...document.importNode(page.getElementById("main"), true).childNodes);
  for (const dialog of page.querySelectorAll("dialog[id]")) {
    if (!document.getElementById(dialog.id)) document.body.append(document.importNode(dialog, true));
  }
  const row = document.getElementById(id);
  const next = (ok ? null : row.querySelector("[data-mend]")) ?? row.querySelector("[data-press]");
  next.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  if (ok) announce(said?.textContent.trim() ?? "");
}
