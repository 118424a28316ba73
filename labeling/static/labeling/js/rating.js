/** What a rating of steps says, as pure functions on the packed document (labeling/content.py).
 *
 *  let content = emptyRating();
 *  content = rate(content, 0, 1, protocol);
 *  content = markFirstError(content, 6, protocol);   // later steps are then not judged
 *  stepsLeft(content, 11)                            // positions that still wait
 *
 *  The document holds a step only when something was said about it: unmarked, not judged, unsure and
 *  neutral stay four things. Positions count from zero. `protocol` is {stop_at_first_error, rating_view}.
 */

export function emptyRating() {
  return { schema: 1, task: "rate_steps", steps: [], outcome: "complete", note: "" };
}

export function labelAt(content, position) {
  return content.steps.find((step) => step.position === position) ?? null;
}

/** -1, 0 or 1; null where the step has no rating (it may still be unsure, or have a note). */
export function ratingOf(label) {
  if (!label) return null;
  if (label.rating !== undefined) return label.rating;
  if (label.validity === "wrong" || label.validity === "partly") return -1;
  if (label.contribution && label.contribution !== "advances") return 0;
  return label.validity === "correct" || label.contribution === "advances" ? 1 : null;
}

/** What the step's picture shows: 1, 0, -1, "unsure", "none" (not yet) or "skip" (not judged). */
export function markOf(content, position) {
  if (isAfterStop(content, position)) return "skip";
  const label = labelAt(content, position);
  return ratingOf(label) ?? (label?.unsure ? "unsure" : "none");
}

export function isJudged(label) {
  return ratingOf(label) !== null || Boolean(label?.unsure);
}

export function firstErrorPosition(content) {
  const wrong = content.steps.filter((step) => ratingOf(step) === -1).map((step) => step.position);
  return wrong.length ? Math.min(...wrong) : null;
}

/** True for the steps after the first error of a reviewer who was asked to stop there. */
export function isAfterStop(content, position) {
  if (content.outcome !== "first_error") return false;
  const first = firstErrorPosition(content);
  return first !== null && position > first;
}

export function stepsLeft(content, count) {
  if (content.outcome === "gave_up" || content.outcome === "bad_problem") return [];
  const left = [];
  for (let position = 0; position < count; position += 1) {
    if (!isAfterStop(content, position) && !isJudged(labelAt(content, position))) left.push(position);
  }
  return left;
}

export function judgedCount(content, count) {
  let judged = 0;
  for (const step of content.steps) if (step.position < count && isJudged(step)) judged += 1;
  return judged;
}

/** The step rated -1, 0 or 1: the two axes that the rating stands for (records.label_from_rating). */
export function rate(content, position, value, protocol) {
  if (isAfterStop(content, position)) return content;
  const before = labelAt(content, position);
  if (ratingOf(before) === value && before.validity !== "partly") return content;
  const { validity, contribution, rating, origin, error_types, ...rest } = before ?? {};
  const label = { ...rest, validity: value < 0 ? "wrong" : "correct" };
  if (protocol.rating_view !== "binary") {
    label.rating = value;
    if (value >= 0) label.contribution = value > 0 ? "advances" : "neutral";
  }
  if (value < 0) {
    label.origin = origin ?? "own";
    if (error_types) label.error_types = error_types;
  }
  return settleOutcome(withLabel(content, position, label), protocol);
}

/** This step is the first that is wrong, by an error of its own.
 *
 *  Where the reviewer stops at the first error, to say so says that every earlier step is right, so
 *  unmarked ones become +1; where all steps are judged, nothing is said about them.
 */
export function markFirstError(content, position, protocol) {
  let next = content;
  if (protocol.stop_at_first_error) {
    // What was rated wrong before or judged after this step was said under another first error.
    next = { ...next, outcome: "complete", steps: next.steps.filter((step) => step.position <= position) };
    for (let earlier = 0; earlier < position; earlier += 1) {
      const rating = ratingOf(labelAt(next, earlier));
      if (rating === null || rating === -1) next = rate(next, earlier, 1, { ...protocol, stop_at_first_error: false });
    }
  }
  next = setOrigin(rate(next, position, -1, protocol), position, "own", protocol);
  return settleOutcome(next, protocol);
}

/** Own error, or one that follows from an earlier error; a step that was not rated becomes −1. */
export function setOrigin(content, position, origin, protocol) {
  const rated = ratingOf(labelAt(content, position)) === -1 ? content : rate(content, position, -1, protocol);
  const label = labelAt(rated, position);
  if (!label || label.origin === origin) return rated;
  return withLabel(rated, position, { ...label, origin });
}

/** What the step adds. A step that is true and superfluous is 0 on the -1/0/+1 view. */
export function setContribution(content, position, contribution, protocol) {
  const label = labelAt(content, position) ?? {};
  const next = { ...label, validity: label.validity ?? "correct", contribution };
  if (protocol.rating_view !== "binary") {
    next.rating = next.validity === "correct" ? (contribution === "advances" ? 1 : 0) : -1;
  }
  return withLabel(content, position, next);
}

export function toggleUnsure(content, position) {
  if (isAfterStop(content, position)) return content;
  const { unsure, ...label } = labelAt(content, position) ?? {};
  return withLabel(content, position, unsure ? label : { ...label, unsure: true });
}

/** The error types of the step, the primary one first. */
export function setTypes(content, position, codes) {
  const { error_types, ...label } = labelAt(content, position) ?? {};
  if (!codes.length && !error_types) return content;
  return withLabel(content, position, codes.length ? { ...label, error_types: codes } : label);
}

export function setNote(content, position, note) {
  const { note: before = "", ...label } = labelAt(content, position) ?? {};
  if (before === note) return content;
  return withLabel(content, position, note ? { ...label, note } : label);
}

export function setOutcome(content, outcome, note = content.note) {
  return { ...content, outcome, note };
}

/** Every step that still waits becomes +1. */
export function rateRest(content, count, protocol) {
  return stepsLeft(content, count).reduce((next, position) => rate(next, position, 1, protocol), content);
}

function settleOutcome(content, protocol) {
  if (!protocol.stop_at_first_error) return content;
  const first = firstErrorPosition(content);
  if (first === null) return content.outcome === "first_error" ? { ...content, outcome: "complete" } : content;
  return {
    ...content,
    outcome: "first_error",
    steps: content.steps.filter((step) => step.position <= first),
  };
}

function withLabel(content, position, { position: _, ...label }) {
  const others = content.steps.filter((step) => step.position !== position);
  const says = Object.keys(label).length > 0;
  const steps = says ? [...others, { position, ...label }] : others;
  steps.sort((one, other) => one.position - other.position);
  return { ...content, steps };
}
