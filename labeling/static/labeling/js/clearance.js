/** Tells the styles how much of a narrow window is covered, so that what is scrolled to is not underneath.
 *
 *  watchClearance(document.querySelector(".workspace"), { signal });
 *
 *  On a phone the bar, the problem and the dock stay where they are while the steps scroll, and the problem
 *  is as high as its text. The workspace gets --covered-start and --covered-end, which are the scroll
 *  margins of its rows.
 */

export function watchClearance(workspace, { signal = undefined } = {}) {
  const over = [".topbar", ".workspace__aside"].map((name) => workspace.querySelector(name)).filter(Boolean);
  const under = [workspace.querySelector(".dock")].filter(Boolean);
  const observer = new ResizeObserver(() => {
    workspace.style.setProperty("--covered-start", `${height(over)}px`);
    workspace.style.setProperty("--covered-end", `${height(under)}px`);
  });
  for (const element of [...over, ...under]) observer.observe(element);
  signal?.addEventListener("abort", () => observer.disconnect());
}

/** The height of those that stay in place, in pixels. */
function height(elements) {
  return elements
    .filter((element) => ["sticky", "fixed"].includes(getComputedStyle(element).position))
    .reduce((sum, element) => sum + element.offsetHeight, 0);
}
