/** Makes elements without HTML text: whatever a model wrote can only ever become a text node.
 *
 *  el("li", { class: "note", "data-id": 7 }, icon("msg"), "Text of a person")
 *  mark(-1, { label: "−1, wrong" })
 *  readJson("page")   // what {{ page|json_script:"page" }} left in the page
 */

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

function drawing(className, symbol) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.sprite ?? ""}#${symbol}`);
  svg.append(use);
  return svg;
}

export function icon(name) {
  return drawing("i", name);
}

/** A rating as a picture; with a label it speaks, without one it stands beside words. */
export function mark(value, { label = "", small = false, machine = false } = {}) {
  const svg = drawing(`mark${small ? " mark--s" : ""}${machine ? " mark--machine" : ""}`, `m-${value}`);
  svg.dataset.v = value;
  if (label) {
    svg.removeAttribute("aria-hidden");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  return svg;
}

/** Repaints a mark that the server drew, in place: no element is made, so nothing moves. */
export function setMark(svg, value, label = "") {
  if (!svg || svg.dataset.v === String(value)) return;
  svg.dataset.v = value;
  svg.querySelector("use").setAttribute(
    "href",
    `${document.documentElement.dataset.sprite ?? ""}#m-${value}`,
  );
  if (svg.hasAttribute("aria-label")) svg.setAttribute("aria-label", label);
}

export function badge(text, { tone = "", iconName = "" } = {}) {
  return el("span", { class: "badge", "data-tone": tone || null }, iconName ? icon(iconName) : null, text);
}

export function readJson(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : null;
}
