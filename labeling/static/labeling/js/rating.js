/** What a rating of steps says, as pure functions on the packed document (labeling/content.py).
 *
 *  let content = emptyRating();
 *  content = rate(content, 0, 1, protocol);
 *  content = markFirstError(content, 6, protocol);   // later steps are then not judged
 *  stepsLeft(content, 11)                            // positions that still wait
 *
 *  The document holds a step only when something was said about it: unmarked, not judged, unsure and
 *  neutral stay four things. Positions count from zero. `protocol` is {stop_at_first_error, rating_view,
 *  asks_origin}, with `proposed` where a machine's ratings are to be confirmed: -1, 0, 1 or null a step.
 *  These are never in the document: a step is confirmed when the person has said the same of it.
 *
 *  `bulk` names the steps that were rated with others in one action, `overrides` the reasons for what is
 *  rated otherwise than proposed. Every change keeps both true.
 */

const ENDED = ["gave_up", "bad_problem"];

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
  if (ENDED.includes(content.outcome)) return [];
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

export function isBulk(content, position) {
  return Boolean(content.bulk?.includes(position));
}

/** The step rated -1, 0 or 1: the two axes that the rating stands for (records.label_from_rating).
 *
 *  To rate a step by itself takes it out of what was rated in bulk, also when its rating stays.
 */
export function rate(content, position, value, protocol) {
  if (isAfterStop(content, position)) return content;
  return settle(byItself(rateOnly(content, position, value, protocol), position), protocol);
}

function rateOnly(content, position, value, protocol) {
  const before = labelAt(content, position);
  if (ratingOf(before) === value && before.validity !== "partly") return content;
  const { validity, contribution, rating, origin, error_types, ...rest } = before ?? {};
  const label = { ...rest, validity: value < 0 ? "wrong" : "correct" };
  if (protocol.rating_view !== "binary") {
    label.rating = value;
    if (value >= 0) label.contribution = value > 0 ? "advances" : "neutral";
  }
  if (value < 0) {
    // What nobody was asked, nobody has said.
    if (protocol.asks_origin !== false) label.origin = origin ?? "own";
    if (error_types) label.error_types = error_types;
  }
  return withLabel(content, position, label);
}

/** This step is the first that is wrong, by an error of its own.
 *
 *  Where the reviewer stops at the first error, to say so says that every earlier step is right, so
 *  unmarked ones become +1, together; where all steps are judged, nothing is said about them.
 */
export function markFirstError(content, position, protocol) {
  let next = content;
  if (protocol.stop_at_first_error) {
    // What was rated wrong before or judged after this step was said under another first error.
    next = { ...next, outcome: "complete", steps: next.steps.filter((step) => step.position <= position) };
    const filled = [];
    for (let earlier = 0; earlier < position; earlier += 1) {
      const rating = ratingOf(labelAt(next, earlier));
      if (rating !== null && rating !== -1) continue;
      next = rateOnly(next, earlier, proposedAt(protocol, earlier) === 0 ? 0 : 1, protocol);
      filled.push(earlier);
    }
    next = inBulk(next, filled);
  }
  return setOrigin(rate(next, position, -1, protocol), position, "own", protocol);
}

/** Own error, or one that follows from an earlier error; a step that was not rated becomes −1. */
export function setOrigin(content, position, origin, protocol) {
  const rated = ratingOf(labelAt(content, position)) === -1 ? content : rate(content, position, -1, protocol);
  const label = labelAt(rated, position);
  if (!label || protocol.asks_origin === false || label.origin === origin) return rated;
  return byItself(withLabel(rated, position, { ...label, origin }), position);
}

/** What the step adds. A step that is true and superfluous is 0 on the -1/0/+1 view. */
export function setContribution(content, position, contribution, protocol) {
  const label = labelAt(content, position) ?? {};
  const next = { ...label, validity: label.validity ?? "correct", contribution };
  if (protocol.rating_view !== "binary") {
    next.rating = next.validity === "correct" ? (contribution === "advances" ? 1 : 0) : -1;
  }
  return settle(byItself(withLabel(content, position, next), position), protocol);
}

export function toggleUnsure(content, position) {
  if (isAfterStop(content, position)) return content;
  const { unsure, ...label } = labelAt(content, position) ?? {};
  return byItself(withLabel(content, position, unsure ? label : { ...label, unsure: true }), position);
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

/** Every step that still waits becomes +1, or what was proposed for it, and is said to be rated in bulk. */
export function rateRest(content, count, protocol) {
  const rated = [];
  let next = content;
  for (const position of stepsLeft(content, count)) {
    const value = protocol.proposed ? proposedAt(protocol, position) : 1;
    if (value === null || isAfterStop(next, position)) continue;
    next = settle(rateOnly(next, position, value, protocol), protocol);
    rated.push(position);
  }
  return inBulk(next, rated);
}

// --- What a machine proposed ------------------------------------------------------------------------

export function proposedAt(protocol, position) {
  return protocol.proposed?.[position] ?? null;
}

/** True while a machine's rating is all that the step has. */
export function isUnconfirmed(content, position, protocol) {
  return markOf(content, position) === "none" && proposedAt(protocol, position) !== null;
}

/** True where the person's rating is another than the proposed one. To be unsure is not to override. */
export function isOverride(content, position, protocol) {
  const proposed = proposedAt(protocol, position);
  const said = ratingOf(labelAt(content, position));
  return proposed !== null && said !== null && said !== proposed;
}

export function reasonAt(content, position) {
  return content.overrides?.find((override) => override.position === position)?.reason ?? null;
}

/** The steps whose rating is not the proposed one and nobody has said why. */
export function reasonsMissing(content, protocol) {
  if (!protocol.proposed || ENDED.includes(content.outcome)) return [];
  return content.steps
    .map((step) => step.position)
    .filter((position) => isOverride(content, position, protocol) && !reasonAt(content, position));
}

export function setReason(content, position, reason, protocol) {
  if (!isOverride(content, position, protocol) || reasonAt(content, position) === reason) return content;
  const others = (content.overrides ?? []).filter((override) => override.position !== position);
  const overrides = [...others, { position, reason }];
  overrides.sort((one, other) => one.position - other.position);
  return { ...content, overrides };
}

/** The step rated as it was proposed: confirmed, or the person's own word taken back. */
export function takeProposed(content, position, protocol) {
  const proposed = proposedAt(protocol, position);
  return proposed === null ? content : rate(content, position, proposed, protocol);
}

// --- What follows from a change ---------------------------------------------------------------------

/** A draft as this protocol has it: it may have been begun under another one, or beside another proposal. */
export function tidy(content, protocol) {
  return ENDED.includes(content.outcome) ? withoutIdle(content, protocol) : settle(content, protocol);
}

function settle(content, protocol) {
  return withoutIdle(settleOutcome(content, protocol), protocol);
}

function settleOutcome(content, protocol) {
  const first = protocol.stop_at_first_error ? firstErrorPosition(content) : null;
  // Who rates a step goes on with the item, whatever was said of it before.
  if (first === null) return content.outcome === "complete" ? content : { ...content, outcome: "complete" };
  const steps = content.steps.filter((step) => step.position <= first);
  if (content.outcome === "first_error" && steps.length === content.steps.length) return content;
  return { ...content, outcome: "first_error", steps };
}

/** Without what speaks of ratings that are not there, or of a proposal that is not shown. */
function withoutIdle(content, protocol) {
  return withoutIdleReasons(withoutIdleBulk(content), protocol);
}

function inBulk(content, positions) {
  if (!positions.length) return content;
  const bulk = [...new Set([...(content.bulk ?? []), ...positions])].sort((one, other) => one - other);
  return withoutIdleBulk({ ...content, bulk });
}

function byItself(content, position) {
  return isBulk(content, position)
    ? withList(content, "bulk", content.bulk.filter((other) => other !== position))
    : content;
}

function withoutIdleBulk(content) {
  if (!content.bulk) return content;
  const rated = content.bulk.filter((position) => ratingOf(labelAt(content, position)) !== null);
  return rated.length === content.bulk.length ? content : withList(content, "bulk", rated);
}

function withoutIdleReasons(content, protocol) {
  if (!content.overrides) return content;
  const kept = content.overrides.filter(({ position }) => isOverride(content, position, protocol));
  return kept.length === content.overrides.length ? content : withList(content, "overrides", kept);
}

/** A list that is empty is not in the document, as the server writes it. */
function withList(content, name, list) {
  const { [name]: _, ...rest } = content;
  return list.length ? { ...rest, [name]: list } : rest;
}

function withLabel(content, position, { position: _, ...label }) {
  const others = content.steps.filter((step) => step.position !== position);
  const says = Object.keys(label).length > 0;
  const steps = says ? [...others, { position, ...label }] : others;
  steps.sort((one, other) => one.position - other.position);
  return { ...content, steps };
}
