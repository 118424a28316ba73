/** Everything one does with an injection's claim: flags, shifts, edits, type, verdict, hints.
 *
 *  const desk = createVerdictDesk({ form, content, claim, view: page.view, onBlind: (judgement) => … });
 *  runActions(desk.actions); createKeyboard([...desk.bindings, …]);
 *  desk.openClaim(claim, { at: 2 });   // the sealed claim arrives
 *  desk.findMissing();           // shows and says what is still needed; true when nothing is
 *
 *  Used where a reviewer verifies and where an adjudicator decides. While the claim is sealed, flags
 *  and "first error" are the blind judgement and go to `onBlind`; nothing else acts. Where the claim
 *  offers another solution, the digits of accept, reject and unsure answer its two questions first.
 */

import { closeOrLeave } from "./actions.js";
import { call } from "./api.js";
import { copySource, toggleRaw } from "./copying.js";
import { createCursor } from "./cursor.js";
import { setMathText, sourceOf } from "./math.js";
import { createPalette } from "./palette.js";
import { t } from "./text.js";
import { announce, showToast } from "./toast.js";
import * as verdict from "./verdict.js";
import { createVerifyView, keepStill, modifiedCell, showAs } from "./verify-view.js";
import { createStore } from "./workspace.js";

// Chosen since the page was loaded: the next item may have been drawn before that.
let chosenView = null;

const VERDICT_WORDS = ["accept", "accept_with_edits", "reject", "verdict_unsure", "bad_problem"];
const VERDICT_KEYS = ["accept", "accept_with_edits", "reject", "verdict_unsure", "verdict_bad_problem"];
const wordOf = (value) => t(VERDICT_WORDS[verdict.VERDICTS.indexOf(value)]);
const QUESTION_WORDS = { correct: "askCorrect", different: "askDifferent" };
const REPLIES = { accept: "yes", reject: "no", unsure: "unsure" };
// Where the focus goes when something is missing.
const FIELD_OF = {
  reject_code: "reject_code",
  note: "note",
  verdict: "verdict",
  against: "verdict",
  correct: "correct",
  different: "different",
};

export function createVerdictDesk({ form, content, claim: given, view: wantedView = "fork", onBlind = () => {} }) {
  let claim = given;
  let editing = null;
  let hintIndex = -1;
  const list = form.querySelector(".forks");
  const count = list.querySelectorAll("[data-position]").length;
  const types = [...document.querySelectorAll("#types [data-value]")];
  const typeNames = new Map(types.map((option) => [option.dataset.value, option.dataset.name]));
  const store = createStore(verdict.settle(content, claim, count));
  const rows = [...list.querySelectorAll("[data-row]")];
  const isChanged = (row) => row.dataset.kind !== "same";
  const isSealed = () => claim === null;

  const change = (edit, options) => store.update((now) => edit(now, claim, count), options);
  const view = createVerifyView({
    form,
    count,
    typeNames,
    onFix: (fix) => change((now) => verdict.toggleFix(now, fix, claim, count)),
    onRemoveEdit: (index) => change((now) => verdict.removeEdit(now, index, claim, count)),
  });
  // A step that is gone cannot be judged, so the cursor does not begin there.
  const isThere = (row) => row.dataset.position !== undefined;
  const first = rows.findIndex((row) => isChanged(row) && isThere(row));
  const start = Math.max(0, first < 0 ? rows.findIndex(isThere) : first);
  const cursor = createCursor(rows, { start, onMove: () => store.seal() });
  const repaint = () => view.paint(store.content, claim, { sealed: isSealed() });
  store.subscribe(repaint);

  const position = () => {
    if (isThere(cursor.row)) return Number(cursor.row.dataset.position);
    showToast(t("notThere"));
    return null;
  };

  // --- Judging ---------------------------------------------------------------------------------

  function markFirstError() {
    const here = position();
    if (here === null) return;
    if (isSealed()) {
      onBlind({ at: here });
      return;
    }
    change((now) => {
      const flagged = verdict.errorPositions(now, claim, count);
      const earlier = flagged.filter((other) => other < here);
      const next = earlier.reduce((sofar, other) => verdict.toggleFlag(sofar, other, claim, count), now);
      return flagged.includes(here) ? next : verdict.toggleFlag(next, here, claim, count);
    });
  }

  function toggleFlag(at = position()) {
    if (at === null) return;
    if (isSealed()) onBlind({ at });
    else change((now) => verdict.toggleFlag(now, at, claim, count));
  }

  function toggleInherited() {
    const at = position();
    if (at !== null && !isSealed()) change((now) => verdict.toggleInherited(now, at, claim, count));
  }

  function choose(value) {
    if (isSealed()) showToast(t("stillSealed"));
    else store.update((now) => verdict.chooseVerdict(now, value));
  }

  function answer(question, reply) {
    store.update((now) => verdict.answerQuestion(now, question, reply));
    const next = verdict.openQuestion(store.content, claim);
    const following = verdict.followingVerdict(store.content);
    if (next) announce(t(QUESTION_WORDS[next]));
    else if (following === store.content.verdict) announce(t("verdictFollows", { verdict: wordOf(following) }));
  }

  /** A digit answers the question that is asked, and else it is the verdict; what opens gets the focus. */
  function pressDigit(value) {
    const question = verdict.openQuestion(store.content, claim);
    if (question && REPLIES[value]) {
      answer(question, REPLIES[value]);
      return;
    }
    choose(value);
    if (!isSealed() && value === "reject") focusField("reject_code");
  }

  /** The chosen one of a field's radios, or the first that is shown. */
  function focusField(name) {
    const fields = [...form.querySelectorAll(`[name='${name}']`)].filter((field) => field.checkVisibility());
    (fields.find((field) => field.checked) ?? fields[0])?.focus();
  }

  function shift(by) {
    if (!isSealed()) change((now) => verdict.shiftErrors(now, by, claim, count));
  }

  function findMissing() {
    const missing = verdict.whatIsMissing(store.content, { sealed: isSealed(), claim });
    if (!missing.length) return true;
    showToast(view.missingWords(missing));
    if (FIELD_OF[missing[0]]) focusField(FIELD_OF[missing[0]]);
    return false;
  }

  // --- Repairing -------------------------------------------------------------------------------

  const editor = form.querySelector("[data-editor]");
  const editorText = editor.querySelector("textarea");
  const editorError = editor.querySelector("[data-editor-error]");
  const editorPreview = editor.querySelector("[data-editor-preview]");
  const writtenIn = (cell) => cell.querySelector("[data-math]");

  function openEditor(op) {
    const at = position();
    if (at === null || isSealed()) return;
    const before = verdict.findTextEdit(store.content, op, at);
    const source = op === "replace" ? sourceOf(writtenIn(modifiedCell(cursor.row))) : "";
    editing = { op, position: at };
    const title = op === "replace" ? "editReplaceTitle" : "editInsertTitle";
    editor.querySelector("[data-editor-title]").textContent = t(title, { n: at + 1 });
    editorText.value = before?.text ?? source;
    editorError.hidden = op !== "insert_after";
    editorError.querySelector("input").checked = false;
    editor.hidden = false;
    repaint();
    setMathText(editorPreview, editorText.value);
    editorText.focus();
  }

  function closeEditor() {
    editing = null;
    editor.hidden = true;
    repaint();
    cursor.row.focus({ preventScroll: true });
  }

  function applyEditor() {
    if (!editing || !editorText.value.trim()) return;
    const edit = { ...editing, text: editorText.value, isError: editorError.querySelector("input").checked };
    change((now) => verdict.editText(now, edit, claim, count));
    closeEditor();
  }

  function deleteStep() {
    const at = position();
    if (at === null || isSealed()) return;
    const before = store.content.edits.findIndex((edit) => edit.op === "delete" && edit.position === at);
    change((now) =>
      before >= 0
        ? verdict.removeEdit(now, before, claim, count)
        : verdict.editText(now, { op: "delete", position: at }, claim, count),
    );
  }

  const palette = createPalette(document.getElementById("types"), {
    several: false,
    onChoose: (code) => change((now) => verdict.setErrorType(now, code, claim, count)),
  });
  const chooseType = () => {
    if (!isSealed()) palette.open({ chosen: [store.content.error_type], from: cursor.row });
  };

  editorText.addEventListener("input", () => setMathText(editorPreview, editorText.value));
  editorText.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    applyEditor();
  });

  // --- Hints and views -------------------------------------------------------------------------

  function nextHint() {
    const hints = view.hints();
    if (!hints.length) {
      announce(t("noHints"));
      return;
    }
    hintIndex = (hintIndex + 1) % hints.length;
    const hint = hints[hintIndex];
    const row = hint.closest("[data-row]");
    if (row) cursor.to(rows.indexOf(row), { focus: false });
    hint.focus({ preventScroll: true });
    hint.scrollIntoView({ block: "nearest" });
  }

  /** The fix of the hint that one is at, or else of the current step's, or else of the first that has one.
   *
   *  What speaks of the whole claim comes before what speaks of a step: a shift moves every flag.
   */
  function applyHint() {
    const hints = view.hints();
    const whole = hints.filter((hint) => !hint.closest("[data-row]"));
    const open = (hint) => hint.querySelector("[data-fix]:not([data-done])");
    const here = hints.filter((hint) => hint === document.activeElement || cursor.row.contains(hint));
    const hint = hints[hintIndex] && open(hints[hintIndex]) ? hints[hintIndex] : [...here, ...whole, ...hints].find(open);
    if (!hint) {
      announce(t("noFixes"));
      return;
    }
    const row = hint.closest("[data-row]");
    if (row) cursor.to(rows.indexOf(row), { focus: false });
    const words = open(hint).textContent;
    open(hint).click();
    showToast(words, { undo: () => store.undo() });
  }

  function setView(value) {
    showAs(list, value);
    for (const radio of form.querySelectorAll("[name='view']")) radio.checked = radio.value === value;
  }

  /** The choice holds for every item from now on, on every device; without a network, on this page. */
  function chooseView(value) {
    chosenView = value;
    setView(value);
    call("PATCH", form.querySelector("[data-view-of]").dataset.viewOf, { view: value }).catch(() => {});
  }

  function escape() {
    if (editing && document.activeElement === editorText) closeEditor();
    else closeOrLeave(cursor);
  }

  form.addEventListener("change", ({ target }) => {
    if (target.name === "error") {
      toggleFlag(Number(target.value));
      repaint();
    } else if (target.name === "verdict") choose(target.value);
    else if (verdict.QUESTIONS.includes(target.name)) answer(target.name, target.value);
    else if (target.name === "reject_code") store.update((now) => verdict.chooseRejectCode(now, target.value));
    else if (target.name === "view") chooseView(target.value);
  });
  form.addEventListener("input", ({ target }) => {
    if (target.name === "note") store.update((now) => verdict.setVerdictNote(now, target.value), { merge: "note" });
  });
  form.addEventListener("focusout", () => store.seal());

  const copyStep = () => copySource(writtenIn(modifiedCell(cursor.row)));
  const key = (id, keys, group, run, word = `key_${id}`) => ({ id, keys, group: t(group), label: t(word), run });

  return {
    store,
    cursor,
    view,
    repaint,
    isSealed,
    findMissing,
    /** The question that waits for an answer, in words; "" where none does. */
    get question() {
      const open = verdict.openQuestion(store.content, claim);
      return open ? t(QUESTION_WORDS[open]) : "";
    },
    /** The claim is known from now on; the judgement before it stays as it was. */
    openClaim(opened, judgement, original = null) {
      claim = opened;
      keepStill(cursor.row, () => {
        view.showClaim(claim, original);
        store.commit((now) => verdict.settle(verdict.judgeBlind({ ...now, edits: [] }, judgement), claim, count));
      });
    },
    /** Shows the page as it is, with the person's own way of looking at it. */
    start() {
      if (claim) view.showClaim(claim);
      repaint();
      if ((chosenView ?? wantedView) !== "fork") setView(chosenView ?? wantedView);
      cursor.to(cursor.index);
    },
    actions: {
      undo: () => store.undo(),
      redo: () => store.redo(),
      "first-error": markFirstError,
      flag: () => toggleFlag(),
      inherited: toggleInherited,
      "shift-back": () => shift(-1),
      "shift-on": () => shift(1),
      replace: () => openEditor("replace"),
      insert: () => openEditor("insert_after"),
      delete: deleteStep,
      type: chooseType,
      "edit-apply": applyEditor,
      "edit-cancel": closeEditor,
      hint: nextHint,
      fix: applyHint,
      raw: toggleRaw,
      copy: copyStep,
    },
    bindings: [
      key("next_changed", ["j", "ArrowDown"], "group_move", () => cursor.move(1, isChanged)),
      key("previous_changed", ["k", "ArrowUp"], "group_move", () => cursor.move(-1, isChanged)),
      key("next_any", ["Shift+j", "Shift+ArrowDown"], "group_move", () => cursor.move(1)),
      key("previous_any", ["Shift+k", "Shift+ArrowUp"], "group_move", () => cursor.move(-1)),
      key("first_error", ["e"], "group_judge", markFirstError),
      key("flag", ["w"], "group_judge", () => toggleFlag()),
      key("inherited", ["f"], "group_judge", toggleInherited),
      ...verdict.VERDICTS.map((value, index) =>
        key(VERDICT_KEYS[index], [String(index + 1)], "group_judge", () => pressDigit(value), VERDICT_WORDS[index]),
      ),
      key("shift_back", ["["], "group_repair", () => shift(-1)),
      key("shift_on", ["]"], "group_repair", () => shift(1)),
      key("replace", ["o"], "group_repair", () => openEditor("replace")),
      key("insert", ["a"], "group_repair", () => openEditor("insert_after")),
      key("delete", ["d"], "group_repair", deleteStep),
      key("type", ["t"], "group_repair", chooseType),
      key("hint", ["l"], "group_repair", nextHint),
      key("fix", ["Shift+l"], "group_repair", applyHint),
      key("raw", ["r"], "group_show", toggleRaw),
      key("copy", ["y"], "group_show", copyStep),
      key("close", ["Escape"], "group_show", escape),
      key("undo", ["z", "Mod+z"], "group_finish", () => store.undo()),
      key("redo", ["Shift+z", "Mod+Shift+z"], "group_finish", () => store.redo()),
    ],
  };
}
