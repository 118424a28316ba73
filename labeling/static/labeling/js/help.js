/** Shows all keys of this page, made from the bindings themselves, so that it cannot be out of date.
 *
 *  <div class="dialog" id="help" popover role="dialog"> … <div class="keys" data-keys></div></div>
 *  <kbd class="kbd" data-key="first_error">E</kbd>   // becomes the person's own key
 *  showKeys(keyboard);   // fills both; a button with popovertarget="help" or the key ? opens the dialog
 */

import { el } from "./dom.js";
import { t } from "./text.js";
import { nameUndoKey } from "./toast.js";

const SIGNS = {
  arrowdown: "↓",
  arrowup: "↑",
  arrowleft: "←",
  arrowright: "→",
  enter: "↵",
  escape: "Esc",
  delete: "Del",
  shift: "⇧",
  mod: "Ctrl",
};

export function keySign(key) {
  const parts = /^(?<before>(?:mod\+|shift\+)*)(?<last>.+)$/.exec(key.toLowerCase()).groups;
  return [...parts.before.split("+").filter(Boolean), parts.last]
    .map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("");
}

export function showKeys(keyboard, dialog = document.getElementById("help")) {
  showHints(keyboard);
  const place = dialog?.querySelector("[data-keys]");
  if (!place) return;
  const fill = () => {
    const groups = new Map();
    for (const binding of keyboard.bindings) {
      groups.set(binding.group, [...(groups.get(binding.group) ?? []), binding]);
    }
    place.replaceChildren(
      ...[...groups].map(([name, bindings]) =>
        el("section", {}, el("h3", {}, name), el("dl", {}, ...bindings.flatMap((binding) => line(keyboard, binding)))),
      ),
    );
  };
  dialog.addEventListener("beforetoggle", fill);
  dialog.addEventListener("workbench:keys", fill);
}

/** The keys that stand beside buttons and words: those that act on this page now, and none where none does. */
export function showHints(keyboard) {
  const [undo] = keyboard.keysFor("undo") ?? [];
  nameUndoKey(undo ? keySign(undo) : "");
  for (const node of document.querySelectorAll("[data-key]")) {
    const [key] = keyboard.keysFor(node.dataset.key) ?? [];
    const sign = key ? keySign(key) : "";
    node.hidden = !sign;
    if (sign && node.textContent !== sign) node.textContent = sign;
  }
}

function line(keyboard, { id, label }) {
  const keys = keyboard.keysFor(id).filter((key) => !key.startsWith("mod+"));
  const signs = keys.flatMap((key, index) => [
    index ? " " : null,
    el("kbd", { class: "kbd" }, keySign(key)),
  ]);
  if (!keys.length) signs.push(el("span", { class: "small quiet" }, t("noKey")));
  return [el("dt", {}, ...signs), el("dd", {}, label)];
}
