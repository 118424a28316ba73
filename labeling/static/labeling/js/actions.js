/** Ties buttons and keys to the same actions, so that what one can do the other can.
 *
 *  <button type="button" data-do="undo">Undo</button>
 *  runActions({ undo: () => store.undo() });
 */

import { hideToast } from "./toast.js";

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
  const open = document.querySelector("[popover]:popover-open");
  if (open) open.hidePopover();
  else if (document.activeElement?.matches("textarea, input")) cursor.row?.focus({ preventScroll: true });
}

/** The check box in the help that lets single keys rest (WCAG 2.1.4). */
export function watchSingleKeys(storage = localStorage) {
  const box = document.querySelector("[data-single-keys]");
  if (!box) return;
  box.checked = storage.getItem("keys:off") !== "1";
  box.addEventListener("change", () => storage.setItem("keys:off", box.checked ? "0" : "1"));
}
