/** Renders the mathematics of every [data-math] element, whose text is what somebody wrote, raw.
 *
 *  <p data-math>Let $x &gt; 0$.</p>
 *
 *  renderMath(document)          // what can be seen at once, the rest when it comes near or nothing else is to do
 *  renderAhead(next, signal)     // little by little, in a page that is not shown yet; renderMath does the rest then
 *  setRaw(true)                  // source instead of formulas, everywhere; setRaw(false) goes back
 *  sourceOf(element)             // the text as it was written, to copy
 *
 *  Texts are hostile: KaTeX runs with `trust: false` and a bound on macros, its result is made of
 *  elements, never of HTML text, and what it cannot read is shown as source, in place, in a box.
 *  data-math="answer" is a final answer, which may be a formula without dollars.
 *  An element may hold <del> and <ins>: each text inside is rendered on its own. In one with
 *  data-math="segments" the server has cut the text already: its [data-tex] are the formulas, with their
 *  dollars, and in those with data-tex="diff" it marks changed parts by \prmwas{…} and \prmis{…};
 *  data-latex is then the formula, and the element's data-source the text, as they were written.
 */

import katex from "../../vendor/katex/katex.mjs";
import { BROKEN, MARKS, dressMath } from "./mathml.js";
import { splitMath } from "./segments.js";
import { t } from "./text.js";

// A full stop, a bracket or a quotation mark after a formula stays on its line.
const GLUED = /^[,.;:!?)\]}’”'"%]+/;
const LONGEST = 10_000;
const AHEAD_PX = 900;
const IDLE_AT_LAST_MS = 500;
// Of a free moment, which a key may end at any time.
const SLICE_MS = 5;
// What nobody means as TeX does: a comment after a share, and in a formula a dollar before an amount.
const SHARES = /(\\.)|%/gs;
const AMOUNTS = /\\.|\$([0-9])/gs;
// Words in a box, as people write an answer that is no formula.
const BOXED_WORDS = /\\boxed\{([^{}$\\]*[A-Za-z]{2,} [A-Za-z]{2,}[^{}$\\]*)\}/g;

const originals = new WeakMap();
// Rendered before they had a place, and not measured yet; with what they were written as.
const serializer = new XMLSerializer();
const ahead = new WeakMap();
let raw = false;
let observer = null;

export function renderMath(root = document) {
  const elements = [...root.querySelectorAll("[data-math]")].filter(isOpen);
  if (root instanceof Element && root.matches("[data-math]") && isOpen(root)) elements.unshift(root);
  if (elements.length <= 12) {
    renderAll(elements);
    return elements;
  }
  // Read every place before anything is written: one layout, not one for each element.
  const boxes = elements.map((element) => element.getBoundingClientRect());
  const now = [];
  const soon = [];
  elements.forEach((element, index) => {
    const { top, height } = boxes[index];
    if (height > 0 && top < innerHeight) now.push(element);
    // What is closed has no place yet, and is ready when it opens.
    else if (top < innerHeight + AHEAD_PX) soon.push(element);
    else renderLater(element);
  });
  renderAll(now);
  const isWaiting = (element) => element.isConnected && isOpen(element);
  if (soon.length) whenIdle(() => renderAll(soon.filter(isWaiting)));
  return elements;
}

function isOpen(element) {
  return element.dataset.mathDone === undefined || ahead.has(element);
}

/** Renders the texts of a page that has no layout yet, whenever nothing else is to do. */
export function renderAhead(root, signal) {
  const waiting = [...root.querySelectorAll("[data-math]")];
  const go = () => {
    const end = performance.now() + SLICE_MS;
    while (waiting.length && !signal.aborted && performance.now() < end) {
      const element = waiting.shift();
      const source = markupOf(element);
      write(element);
      ahead.set(element, source);
    }
    if (waiting.length && !signal.aborted) whenIdle(go, {});
  };
  whenIdle(go, {});
}

/** What stands in an element: two say the same where this is the same. It is compared, and never read as HTML. */
function markupOf(element) {
  return [...element.childNodes].map((node) => serializer.serializeToString(node)).join("");
}

/** Takes over what was rendered of the same texts in another page: what differs between the two was elsewhere. */
export function borrowMath(from, to) {
  const rendered = new Map();
  for (const element of from.querySelectorAll("[data-math]")) {
    if (ahead.has(element)) rendered.set(element.dataset.math + ahead.get(element), element);
  }
  for (const element of to.querySelectorAll("[data-math]")) {
    const source = markupOf(element);
    const same = rendered.get(element.dataset.math + source);
    // Each is given away once.
    if (!same?.hasChildNodes()) continue;
    element.replaceChildren(...same.childNodes);
    element.dataset.mathDone = same.dataset.mathDone;
    originals.set(element, originals.get(same));
    ahead.set(element, source);
  }
}

/** Renders one element now, whether or not it can be seen; again after its text was replaced. */
export function renderElement(element) {
  renderAll([element]);
}

/** All are written before any is measured: one layout again. */
function renderAll(elements) {
  elements.forEach(write);
  if (!raw) findLongFormulas(elements);
}

function write(element) {
  observer?.unobserve(element);
  if (ahead.delete(element)) {
    if ((element.dataset.mathDone === "raw") === raw) return;
    restore(element);
  }
  if (!originals.has(element)) originals.set(element, [...element.childNodes].map((node) => node.cloneNode(true)));
  element.dataset.mathDone = raw ? "raw" : "";
  if (raw) showSource(element);
  else if (element.dataset.math === "segments") renderSegments(element);
  else if (element.dataset.math === "answer") renderAnswer(element);
  else renderTexts(element);
}

function showSource(element) {
  for (const node of element.querySelectorAll("[data-latex]")) {
    const dollars = node.hasAttribute("data-display") ? "$$" : "$";
    node.textContent = dollars + node.dataset.latex + dollars;
  }
  for (const node of textNodes(element)) node.data = stripMarks(node.data);
}

function renderTexts(element) {
  for (const node of textNodes(element)) {
    if (/[$\\]/.test(node.data)) node.replaceWith(renderText(node.data));
  }
}

/** A final answer is often a formula that nobody put between dollars: "90\pi", "3/4". Words stay words. */
function renderAnswer(element) {
  const text = element.textContent.trim();
  const isProse = /[$]|\\[([]/.test(text) || (!/\\[A-Za-z]/.test(text) && /[A-Za-z]{2}|[^\x20-\x7e]/.test(text));
  if (!text || isProse) {
    renderTexts(element);
    return;
  }
  const formula = renderFormula({ text, source: text, kind: "inline" });
  // What is no formula after all is an answer in words, not a broken one.
  if (formula.matches(".tex")) element.replaceChildren(formula);
}

/** The server has cut the text already: only what it says is a formula is one. */
function renderSegments(element) {
  for (const node of [...element.querySelectorAll("[data-tex]")]) {
    const display = node.hasAttribute("data-display");
    const source = node.textContent;
    const tex = display ? source.slice(2, -2) : source.slice(1, -1);
    const run = { text: tex, source, kind: display ? "display" : "inline" };
    const formula = renderFormula(run, node.dataset.tex === "diff");
    node.replaceWith(formula);
    glueNext(formula, run);
  }
}

/** Keeps the punctuation that follows an inline formula on its line. */
function glueNext(formula, run) {
  const next = formula.nextSibling;
  const glued = run.kind === "inline" && next?.nodeType === Node.TEXT_NODE ? GLUED.exec(next.data)?.[0] : "";
  if (!glued) return;
  next.data = next.data.slice(glued.length);
  const glue = document.createElement("span");
  glue.className = "glue";
  formula.replaceWith(glue);
  glue.append(formula, glued);
}

/** Gives the element a new text and renders it. */
export function setMathText(element, text) {
  originals.delete(element);
  delete element.dataset.mathDone;
  element.textContent = text;
  renderElement(element);
}

export function isRaw() {
  return raw;
}

export function setRaw(wanted) {
  if (raw === wanted) return;
  raw = wanted;
  document.documentElement.toggleAttribute("data-raw", raw);
  for (const element of document.querySelectorAll("[data-math-done]")) {
    if (restore(element)) renderElement(element);
  }
}

/** Puts back what was written; false where nobody knows. */
function restore(element) {
  const nodes = originals.get(element);
  if (nodes) element.replaceChildren(...nodes.map((node) => node.cloneNode(true)));
  return Boolean(nodes);
}

export function sourceOf(element) {
  // A difference is no longer its text; the server gives that beside it.
  if (element.dataset.source !== undefined) return element.dataset.source;
  const nodes = originals.get(element) ?? [...element.childNodes];
  return stripMarks(nodes.map((node) => node.textContent).join(""));
}

/** The text as a fragment of words and formulas. */
export function renderText(text) {
  const fragment = document.createDocumentFragment();
  const formulas = [];
  for (const run of splitMath(text)) {
    if (run.kind === "text") {
      fragment.append(run.text);
    } else {
      const formula = renderFormula(run);
      formulas.push([formula, run]);
      fragment.append(formula);
    }
  }
  for (const [formula, run] of formulas) glueNext(formula, run);
  return fragment;
}

export function renderFormula({ text: tex, source, kind }, diff = false) {
  const display = kind === "display";
  if (tex.length > LONGEST) return brokenFormula(source, t("mathTooLong"), 1);
  try {
    return build(tex, display, diff);
  } catch (error) {
    const mended = tex.replace(AMOUNTS, (pair, digit) => (digit ? `\\$${digit}` : pair));
    if (mended !== tex) return renderFormula({ text: mended, source, kind }, diff);
    // A mark may have cut a formula where TeX cannot be cut: then all of it is marked.
    const unmarked = diff ? stripMarks(tex) : tex;
    if (unmarked !== tex) {
      try {
        return build(`\\${tex.includes("\\prmis{") ? "prmis" : "prmwas"}{${unmarked}}`, display, true);
      } catch {
        return brokenFormula(stripMarks(source), error.rawMessage ?? error.message, 1);
      }
    }
    const column = source.indexOf(tex) + (error.position ?? 0) + 1;
    return brokenFormula(source, error.rawMessage ?? error.message, column);
  }
}

function build(tex, display, diff) {
  const span = document.createElement("span");
  span.className = "tex";
  const meant = tex
    .replace(SHARES, (sign, pair) => pair ?? "\\%")
    .replace(BOXED_WORDS, "\\boxed{\\text{$1}}");
  katex.render(meant, span, {
    output: "mathml",
    displayMode: display,
    throwOnError: true,
    errorColor: BROKEN,
    trust: false,
    strict: "ignore",
    maxExpand: 200,
    maxSize: 40,
    // Fresh for every formula: one text cannot define a command for another.
    macros: macros(diff),
  });
  const refused = span.querySelector(`[mathcolor="${BROKEN}"]`);
  if (refused) throw new Error(t("mathRefused", { command: refused.textContent }));
  const math = span.querySelector("math");
  dressMath(math);
  span.replaceChildren(math);
  if (display) span.classList.add("tex--display");
  return span;
}

function macros(diff) {
  const known = {
    // Both would leave style attributes in MathML, which the page's policy forbids.
    "\\pmb": "\\boldsymbol{#1}",
    "\\fcolorbox": "\\@firstoftwo{\\fbox{#3}}{#1#2}",
    // A line of LaTeX that loads a package says nothing about mathematics.
    "\\require": "\\@firstoftwo{}{#1}",
  };
  if (diff) for (const name of Object.keys(MARKS)) known[`\\${name}`] = `\\textcolor{${name}}{#1}`;
  return known;
}

function brokenFormula(source, message, column) {
  const box = document.createElement("code");
  box.className = "tex-broken";
  box.title = t("mathBroken", { column, message });
  box.textContent = source;
  return box;
}

/** The text without \prmwas{…} and \prmis{…}, their contents kept. */
export function stripMarks(text) {
  let out = "";
  let i = 0;
  // The braces that were opened: true where it belongs to a mark and goes with it.
  const open = [];
  while (i < text.length) {
    const marked = /^\\prm(?:was|is)\{/.exec(text.slice(i, i + 8));
    if (marked) {
      open.push(true);
      i += marked[0].length;
      continue;
    }
    if (text[i] === "\\" && i + 1 < text.length) {
      out += text.slice(i, i + 2);
      i += 2;
      continue;
    }
    if (text[i] === "{") open.push(false);
    if (text[i] !== "}" || !open.pop()) out += text[i];
    i += 1;
  }
  return out;
}

function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

/** Formulas wider than their line scroll inside it; measured together, then marked together. */
function findLongFormulas(elements) {
  const wide = elements.flatMap((element) => {
    const formulas = [...element.querySelectorAll(".tex:not(.tex--display)")];
    const room = formulas.length && (element.clientWidth || element.parentElement?.clientWidth);
    return room ? formulas.filter((formula) => formula.getBoundingClientRect().width > room) : [];
  });
  for (const formula of wide) {
    formula.classList.add("tex--long");
    formula.tabIndex = 0;
  }
}

/** Not before the next frame is painted: a free moment before it would only make it late. */
function whenIdle(task, atLast = { timeout: IDLE_AT_LAST_MS }) {
  requestAnimationFrame(() => {
    if ("requestIdleCallback" in globalThis) requestIdleCallback(task, atLast);
    else setTimeout(task);
  });
}

function renderLater(element) {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) renderElement(entry.target);
    },
    // The steps scroll within the page, where a browser knows that margin too.
    { rootMargin: `${AHEAD_PX}px`, scrollMargin: `${AHEAD_PX}px` },
  );
  observer.observe(element);
}
