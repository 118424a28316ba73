/** Shows all keys of this page, made from the bindings themselves, so that it cannot be out of date.
 *
 *  <div class="dialog" id="help" popover role="dialog"> … <div class="keys" data-keys></div></div>
 *  showKeys(keyboard);   // fills it; a button with popovertarget="help" or the key ? opens it
 */

import { el } from "./dom.js";

const SIGNS = {
  arrowdown: "↓",
  arrowup: "↑",
  arrowleft: "←",
  arrowright: "→",
  enter: "↵",
  escape: "Esc",
  shift: "⇧",
  mod: "Ctrl",
};

export function keySign(key) {
  return key
    .toLowerCase()
    .split("+")
    .map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("");
}

export function showKeys(keyboard, dialog = document.getElementById("help")) {
  const place = dialog?.querySelector("[data-keys]");
  if (!place) return;
  const fill = () => {
    const groups = Map.groupBy
      ? Map.groupBy(keyboard.bindings, (binding) => binding.group)
      : group(keyboard.bindings);
    place.replaceChildren(
      ...[...groups].map(([name, bindings]) =>
        el("section", {}, el("h3", {}, name), el("dl", {}, ...bindings.flatMap(line))),
      ),
    );
  };
  dialog.addEventListener("beforetoggle", fill);
}

function group(bindings) {
  const groups = new Map();
  for (const binding of bindings) groups.set(binding.group, [...(groups.get(binding.group) ?? []), binding]);
  return groups;
}

function line(binding) {
  const keys = binding.keys.filter((key) => !key.toLowerCase().startsWith("mod+"));
  const signs = keys.flatMap((key, index) => [
    index ? " " : null,
    el("kbd", { class: "kbd" }, keySign(key)),
  ]);
  return [el("dt", {}, ...signs), el("dd", {}, binding.label)];
}
