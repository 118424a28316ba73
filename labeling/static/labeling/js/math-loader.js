/** Loads the mathematics only where a page has some: most pages of a lead have none.
 *
 *  await renderMath(document);
 */

export async function renderMath(root = document) {
  if (!root.querySelector("[data-math]:not([data-math-done])")) return;
  const math = await import("./math.js");
  math.renderMath(root);
}
