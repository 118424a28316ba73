/** Splits a text into runs of prose and mathematics, by the same rules as labeling/mathtext.py.
 *
 *  splitMath("It costs $5, so $x = 5$.")
 *  // [{kind: "text", text: "It costs $5, so ", source: "It costs $5, so "},
 *  //  {kind: "inline", text: "x = 5", source: "$x = 5$"}, {kind: "text", text: ".", source: "."}]
 *
 *  The sources joined give the text again; `text` of prose is what a reader sees, of a formula its LaTeX
 *  without delimiters. The rules stand in the Python twin; both are tested on tests/data/math_segments.json.
 */

const ENVIRONMENTS = new Set(
  (
    "align align* alignat alignat* aligned alignedat array bmatrix bmatrix* Bmatrix Bmatrix* cases " +
    "CD darray dcases displaymath drcases eqnarray eqnarray* equation equation* flalign flalign* " +
    "gather gather* gathered math matrix matrix* multline multline* pmatrix pmatrix* rcases " +
    "smallmatrix split subarray vmatrix vmatrix* Vmatrix Vmatrix*"
  ).split(" "),
);
// Commands whose argument is prose again, in which a dollar may open a formula of its own.
const TEXT_COMMANDS = new Set(
  (
    "emph fbox hbox intertext mbox shortintertext tag text textbf textit textmd textnormal textrm " +
    "textsf texttt textup"
  ).split(" "),
);

// In their groups a dollar closes nothing.
const PASSED_OVER = new Set([...TEXT_COMMANDS, "boxed"]);

// Written out, because \s and \d mean other sets here than in Python.
const SPACE = " \t\n\r\f\v\u00a0\u3000";
const BOX = "\\boxed";
const OPENER = /\$\$?|\\begin\{([A-Za-z]+\*?)\}|\\boxed(?=\{)|\\./gsu;
const IN_DOLLARS = /\$\$?|\\([A-Za-z]+)|\\.|\n[ \t\r]*\n/gsu;
const IN_BRACKETS = /\\([A-Za-z]+)|\\./gsu;
const ENVIRONMENT = /\\(begin|end)\{([A-Za-z]+\*?)\}|\\./gsu;
const BRACE = /\\.|[{}]/gsu;
const AMOUNT_IN_HAN = /[0-9][0-9.,]*[ ]?[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/uy;
const ENDS_CLAUSE = /[.,;:!?)][ \t\n]|<</uy;
const DIGIT = /[0-9]/;
const AMOUNT = /[0-9.]/;
// One line and no other dollar.
const TO_NEXT_DOLLAR = /((?:[^$\\\n]|\\[^\n])+)\$(?![0-9])/uy;
const TEX = /\\[A-Za-z]|[\^_]/;
const COMMAND = /\\(?:text|mathrm|mbox|operatorname)\{[^{}]*\}|\\[A-Za-z]+/g;
const WORD = /[A-Za-z]{2}/;

export function splitMath(text) {
  const runs = [];
  let proseFrom = 0;
  for (const { start, end, contentStart, contentEnd, display } of formulas(text)) {
    if (start > proseFrom) runs.push(textRun(text.slice(proseFrom, start)));
    runs.push({
      kind: display ? "display" : "inline",
      text: text.slice(contentStart, contentEnd),
      source: text.slice(start, end),
    });
    proseFrom = end;
  }
  if (proseFrom < text.length) runs.push(textRun(text.slice(proseFrom)));
  return runs;
}

function textRun(source) {
  // Escapes go in pairs: in `\\$` the dollar is not escaped.
  return { kind: "text", text: source.replace(/\\(.)/gsu, (pair, next) => (next === "$" ? "$" : pair)), source };
}

function* formulas(text) {
  if (!text.includes("$") && !text.includes("\\")) return;
  const groups = textGroups(text);
  let environments = null;
  let position = 0;
  for (let opener = find(OPENER, text, 0); opener; opener = find(OPENER, text, position)) {
    const start = opener.index;
    const symbol = opener[0];
    const after = start + symbol.length;
    let closing = null;
    if (symbol === "$$") closing = closeDisplayDollars(text, after, groups);
    else if (symbol === "$") closing = closeInlineDollars(text, after, groups) ?? closeSpacedDollars(text, after);
    else if (symbol === "\\(" || symbol === "\\[") closing = closeBrackets(text, after, symbol, groups);
    else if (symbol === BOX) {
      const end = closeBox(text, after, groups);
      if (end !== null) {
        yield { start, end, contentStart: start, contentEnd: end, display: false };
        position = end;
        continue;
      }
    } else if (ENVIRONMENTS.has(opener[1])) {
      environments ??= matchEnvironments(text);
      const end = environments.get(start);
      if (end !== undefined) {
        yield { start, end, contentStart: start, contentEnd: end, display: true };
        position = end;
        continue;
      }
    }
    position = closing?.end ?? after;
    if (closing) {
      const display = symbol === "$$" || symbol === "\\[";
      yield { start, end: closing.end, contentStart: after, contentEnd: closing.contentEnd, display };
    }
  }
}

function closeDisplayDollars(text, start, groups) {
  for (let token = find(IN_DOLLARS, text, start); token; token = find(IN_DOLLARS, text, groups.skip(token))) {
    if (token[0] === "$$") return isFilled(text, start, token.index) ? closed(token) : null;
    if (token[0][0] === "\n") return null;
  }
  return null;
}

function closeInlineDollars(text, start, groups) {
  if (start >= text.length || SPACE.includes(text[start]) || matchesAt(ENDS_CLAUSE, text, start)) return null;
  if (matchesAt(AMOUNT_IN_HAN, text, start)) return null;
  for (let token = find(IN_DOLLARS, text, start); token; token = find(IN_DOLLARS, text, groups.skip(token))) {
    if (token[0][0] === "$") {
      const before = text[token.index - 1];
      if (before === "=" && AMOUNT.test(text[start])) return null;
      if (SPACE.includes(before) || DIGIT.test(text[token.index + 1] ?? "")) return null;
      return { contentEnd: token.index, end: token.index + 1 };
    }
    if (token[0][0] === "\n") return null;
  }
  return null;
}

function closeBrackets(text, start, opener, groups) {
  const closer = opener === "\\(" ? "\\)" : "\\]";
  for (let token = find(IN_BRACKETS, text, start); token; token = find(IN_BRACKETS, text, groups.skip(token))) {
    if (token[0] === closer) return isFilled(text, start, token.index) ? closed(token) : null;
    if (token[0] === opener) return null;
  }
  return null;
}

/** The end of a pair with space inside, by what stands between: TeX, and nothing like prose. */
function closeSpacedDollars(text, start) {
  TO_NEXT_DOLLAR.lastIndex = start;
  const found = TO_NEXT_DOLLAR.exec(text);
  if (!found) return null;
  const content = found[1];
  const isSpaced = SPACE.includes(content[0]) || SPACE.includes(content.at(-1));
  if (!isSpaced || !TEX.test(content) || WORD.test(content.replace(COMMAND, " "))) return null;
  const contentEnd = start + content.length;
  return { contentEnd, end: contentEnd + 1 };
}

/** The end of the box whose brace stands at `start`, if what is in it can be a formula; else null. */
function closeBox(text, start, groups) {
  const end = groups.findEnd(start);
  if (end === undefined || !isFilled(text, start + 1, end - 1)) return null;
  for (let token = find(IN_DOLLARS, text, start); token; token = find(IN_DOLLARS, text, groups.skip(token))) {
    if (token.index >= end) break;
    const isAmount = token[0] === "$" && DIGIT.test(text[token.index + 1] ?? "");
    if (!isAmount && (token[0][0] === "$" || token[0][0] === "\n")) return null;
  }
  return end;
}

/** Where each mathematical environment that begins at a position ends. */
function matchEnvironments(text) {
  const openByName = new Map();
  const ends = new Map();
  for (const token of text.matchAll(ENVIRONMENT)) {
    const [whole, edge, name] = token;
    if (!ENVIRONMENTS.has(name)) continue;
    const opened = openByName.get(name) ?? [];
    openByName.set(name, opened);
    if (edge === "begin") opened.push(token.index);
    else if (opened.length) ends.set(opened.pop(), token.index + whole.length);
  }
  return ends;
}

/** Finds the ends of groups; braces are matched once, when first needed. */
function textGroups(text) {
  let ends = null;
  const findEnd = (brace) => {
    ends ??= matchBraces(text);
    return ends.get(brace);
  };
  return {
    findEnd,
    skip(token) {
      const after = token.index + token[0].length;
      if (!PASSED_OVER.has(token[1]) || text[after] !== "{") return after;
      return findEnd(after) ?? after;
    },
  };
}

function matchBraces(text) {
  const ends = new Map();
  const opened = [];
  for (const token of text.matchAll(BRACE)) {
    if (token[0] === "{") opened.push(token.index);
    else if (token[0] === "}" && opened.length) ends.set(opened.pop(), token.index + 1);
  }
  return ends;
}

function find(pattern, text, from) {
  pattern.lastIndex = from;
  return pattern.exec(text);
}

function matchesAt(pattern, text, position) {
  pattern.lastIndex = position;
  return pattern.test(text);
}

function closed(token) {
  return { contentEnd: token.index, end: token.index + token[0].length };
}

function isFilled(text, start, end) {
  for (let index = start; index < end; index += 1) if (!SPACE.includes(text[index])) return true;
  return false;
}
