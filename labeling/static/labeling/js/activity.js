/** Measures active time: the page is seen, has the focus, and somebody did something a short while ago.
 *
 *  const activity = measureActivity({ signal });
 *  activity.milliseconds()
 */

const IDLE_MS = 60_000;

export function measureActivity({
  target = document,
  now = () => performance.now(),
  idle = IDLE_MS,
  signal = undefined,
} = {}) {
  let total = 0;
  let last = now();

  // Time counts from one sign of life to the next, each gap up to the idle limit and no more.
  const count = () => {
    const time = now();
    if (target.visibilityState === "visible" && target.hasFocus()) total += Math.min(time - last, idle);
    last = time;
  };
  const pause = () => {
    if (target.visibilityState !== "visible") total += Math.min(now() - last, idle);
    last = now();
  };
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "scroll"]) {
    target.addEventListener(kind, count, { passive: true, capture: true, signal });
  }
  target.addEventListener("visibilitychange", pause, { signal });

  return {
    milliseconds() {
      count();
      return Math.round(total);
    },
  };
}
