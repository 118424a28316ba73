/** Makes KaTeX's MathML fit for browsers that know MathML Core only, and for our own page.
 *
 *  dressMath(mathElement)
 *
 *  MathML Core (W3C, 2025) has no `mathvariant` but "normal", no alignment of columns and no colours that
 *  a theme could turn: letters become the characters of Unicode's mathematical alphabets, alignment
 *  and lines become classes, and the colours of a text are dropped, because white on white could hide
 *  a step from its reader. No style attribute is ever left: the page's policy forbids it.
 */

const MATHML = "http://www.w3.org/1998/Math/MathML";

/** Colour names that no browser knows: how marks of a difference travel through KaTeX. */
export const MARKS = { prmwas: "m-was", prmis: "m-is" };
export const BROKEN = "prmbroken";

// First code points of A, a and 0 per alphabet (Unicode block 1D400, "Mathematical Alphanumeric Symbols").
const ALPHABETS = {
  bold: [0x1d400, 0x1d41a, 0x1d7ce],
  italic: [0x1d434, 0x1d44e, null],
  "bold-italic": [0x1d468, 0x1d482, null],
  script: [0x1d49c, 0x1d4b6, null],
  "bold-script": [0x1d4d0, 0x1d4ea, null],
  fraktur: [0x1d504, 0x1d51e, null],
  "double-struck": [0x1d538, 0x1d552, 0x1d7d8],
  "bold-fraktur": [0x1d56c, 0x1d586, null],
  "sans-serif": [0x1d5a0, 0x1d5ba, 0x1d7e2],
  "bold-sans-serif": [0x1d5d4, 0x1d5ee, 0x1d7ec],
  "sans-serif-italic": [0x1d608, 0x1d622, null],
  "sans-serif-bold-italic": [0x1d63c, 0x1d656, null],
  monospace: [0x1d670, 0x1d68a, 0x1d7f6],
};
// Letters that Unicode had before that block, and which are missing in it.
const OLDER = {
  italic: { h: "ℎ" },
  script: { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ" },
  fraktur: { C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ" },
  "double-struck": { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" },
};
// Α and α per alphabet; the 25 letters from α on include the final sigma.
const GREEK = { bold: [0x1d6a8, 0x1d6c2], italic: [0x1d6e2, 0x1d6fc], "bold-italic": [0x1d71c, 0x1d736] };

export function inAlphabet(text, variant) {
  const [upper, lower, digit] = ALPHABETS[variant] ?? [null, null, null];
  const greek = GREEK[variant];
  let out = "";
  for (const letter of text) {
    const code = letter.codePointAt(0);
    const older = OLDER[variant]?.[letter];
    if (older) out += older;
    else if (upper && code >= 65 && code <= 90) out += String.fromCodePoint(upper + code - 65);
    else if (lower && code >= 97 && code <= 122) out += String.fromCodePoint(lower + code - 97);
    else if (digit && code >= 48 && code <= 57) out += String.fromCodePoint(digit + code - 48);
    else if (greek && code >= 0x391 && code <= 0x3a9) out += String.fromCodePoint(greek[0] + code - 0x391);
    else if (greek && code >= 0x3b1 && code <= 0x3c9) out += String.fromCodePoint(greek[1] + code - 0x3b1);
    else out += letter;
  }
  return out;
}

export function dressMath(math) {
  for (const node of [...math.querySelectorAll("*")]) {
    const color = node.getAttribute("mathcolor");
    const background = node.getAttribute("mathbackground");
    for (const name of ["style", "class", "mathcolor", "mathbackground", "href"]) node.removeAttribute(name);
    if (color && MARKS[color]) replaceByRow(node, MARKS[color]);
    // A rule is a filled space: blanks to fill in are written so.
    else if (background && node.localName === "mspace") node.setAttribute("class", "m-rule");
    if (node.hasAttribute("mathvariant")) dressLetters(node);
  }
  for (const table of math.querySelectorAll("mtable")) dressTable(table);
}

function replaceByRow(node, className) {
  const row = document.createElementNS(MATHML, "mrow");
  row.setAttribute("class", className);
  row.append(...node.childNodes);
  node.replaceWith(row);
}

function dressLetters(node) {
  const variant = node.getAttribute("mathvariant");
  if (variant === "normal") return;
  node.removeAttribute("mathvariant");
  // Words keep their letters, so that they can be read aloud, searched and copied.
  if (node.localName === "mtext") node.setAttribute("class", `m-${variant}`);
  else node.textContent = inAlphabet(node.textContent, variant);
}

function dressTable(table) {
  const columns = (table.getAttribute("columnalign") ?? "").split(" ");
  const verticals = (table.getAttribute("columnlines") ?? "").split(" ");
  const horizontals = (table.getAttribute("rowlines") ?? "").split(" ");
  const tight = table.getAttribute("columnspacing") === "0em";
  [...table.children].forEach((row, line) => {
    [...row.children].forEach((cell, column) => {
      const classes = [];
      // A list that is too short repeats its last word (MathML 3, 3.5.1).
      const align = columns[column] ?? columns.at(-1);
      if (align === "left" || align === "right") classes.push(`m-${align}`);
      if (tight) classes.push("m-tight");
      if (isLine(verticals, column) && cell.nextElementSibling) classes.push("m-line-end");
      if (isLine(horizontals, line) && row.nextElementSibling) classes.push("m-line-below");
      if (classes.length) cell.setAttribute("class", classes.join(" "));
    });
  });
  for (const name of ["columnalign", "columnlines", "rowlines", "rowspacing", "columnspacing"]) {
    table.removeAttribute(name);
  }
}

function isLine(words, index) {
  const word = words[index] ?? words.at(-1);
  return word === "solid" || word === "dashed";
}
