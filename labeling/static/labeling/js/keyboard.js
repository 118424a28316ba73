/** The keys of a page: one action each, at rest while somebody types.
 *
 *  const keyboard = createKeyboard([
 *    { id: "next", keys: ["j", "ArrowDown"], group: "Move", label: "Next step", run: () => … },
 *    { id: "redo", keys: ["Shift+z"], group: "Change", label: "Redo", run: () => … },
 *  ]);
 *  keyboard.itemShown();          // keys rest for the first 250 ms of a new item
 *  keyboard.keysFor("next");      // what does it now: ["m", "arrowdown"]
 *
 *  The person's own keys come with the page (`keys` and `single_keys` of its JSON; labeling/preferences.py).
 *
 *  A key does nothing in a text field, a dialog or an input method's composition, on repeat, and with
 *  Ctrl, Alt or Meta (but for Ctrl/⌘ Z). On a button, link or summary Enter and space do what that
 *  element says; on a radio the arrows do. Escape works everywhere.
 */

import { readJson } from "./dom.js";

const QUIET_MS = 250;
const TEXT_INPUTS = new Set(["text", "search", "email", "url", "tel", "password", "number", "date", "time"]);
// Where a keyboard of another script has its letters, signs go by their place as well.
const SIGN_PLACES = { BracketLeft: "[", BracketRight: "]" };

let current = null;

/** The keyboard of the page, for those who only name its keys; null where there is none. */
export function currentKeyboard() {
  return current;
}

/** Two actions with one key are a mistake, so it is refused with both names. */
export function findCollision(bindings) {
  const owner = new Map();
  for (const binding of bindings) {
    for (const key of binding.keys) {
      const other = owner.get(normalKey(key));
      if (other) return { key, one: other, other: binding };
      owner.set(normalKey(key), binding);
    }
  }
  return null;
}

export function createKeyboard(
  defaults,
  { target = document, now = () => performance.now(), map = undefined, singleKeysOff = undefined } = {},
) {
  const collision = findCollision(defaults);
  if (collision) {
    throw new Error(`"${collision.key}" is both ${collision.one.id} and ${collision.other.id}.`);
  }
  const page = map === undefined || singleKeysOff === undefined ? readJson("page") : null;
  let resting = singleKeysOff ?? page?.single_keys === false;
  let quietUntil = 0;
  const bindings = applyMap(defaults, map ?? page?.keys ?? {});
  const byKey = new Map(bindings.flatMap((binding) => binding.keys.map((key) => [normalKey(key), binding])));

  const onKey = (event) => {
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    if (event.key === "Escape") {
      byKey.get("escape")?.run(event);
      return;
    }
    const name = findKey(event, byKey);
    const binding = byKey.get(name);
    if (!binding || event.repeat || now() < quietUntil) return;
    if (resting && isSingle(name)) return;
    if (isTyping(event.target) || isDialogOpen(target) || isNative(event)) return;
    event.preventDefault();
    binding.run(event);
  };
  target.addEventListener("keydown", onKey);

  const keyboard = {
    bindings,
    get singleKeysOff() {
      return resting;
    },
    set singleKeysOff(off) {
      resting = off;
    },
    itemShown() {
      quietUntil = now() + QUIET_MS;
    },
    /** The keys that do it now, those that rest left out; null where the page has no such action. */
    keysFor(id) {
      const binding = bindings.find((one) => one.id === id);
      return binding?.keys.map(normalKey).filter((key) => !(resting && isSingle(key))) ?? null;
    },
    stop() {
      target.removeEventListener("keydown", onKey);
      if (current === keyboard) current = null;
    },
  };
  current = keyboard;
  return keyboard;
}

/** "j", "shift+z", "mod+z", "enter": letters by what they type, or by their place where they are not Latin. */
export function keyOf(event) {
  const key = placeOf(event) ?? event.key;
  const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase();
  const shift = event.shiftKey && (letter || key.length > 1) ? "shift+" : "";
  const mod = (event.ctrlKey || event.metaKey) && !isMadeWithAlt(event) ? "mod+" : "";
  return mod + shift + key.toLowerCase();
}

/** True where Ctrl, Alt or Meta ask for something else than the sign that the key types. */
export function isModified(event) {
  if (isMadeWithAlt(event)) return false;
  return event.altKey || event.ctrlKey || event.metaKey || isAltGraph(event);
}

/** The name under which the event's key is bound, or one that nothing has. */
function findKey(event, byKey) {
  const name = keyOf(event);
  if (name.startsWith("mod+")) return event.altKey || isAltGraph(event) ? "" : name;
  if (isModified(event)) return "";
  if (byKey.has(name) || event.shiftKey) return name;
  // A French keyboard types é where others type 2, and 2 only with Shift.
  return /^Digit([0-9])$/.exec(event.code ?? "")?.[1] ?? name;
}

/** The Latin letter or sign in whose place a letter of another script is; null for everything else. */
function placeOf({ key, code = "" }) {
  if (!/^(?!\p{Script=Latin})\p{L}$/u.test(key)) return null;
  return /^Key([A-Z])$/.exec(code)?.[1] ?? SIGN_PLACES[code] ?? null;
}

/** German and French keyboards type [ with AltGr, Apple's with Option: that is the sign, not a combination. */
function isMadeWithAlt(event) {
  if (event.key.length !== 1 || /[\p{L}\p{N}\s]/u.test(event.key)) return false;
  return isAltGraph(event) || (isApple() && event.altKey && !event.ctrlKey && !event.metaKey);
}

function isAltGraph(event) {
  return event.getModifierState?.("AltGraph") ?? false;
}

function isApple() {
  return navigator.platform.startsWith("Mac");
}

function normalKey(key) {
  return key.toLowerCase();
}

/** WCAG 2.1.4 speaks of letters in both cases, of digits and of signs. */
function isSingle(key) {
  return key.replace(/^shift\+(?=.)/, "").length === 1;
}

/** The person's own keys over the default ones; a map that clashes is left aside. */
function applyMap(defaults, map) {
  const mapped = defaults.map((binding) => (map[binding.id] ? { ...binding, keys: map[binding.id] } : binding));
  return findCollision(mapped) ? defaults : mapped;
}

export function isTyping(element) {
  if (!(element instanceof Element)) return false;
  if (element.closest("textarea, select, [contenteditable=''], [contenteditable='true']")) return true;
  return element instanceof HTMLInputElement && TEXT_INPUTS.has(element.type);
}

function isDialogOpen(target) {
  return Boolean(target.querySelector("dialog[open], [popover][role='dialog']:popover-open, [popover][role='menu']:popover-open"));
}

/** True where the browser gives the key a meaning of its own on this element. */
function isNative(event) {
  const element = event.target instanceof Element ? event.target : null;
  if (!element) return false;
  if (event.key.startsWith("Arrow")) return element.matches("input[type='radio']");
  if (event.key !== "Enter" && event.key !== " ") return false;
  return Boolean(element.closest("button, a[href], summary"));
}
