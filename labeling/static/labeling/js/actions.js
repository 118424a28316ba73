/** Ties buttons and keys to the same actions, so that what one can do the other can.
 *
 *  <button type="button" data-do="undo">Undo</button>
 *  runActions({ undo: () => store.undo() });
 */

import { call } from "./api.js";
import { showHints } from "./help.js";
import { currentKeyboard } from "./keyboard.js";
import { closePanel, startPanels } from "./panels.js";
import { t } from "./text.js";
import { hideToast } from "./toast.js";

startPanels();

export function runActions(actions, root = document) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]");
    const action = button && actions[button.dataset.do];
    if (!action || button.disabled) return;
    button.closest(".menu[popover]")?.hidePopover();
    action(button);
  });
}

/** Undo and redo buttons show whether there is a way back; a toast's undo is over with the next change. */
export function watchHistory(store) {
  const show = () => {
    for (const button of document.querySelectorAll("[data-do='undo']")) button.disabled = !store.canUndo;
    for (const button of document.querySelectorAll("[data-do='redo']")) button.disabled = !store.canRedo;
  };
  store.subscribe(show);
  store.subscribe(hideToast);
  show();
}

/** Opens what floats, with the focus on its first control, or closes it. */
export function togglePopover(id) {
  const popover = document.getElementById(id);
  if (popover?.togglePopover()) popover.querySelector("input, button, textarea")?.focus();
}

/** Escape: closes what floats, or leaves a text field for the row it speaks of. */
export function closeOrLeave(cursor) {
  // What floats over a panel was opened after it.
  const open = document.querySelector("[popover]:popover-open:not(.panel)");
  if (open) open.hidePopover();
  else if (!closePanel() && document.activeElement?.matches("textarea, input")) {
    cursor.row?.focus({ preventScroll: true });
  }
}

/** The check box in the help that lets single keys rest (WCAG 2.1.4): at once here, and on the account. */
export function watchSingleKeys(keyboard = currentKeyboard()) {
  const box = document.querySelector("[data-single-keys]");
  if (!box || !keyboard) return;
  box.checked = !keyboard.singleKeysOff;
  box.addEventListener("change", async () => {
    keyboard.singleKeysOff = !box.checked;
    showHints(keyboard);
    box.closest("[popover]")?.dispatchEvent(new Event("workbench:keys"));
    const note = document.querySelector("[data-single-keys-note]");
    note.textContent = "";
    try {
      await call("PATCH", box.dataset.singleKeys, { single_keys: box.checked });
    } catch (error) {
      note.textContent = t("keysNotKept", { reason: error.code === "offline" ? t("noNetwork") : error.message });
    }
  });
}
