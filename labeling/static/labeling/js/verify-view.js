/** Paints a verdict and its claim: flags, facts, hints, edits, what is missing. Changes no document.
 *
 *  const view = createVerifyView({ form, count, typeNames, onFix, onRemoveEdit });
 *  view.showClaim(claim, original);          // opens the sealed part; what is known of the original with it
 *  view.paint(content, claim, { sealed });
 *
 *  What belongs to one kind of claim alone says so: data-of="error" to one that points at steps,
 *  data-of="solution" to one that offers another correct solution.
 */

import { badge, el, icon } from "./dom.js";
import { renderElement, setMathText } from "./math.js";
import { t } from "./text.js";
import { asksQuestions, errorPositions, isFixed, openQuestion, QUESTIONS, whatIsMissing } from "./verdict.js";

const NO_EDITS = JSON.stringify([null, false, null, null]);
const MISSING_WORDS = {
  blind: "stillSealed",
  verdict: "needVerdict",
  reject_code: "needRejectCode",
  note: "needNote",
  edits: "needEdits",
  errors: "needErrors",
  correct: "needCorrect",
  different: "needDifferent",
  against: "needYes",
  flagged: "needUnflagged",
};

// As it is on record (labeling/services/annotations.py).
const CANNOT_TELL = "cannot tell";
const REPORT_WORDS = { open: "reportOpen", confirmed: "reportConfirmed", dismissed: "reportDismissed" };

export function createVerifyView({ form, count, typeNames, onFix, onRemoveEdit }) {
  const rows = new Map(
    [...form.querySelectorAll(".fork[data-position]")].map((row) => [Number(row.dataset.position), row]),
  );
  const shown = new Map();
  const fact = (name) => form.querySelector(`[data-fact="${name}"]`);
  const fixes = [];
  const consequence = form.querySelector("[data-consequence]");
  const changedHere = [...rows]
    .filter(([, row]) => row.dataset.kind !== "same")
    .map(([position]) => position);

  const paintFlags = (content, claim) => {
    const flagged = new Set(errorPositions(content, claim, count));
    const claimed = new Set(claim?.error_positions ?? []);
    for (const [position, row] of rows) {
      const box = row.querySelector(".flag__box");
      if (!box) continue;
      box.checked = flagged.has(position);
      const label = box.closest(".flag");
      label.toggleAttribute("data-was", claimed.has(position) && !flagged.has(position));
      const inherited = content.steps.some((step) => step.position === position && step.origin === "inherited");
      label.querySelector("[data-flag-word]").textContent = t(inherited ? "inherited" : "error");
    }
  };

  const paintFacts = (content, claim) => {
    if (!claim) return;
    const type = content.error_type && content.error_type !== claim.error_type ? content.error_type : "";
    change(fact("type"), claim.error_type_name, type ? (typeNames.get(type) ?? type) : "");
    const errors = numbers(content.error_positions);
    const claimedErrors = numbers(claim.error_positions);
    change(fact("errors"), claimedErrors, errors === claimedErrors ? "" : errors);
    const extra = asksQuestions(claim)
      ? []
      : changedHere.filter((position) => !claim.changed_positions.includes(position));
    const place = fact("changed");
    place.replaceChildren(numbers(claim.changed_positions));
    if (extra.length) place.append(claim.changed_positions.length ? ", " : " ", el("ins", { class: "is" }, numbers(extra)));
  };

  const paintEdits = (content) => {
    const list = form.querySelector("[data-edits]");
    list.replaceChildren(
      ...content.edits
        .map((edit, index) => [edit, index])
        .filter(([edit]) => edit.text !== "inserted" || edit.op !== "flag")
        .map(([edit, index]) => {
          const button = el(
            "button",
            { class: "btn btn--quiet btn--icon", type: "button", "aria-label": t("removeEdit") },
            icon("x"),
          );
          button.addEventListener("click", () => onRemoveEdit(index));
          return el("li", { class: "row row--nowrap row--apart" }, el("span", {}, editWords(edit, typeNames)), button);
        }),
    );
    for (const [position, row] of rows) paintText(row, content.edits, position);
  };

  /** The step with its edits: as it will be, beside what it was. */
  const paintText = (row, edits, position) => {
    const cell = modifiedCell(row);
    const text = edits.find((edit) => edit.op === "replace" && edit.position === position)?.text ?? null;
    const gone = edits.some((edit) => edit.op === "delete" && edit.position === position);
    const added = edits.find((edit) => edit.op === "insert_after" && edit.position === position)?.text ?? null;
    const before = edits.find((edit) => edit.op === "insert_after" && edit.position === -1)?.text ?? null;
    const first = position === 0 ? before : null;
    const state = JSON.stringify([text, gone, added, first]);
    if ((shown.get(row) ?? NO_EDITS) === state) return;
    shown.set(row, state);
    row.toggleAttribute("data-deleted", gone);
    cell.querySelectorAll(":scope > .edit").forEach((node) => node.remove());
    row.toggleAttribute("data-replaced", text !== null);
    const put = (word, written, where) => {
      const words = el("span", { class: "is", "data-math": "" }, written);
      const node = el("div", { class: "edit" }, badge(t(word), { tone: "is" }), " ", words);
      where === "before" ? cell.prepend(node) : cell.append(node);
      renderElement(words);
    };
    if (first !== null) put("inserted", first, "before");
    if (text !== null) put("edited", text, "after");
    if (gone) cell.append(el("div", { class: "edit" }, badge(t("deleted"), { tone: "was" })));
    if (added !== null) put("inserted", added, "after");
  };

  const hintNode = (hint) => {
    const blocking = hint.severity === "block";
    const node = el("div", { class: `lint${blocking ? " lint--block" : ""}`, tabindex: "-1", "data-hint": hint.code });
    node.append(icon("warn"), el("span", {}, hint.message));
    if (hint.fix) {
      const word = t(`fix_${hint.fix.op}`, { by: signedNumber(hint.fix.by) });
      const words = word.startsWith("fix_") ? t("fix_other") : word;
      const button = el("button", { class: "btn", type: "button", "data-fix": "" }, words);
      button.addEventListener("click", () => onFix(hint.fix));
      fixes.push({ fix: hint.fix, button, words });
      node.append(button);
    }
    return node;
  };

  const paintFixes = (content, claim) => {
    for (const { fix, button, words } of fixes) {
      const done = isFixed(content, fix, claim, count);
      button.toggleAttribute("data-done", done);
      setText(button, done ? t("undo") : words);
    }
  };

  const paintQuestions = (content, claim) => {
    const asked = openQuestion(content, claim);
    form.querySelector("#verdict").toggleAttribute("data-asking", asked !== null);
    for (const question of QUESTIONS) {
      const box = form.querySelector(`[data-question="${question}"]`);
      box.toggleAttribute("data-asked", asked === question);
      for (const radio of box.querySelectorAll("input")) radio.checked = radio.value === content[question];
    }
  };

  /** What rejecting for the original does to the other items made from it. */
  const paintConsequence = (content) => {
    const told = content.verdict === "reject" && content.reject_code === "original_wrong";
    const others = Number(consequence.dataset.others ?? 0);
    consequence.hidden = !told;
    if (told) setText(consequence, others ? t("originalWrongMarks", { n: others }) : t("originalWrong"));
  };

  return {
    /** Shows what was sealed; a hint stands at its step, or under the claim when it has none.
     *
     *  `original` is {report, n_others} where it came with the claim: what was reported of the original,
     *  and how many other items were made from it. What the server drew stands already.
     */
    showClaim(claim, original = null) {
      if (original) consequence.dataset.others = original.n_others;
      if (original?.report) showReport(form.querySelector("[data-report]"), original.report);
      form.querySelector("[data-sealed]")?.remove();
      form.querySelector("[data-claim]").hidden = false;
      form.querySelector("[data-verdicts]").disabled = false;
      form.querySelector("[data-claim-kind]").dataset.claimKind = asksQuestions(claim) ? "solution" : "error";
      form.querySelector("[data-scripted]")?.toggleAttribute("hidden", !claim.is_scripted);
      const reason = fact("reason");
      reason.dataset.math = "";
      setMathText(reason, claim.reason || "–");
      const place = form.querySelector("[data-hints]");
      place.replaceChildren();
      fixes.length = 0;
      for (const hint of claim.lints) {
        const row = rows.get(hint.step);
        (row ? modifiedCell(row) : place).append(hintNode(hint));
      }
    },
    paint(content, claim, { sealed }) {
      paintFlags(content, claim);
      paintFacts(content, claim);
      paintEdits(content);
      paintFixes(content, claim);
      paintQuestions(content, claim);
      paintConsequence(content);
      for (const radio of form.querySelectorAll("[name='verdict']")) radio.checked = radio.value === content.verdict;
      for (const radio of form.querySelectorAll("[name='reject_code']")) radio.checked = radio.value === content.reject_code;
      const note = form.querySelector("[name='note']");
      if (note !== document.activeElement && note.value !== content.note) note.value = content.note;
      const editing = !form.querySelector("[data-editor]").hidden;
      form.querySelector("[data-part='reject']").hidden = content.verdict !== "reject";
      form.querySelector("[data-part='edits']").hidden =
        content.verdict !== "accept_with_edits" && !content.edits.length && !editing;
      const missing = whatIsMissing(content, { sealed, claim });
      form.querySelector("[data-missing]").textContent = missing.length ? t(MISSING_WORDS[missing[0]]) : "";
      // Where an adjudicator decides, the button says so, and nobody judged blind.
      const word = content.verdict === "unsure" ? "verdict_unsure" : (content.verdict ?? "submitVerdict");
      setText(form.querySelector("[data-submit-word]"), t(word));
      const blind = content.blind_first_error;
      setText(
        form.querySelector("[data-blind]"),
        blind && wasAsked(blind) ? t("firstJudgement", { judgement: judgementWords(blind) }) : "",
      );
    },
    missingWords: (missing) => t(MISSING_WORDS[missing[0]]),
    hints: () => [...form.querySelectorAll("[data-hint]")],
  };
}

/** What became of a report that the original is wrong, in one sentence. */
function showReport(place, { state, reason, at }) {
  const language = document.documentElement.lang || "en";
  const date = new Date(at).toLocaleDateString(language, { day: "numeric", month: "long" });
  setText(place.querySelector("p"), `${t(REPORT_WORDS[state], { date })} ${reason}`.trimEnd());
  place.hidden = false;
}

/** Where the modified step stands, with its hints and edits. */
export function modifiedCell(row) {
  return row.querySelector("[data-modified]") ?? row.querySelector(".fork__text");
}

/** Fork, two full columns, or the modified solution alone. A step that both share is then shown twice. */
export function showAs(list, view) {
  for (const row of list.querySelectorAll(".fork[data-kind='same']")) {
    const text = modifiedCell(row);
    const twin = row.querySelector("[data-twin]");
    if (view === "columns" && !twin) {
      // The copy is the original's; hints, edits and flags stay with the modified step.
      const copy = el("div", { class: "fork__text", "data-twin": "" }, text.querySelector("[data-math]").cloneNode(true));
      const number = el("span", { class: "fork__n", "data-twin-number": "" }, String(Number(row.dataset.position) + 1));
      text.before(copy, number);
    } else if (view !== "columns" && twin) {
      row.querySelector("[data-twin-number]").remove();
      twin.remove();
    }
  }
  list.dataset.view = view;
  list.parentElement.querySelector(".fork__head").dataset.view = view;
}

/** Changes the rows while the one that is read stays where it is on the screen, as far as there is room. */
export function keepStill(row, change) {
  const pane = row.closest("[data-pane]");
  const scroller = getComputedStyle(pane).overflowY === "visible" ? document.scrollingElement : pane;
  // The browser's own anchor is the topmost row, which is not the one that is read.
  scroller.style.overflowAnchor = "none";
  const before = row.getBoundingClientRect().top;
  change();
  scroller.scrollTop += row.getBoundingClientRect().top - before;
  scroller.style.overflowAnchor = "";
}

/** One who cannot tell was asked; one to whom the claim was shown from the start was not. */
function wasAsked(judgement) {
  return (judgement.unknown ?? CANNOT_TELL) === CANNOT_TELL;
}

function judgementWords(judgement) {
  if ("at" in judgement) return t("blindAt", { n: judgement.at + 1 });
  return t(judgement.none ? "blindNone" : "blindUnknown");
}

function editWords(edit, typeNames) {
  if (edit.op === "insert_after" && edit.position === -1) return t("edit_insert_first");
  return t(`edit_${edit.op}`, {
    n: (edit.position ?? 0) + 1,
    by: signedNumber(edit.by),
    name: typeNames.get(edit.text) ?? edit.text ?? "",
  });
}

function change(place, was, is) {
  if (!is) place.replaceChildren(was);
  else place.replaceChildren(el("del", { class: "was" }, was), " ", el("ins", { class: "is" }, is));
}

function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

function numbers(positions) {
  return positions.length ? positions.map((position) => position + 1).join(", ") : t("none");
}

function signedNumber(value) {
  if (typeof value !== "number") return "";
  return value > 0 ? `+${value}` : `−${Math.abs(value)}`;
}
