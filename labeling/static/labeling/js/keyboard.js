/** The keys of a page: one action each, at rest while somebody types.
 *
 *  const keyboard = createKeyboard([
 *    { id: "next", keys: ["j", "ArrowDown"], group: "Move", label: "Next step", run: () => … },
 *    { id: "redo", keys: ["Shift+z"], group: "Change", label: "Redo", run: () => … },
 *  ]);
 *  keyboard.itemShown();           // keys rest for the first 250 ms of a new item
 *  keyboard.remap("next", ["m"])   // {ok: false, takenBy: {id, label}} when the key is taken
 *
 *  A key does nothing in a text field, a dialog or an input method's composition, on repeat, and with
 *  Ctrl, Alt or Meta (but for Ctrl/⌘ Z). On a button, link or summary Enter and space do what that
 *  element says; on a radio the arrows do. Escape works everywhere.
 */

const QUIET_MS = 250;
const TEXT_INPUTS = new Set(["text", "search", "email", "url", "tel", "password", "number", "date", "time"]);
const MAP_KEY = "keys:map";
const OFF_KEY = "keys:off";

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
  { target = document, now = () => performance.now(), storage = globalThis.localStorage } = {},
) {
  const collision = findCollision(defaults);
  if (collision) {
    throw new Error(`"${collision.key}" is both ${collision.one.id} and ${collision.other.id}.`);
  }
  let bindings = applyMap(defaults, readMap(storage));
  let byKey = indexKeys(bindings);
  let quietUntil = 0;

  const onKey = (event) => {
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    const name = keyOf(event);
    if (event.key === "Escape") {
      byKey.get("escape")?.run(event);
      return;
    }
    const binding = byKey.get(name);
    if (!binding || event.repeat || now() < quietUntil) return;
    if (isOff(storage) && name.length === 1) return;
    if (event.altKey || ((event.ctrlKey || event.metaKey) && !name.startsWith("mod+"))) return;
    if (isTyping(event.target) || isDialogOpen(target) || isNative(event)) return;
    event.preventDefault();
    binding.run(event);
  };
  target.addEventListener("keydown", onKey);

  return {
    get bindings() {
      return bindings;
    },
    itemShown() {
      quietUntil = now() + QUIET_MS;
    },
    remap(id, keys) {
      const changed = bindings.map((binding) => (binding.id === id ? { ...binding, keys } : binding));
      const clash = findCollision(changed);
      if (clash) return { ok: false, takenBy: clash.one.id === id ? clash.other : clash.one };
      bindings = changed;
      byKey = indexKeys(bindings);
      storage?.setItem(MAP_KEY, JSON.stringify({ ...readMap(storage), [id]: keys }));
      return { ok: true };
    },
    stop() {
      target.removeEventListener("keydown", onKey);
    },
  };
}

/** "j", "shift+z", "mod+z", "enter": letters by what they type, or by their place where they are not Latin. */
export function keyOf(event) {
  let key = event.key;
  const place = /^Key([A-Z])$/.exec(event.code ?? "")?.[1];
  if (place && key.length === 1 && !/[a-z]/i.test(key) && key.codePointAt(0) > 127) key = place;
  const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase();
  const shift = event.shiftKey && (letter || key.length > 1) ? "shift+" : "";
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  return mod + shift + key.toLowerCase();
}

function normalKey(key) {
  return key.toLowerCase();
}

function indexKeys(bindings) {
  return new Map(bindings.flatMap((binding) => binding.keys.map((key) => [normalKey(key), binding])));
}

/** The person's own keys over the default ones; a stored map that clashes is left aside. */
function applyMap(defaults, map) {
  const mapped = defaults.map((binding) => (map[binding.id] ? { ...binding, keys: map[binding.id] } : binding));
  return findCollision(mapped) ? defaults : mapped;
}

function readMap(storage) {
  try {
    return JSON.parse(storage?.getItem(MAP_KEY)) ?? {};
  } catch {
    return {};
  }
}

function isOff(storage) {
  return storage?.getItem(OFF_KEY) === "1";
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
