/** Measures active time: the page is seen, has the focus, and somebody did something a short while ago.
 *
 *  const activity = measureActivity({ signal, storage: localStorage, key: "activity:item-7", start: draft.activity });
 *  activity.read()      // {total: 65200, steps: {"0": 40100, "1": 25100}}, in milliseconds
 *  activity.keep();     // in this browser, so that a reload goes on from here; by itself when the page is left
 *  activity.forget();   // the work is done
 *
 *  A step's time is that in which its row had aria-current="step"; what has no step counts in the total alone.
 */

const IDLE_MS = 60_000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "scroll"];
const NOTHING = { total: 0, steps: {} };

export function measureActivity({
  target = document,
  now = () => performance.now(),
  idle = IDLE_MS,
  signal = undefined,
  storage = null,
  key = "",
  start = null,
} = {}) {
  const before = pickLonger(start, readKept(storage, key));
  const steps = new Map(Object.entries(before.steps));
  let total = before.total;
  let last = now();
  let row = null;

  const findPosition = () => {
    if (!row?.isConnected || row.getAttribute("aria-current") !== "step") {
      row = target.querySelector("[aria-current='step']");
    }
    return row?.dataset.position;
  };

  // Time counts from one sign of life to the next, each gap up to the idle limit and no more.
  const count = (wasActive) => {
    const time = now();
    const gap = Math.min(time - last, idle);
    last = time;
    if (!wasActive) return;
    total += gap;
    const position = findPosition();
    if (position !== undefined) steps.set(position, (steps.get(position) ?? 0) + gap);
  };
  const isActive = () => target.visibilityState === "visible" && target.hasFocus();
  const sign = () => count(isActive());

  const read = () => {
    const rounded = [...steps].map(([position, time]) => [position, Math.round(time)]);
    return { total: Math.round(total), steps: Object.fromEntries(rounded) };
  };
  let isDone = false;
  const keep = () => {
    if (isDone) return;
    try {
      storage?.setItem(key, JSON.stringify(read()));
    } catch {
      // Full or forbidden: what the server has by then is what a reload goes on from.
    }
  };

  // Before the row that is looked at changes: on their way down.
  for (const kind of SIGNS) target.addEventListener(kind, sign, { passive: true, capture: true, signal });
  // Whoever leaves was there until now; whoever comes back was not.
  let isAway = !isActive();
  const leave = () => {
    if (!isAway) count(true);
    isAway = true;
    keep();
  };
  const comeBack = () => {
    count(false);
    isAway = !isActive();
  };
  const view = target.defaultView ?? globalThis;
  view.addEventListener("blur", leave, { signal });
  view.addEventListener("focus", comeBack, { signal });
  view.addEventListener("pagehide", leave, { signal });
  target.addEventListener("visibilitychange", () => (target.visibilityState === "visible" ? comeBack() : leave()), {
    signal,
  });

  return {
    read() {
      sign();
      return read();
    },
    keep,
    forget() {
      isDone = true;
      storage?.removeItem(key);
    },
  };
}

/** A draft of the server may be older than what this browser kept, or come from another one. */
function pickLonger(one, other) {
  return [one, other].reduce(
    (longest, each) => (each?.total > longest.total ? { total: each.total, steps: each.steps ?? {} } : longest),
    NOTHING,
  );
}

function readKept(storage, key) {
  try {
    return JSON.parse(storage?.getItem(key) ?? "null");
  } catch {
    return null;
  }
}
