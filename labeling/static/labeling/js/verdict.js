/** What a verdict on an injection says, as pure functions on the packed document (labeling/content.py).
 *
 *  let content = emptyVerdict();
 *  content = judgeBlind(content, { at: 2 });            // before the claim is shown
 *  content = chooseVerdict(content, "accept_with_edits");
 *  content = shiftErrors(content, 1, claim, count);     // all error steps one further
 *  whatIsMissing(content, { claim })                     // [] when it may be submitted
 *
 *  The error steps are never edited by hand: they are the claim's, changed by the edits in order, so
 *  that the list of edits always tells the whole way from the claim to the verdict. Without a claim
 *  (it is sealed, or there is none) they are the steps that the reviewer flagged.
 *
 *  A claim without error steps offers another solution to the same problem. Of that two things are
 *  asked, is it correct and does it really differ, and the verdict follows from the answers as long
 *  as nobody says otherwise:
 *
 *  content = answerQuestion(content, "correct", "yes", claim);
 */

export const VERDICTS = ["accept", "accept_with_edits", "reject", "unsure", "bad_problem"];
export const QUESTIONS = ["correct", "different"];
// With these one says that one cannot answer, so neither answer is asked for.
const UNANSWERED = ["unsure", "bad_problem"];

export function emptyVerdict() {
  return {
    schema: 1,
    task: "verify_injection",
    verdict: null,
    error_positions: [],
    error_type: "",
    reject_code: "",
    edits: [],
    steps: [],
    blind_first_error: null,
    note: "",
    correct: null,
    different: null,
  };
}

/** Does the claim offer another correct solution? It then points at no step. */
export function asksQuestions(claim) {
  return Boolean(claim) && claim.error_positions.length === 0;
}

/** The question that is to be answered next, null when none is. */
export function openQuestion(content, claim) {
  if (!asksQuestions(claim)) return null;
  return QUESTIONS.find((question) => !content[question]) ?? null;
}

/** An answer, and the verdict that follows from both, unless the person chose another. */
export function answerQuestion(content, question, reply) {
  if (content[question] === reply) return content;
  const next = { ...content, [question]: reply };
  const followed = !content.verdict || content.verdict === followingVerdict(content);
  if (!followed) return next;
  const chosenCode = content.reject_code !== followingCode(content) ? content.reject_code : "";
  const verdict = followingVerdict(next);
  return { ...next, verdict, reject_code: verdict === "reject" ? chosenCode || followingCode(next) : "" };
}

/** What the answers amount to: kept where the solution is correct and differs (PRMBench §3.3). */
export function followingVerdict({ correct, different, edits }) {
  if (correct === "no" || different === "no") return "reject";
  if (!correct || !different) return null;
  if (correct === "unsure" || different === "unsure") return "unsure";
  return edits.length ? "accept_with_edits" : "accept";
}

/** Why it is rejected then: nothing new, or an error where the claim said that there is none. */
function followingCode({ correct, different }) {
  if (different === "no") return "not_different";
  return correct === "no" ? "wrong_type" : "";
}

/** The error steps after the edits, in the numbering of the solution as it was shown. */
export function errorPositions(content, claim, count) {
  let positions = [...(claim?.error_positions ?? [])];
  for (const edit of content.edits) {
    if (edit.op === "shift") positions = positions.map((position) => position + edit.by);
    // A flag with this text speaks of the step inserted just before it (labeling/edits.py).
    else if (edit.op === "flag" && edit.text !== "inserted") positions.push(edit.position);
    else if (edit.op === "unflag") positions = positions.filter((position) => position !== edit.position);
  }
  return [...new Set(positions)].filter((position) => position >= 0 && position < count).sort((a, b) => a - b);
}

/** The document after its edits changed: error steps and type follow, and so does a bare "accept". */
export function settle(content, claim, count) {
  const type = content.edits.findLast((edit) => edit.op === "set_type")?.text ?? claim?.error_type ?? "";
  const verdict = content.verdict === "accept" && content.edits.length && claim ? "accept_with_edits" : content.verdict;
  return { ...content, verdict, error_type: type, error_positions: errorPositions(content, claim, count) };
}

export function judgeBlind(content, judgement) {
  return { ...content, blind_first_error: judgement };
}

/** The verdict; accepting when there are edits is accepting with them. */
export function chooseVerdict(content, verdict) {
  const chosen = verdict === "accept" && content.edits.length ? "accept_with_edits" : verdict;
  if (chosen === content.verdict) return content;
  const code = content.reject_code || followingCode(content);
  return { ...content, verdict: chosen, reject_code: chosen === "reject" ? code : "" };
}

export function chooseRejectCode(content, code) {
  return content.reject_code === code ? content : { ...content, reject_code: code };
}

/** The step is an error, or is none after all: an edit, or the end of one. */
export function toggleFlag(content, position, claim, count) {
  const flagged = errorPositions(content, claim, count).includes(position);
  const opposite = flagged ? "flag" : "unflag";
  const undone = content.edits.findLastIndex(
    (edit) => edit.op === opposite && edit.position === position && edit.text !== "inserted",
  );
  let edits = content.edits.filter((_, index) => index !== undone);
  if (errorPositions({ edits }, claim, count).includes(position) === flagged) {
    edits = [...content.edits, { op: flagged ? "unflag" : "flag", position }];
  }
  return settle({ ...content, edits }, claim, count);
}

/** The step is wrong because an earlier one is, or no longer so; to say it flags the step. */
export function toggleInherited(content, position, claim, count) {
  const others = content.steps.filter((step) => step.position !== position);
  if (others.length < content.steps.length) return { ...content, steps: others };
  const steps = [...others, { position, validity: "wrong", origin: "inherited" }];
  steps.sort((one, other) => one.position - other.position);
  const next = { ...content, steps };
  const flagged = errorPositions(next, claim, count).includes(position);
  return flagged ? next : toggleFlag(next, position, claim, count);
}

/** All error steps moved by one; shifts in a row are one edit, and a shift back ends it. */
export function shiftErrors(content, by, claim, count) {
  const last = content.edits.at(-1);
  const rest = last?.op === "shift" ? content.edits.slice(0, -1) : content.edits;
  const total = (last?.op === "shift" ? last.by : 0) + by;
  const edits = total ? [...rest, { op: "shift", by: total }] : rest;
  return settle({ ...content, edits }, claim, count);
}

/** A text edit: one replacement or deletion per step, and one insertion after each.
 *
 *  `isError` says of an inserted step that it is one; edits of the same place are replaced.
 */
export function editText(content, { op, position, text, isError = false }, claim, count) {
  const others = content.edits.filter((edit) => !(edit.position === position && conflicts(edit, op)));
  const edit = op === "delete" ? { op, position } : { op, position, text };
  const flag = op === "insert_after" && isError ? [{ op: "flag", position, text: "inserted" }] : [];
  return settle({ ...content, edits: [...others, edit, ...flag] }, claim, count);
}

export function findTextEdit(content, op, position) {
  return content.edits.find((edit) => edit.op === op && edit.position === position) ?? null;
}

export function setErrorType(content, code, claim, count) {
  const others = content.edits.filter((edit) => edit.op !== "set_type");
  const edits = code && code !== (claim?.error_type ?? "") ? [...others, { op: "set_type", text: code }] : others;
  return settle({ ...content, edits }, claim, count);
}

export function removeEdit(content, index, claim, count) {
  const gone = content.edits[index];
  const edits = content.edits.filter(
    (edit, at) =>
      at !== index &&
      !(gone.op === "insert_after" && edit.text === "inserted" && edit.position === gone.position),
  );
  return settle({ ...content, edits }, claim, count);
}

/** Is what a hint's fix would do done already? */
export function isFixed(content, fix, claim, count) {
  if (fix.op === "shift") return content.edits.some((edit) => edit.op === "shift" && edit.by === fix.by);
  if (fix.op === "set_type") return content.error_type === fix.text;
  if (fix.op === "flag" || fix.op === "unflag") {
    return errorPositions(content, claim, count).includes(fix.position) === (fix.op === "flag");
  }
  const made = findTextEdit(content, fix.op, fix.position);
  return made !== null && (made.text ?? "") === (fix.text ?? "");
}

/** A hint's fix, as the server worded it: an edit. */
export function applyFix(content, fix, claim, count) {
  if (fix.op === "shift") return shiftErrors(content, fix.by, claim, count);
  if (fix.op === "set_type") return setErrorType(content, fix.text, claim, count);
  if (fix.op === "flag" || fix.op === "unflag") {
    const flagged = errorPositions(content, claim, count).includes(fix.position);
    return flagged === (fix.op === "flag") ? content : toggleFlag(content, fix.position, claim, count);
  }
  return editText(content, fix, claim, count);
}

export function setVerdictNote(content, note) {
  return content.note === note ? content : { ...content, note };
}

/** Which parts are still needed, in the order in which a person mends them: "blind", "correct",
 *  "different", "verdict", "reject_code", "note", "edits", "errors"; "against" where the verdict
 *  accepts what an answer speaks against, "flagged" where it accepts another solution with an error.
 */
export function whatIsMissing(content, { sealed = false, claim = null } = {}) {
  if (sealed) return ["blind"];
  const missing = [];
  if (!UNANSWERED.includes(content.verdict) && asksQuestions(claim)) {
    missing.push(...QUESTIONS.filter((question) => !content[question]));
  }
  if (!content.verdict) return [...missing, "verdict"];
  const note = content.note.trim();
  if (content.verdict === "reject" && !content.reject_code) missing.push("reject_code");
  if (content.verdict === "reject" && content.reject_code === "other" && !note) missing.push("note");
  if (content.verdict === "bad_problem" && !note) missing.push("note");
  if (content.verdict === "accept_with_edits" && !content.edits.length) missing.push("edits");
  const accepts = content.verdict === "accept" || content.verdict === "accept_with_edits";
  if (!accepts || !claim) return missing;
  if (!asksQuestions(claim)) return content.error_positions.length ? missing : [...missing, "errors"];
  const against = QUESTIONS.some((question) => content[question] && content[question] !== "yes");
  if (against) missing.push("against");
  if (content.error_positions.length) missing.push("flagged");
  return missing;
}

/** A hint's fix, or the way back from it. */
export function toggleFix(content, fix, claim, count) {
  if (!isFixed(content, fix, claim, count)) return applyFix(content, fix, claim, count);
  if (fix.op === "set_type") return setErrorType(content, claim?.error_type ?? "", claim, count);
  if (fix.op === "flag" || fix.op === "unflag") return toggleFlag(content, fix.position, claim, count);
  const made = content.edits.findIndex(
    (edit) => edit.op === fix.op && edit.position === fix.position && (fix.op !== "shift" || edit.by === fix.by),
  );
  return removeEdit(content, made, claim, count);
}

function conflicts(edit, op) {
  if (op === "insert_after") return edit.op === op || edit.text === "inserted";
  return edit.op === "replace" || edit.op === "delete";
}
