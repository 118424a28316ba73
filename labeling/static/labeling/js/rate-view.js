/** Paints what a rating of steps says: rows, map, inspector, dock. Reads the document, changes nothing.
 *
 *  const view = createRateView({ form, count, typeNames, protocol });
 *  view.paint(content, before);      // only the steps whose label changed
 *  view.showCurrent(position, content);
 *  view.rememberFirst(position, content);   // the evidence on this step was opened: its rating until now
 */

import { badge, el, mark, setMark } from "./dom.js";
import {
  firstErrorPosition,
  isAfterStop,
  isBulk,
  isOverride,
  isUnconfirmed,
  judgedCount,
  labelAt,
  markOf,
  proposedAt,
  ratingOf,
  reasonAt,
  reasonsMissing,
  stepsLeft,
} from "./rating.js";
import { t } from "./text.js";

export function createRateView({ form, count, typeNames, protocol }) {
  const rows = [...form.querySelectorAll(".step[data-position]")];
  const maps = [...form.querySelectorAll("[data-map]")];
  const inspectors = [...form.querySelectorAll("[data-inspector]")];
  const dock = [...form.querySelectorAll("input[name='dock-rating']")];
  const why = form.querySelector("[data-why]");
  // What was said of a step before its evidence was opened on this page, where it was rated.
  const firstRatings = new Map();
  const scrollsMap = form.querySelector(".map")?.hasAttribute("data-long") ?? false;
  let current = 0;

  const paintStep = (content, position, firstError) => {
    const label = labelAt(content, position);
    const picture = pictureOf(content, position);
    const row = rows[position];
    const afterStop = picture.mark === "skip";
    row.toggleAttribute("data-after-stop", afterStop);
    row.toggleAttribute("data-unconfirmed", picture.machine);
    row.querySelector(".rating").disabled = afterStop;
    setRadios(row.querySelectorAll("input[type='radio']"), ratingOf(label));
    setPicture(row.querySelector(".step__mark .mark"), picture);
    row.querySelector("[data-tags]").replaceChildren(...tags(content, position, firstError).map(drawTag));
    setPicture(maps[position]?.querySelector(".mark"), picture);
    paintInspector(inspectors[position], label, picture);
  };

  /** What the step's picture shows: the person's word, or a machine's while there is no other. */
  const pictureOf = (content, position) => {
    if (isUnconfirmed(content, position, protocol)) {
      const proposed = proposedAt(protocol, position);
      return { mark: proposed, words: t("proposedWords", { rating: signed(proposed) }), machine: true };
    }
    const said = markOf(content, position);
    return { mark: said, words: t(`rating_${said}`), machine: false };
  };

  const tags = (content, position, firstError) => {
    const label = labelAt(content, position);
    const found = [];
    if (isAfterStop(content, position)) found.push([t("rating_skip")]);
    if (isUnconfirmed(content, position, protocol)) found.push([t("unconfirmed"), { tone: "machine" }]);
    if (isOverride(content, position, protocol)) {
      found.push([t(reasonAt(content, position) ? "overridden" : "sayWhy"), { tone: "machine" }]);
    }
    const first = firstRatings.get(position);
    if (first !== undefined && first !== ratingOf(label)) found.push([t("firstWas", { rating: signed(first) })]);
    if (position === firstError) found.push([t("firstError"), { tone: "bad" }]);
    else if (label?.origin === "inherited") found.push([t("inherited")]);
    // A step without a rating has no other picture in its row.
    if (label?.unsure) found.push([t("unsure"), { tone: "unsure", picture: ratingOf(label) === null ? "unsure" : null }]);
    if (isBulk(content, position)) found.push([t("inBulk")]);
    const type = label?.error_types?.[0];
    if (type) found.push([typeNames.get(type) ?? type]);
    else if (["redundant", "circular"].includes(label?.contribution)) found.push([t(label.contribution)]);
    if (label?.note) found.push([t("note"), { iconName: "msg" }]);
    // A third would make the row higher than an unrated one; the inspector has them all.
    return found.slice(0, 2);
  };

  const paintInspector = (section, label, { mark: said, words, machine }) => {
    const rating = ratingOf(label);
    const position = Number(section.dataset.inspector);
    section.dataset.rating = machine ? "none" : said;
    section.toggleAttribute("data-typed", rating === -1 || ["redundant", "circular"].includes(label?.contribution));
    const head = section.querySelector("[data-inspector-mark]");
    setPicture(head.querySelector(".mark"), { mark: said, machine });
    head.lastElementChild.textContent = words;
    setChecked(section, `unsure-${position}`, Boolean(label?.unsure));
    setRadios(section.querySelectorAll(`[name='origin-${position}']`), label?.origin ?? null);
    setRadios(section.querySelectorAll(`[name='contribution-${position}']`), label?.contribution ?? null);
    setValue(section, `note-${position}`, label?.note ?? "");
    setValue(section, `types-${position}`, (label?.error_types ?? []).join(","));
    const names = section.querySelector("[data-type-names]");
    names?.replaceChildren(
      ...(label?.error_types ?? []).map((code) => badge(typeNames.get(code) ?? code, { tone: "bad" })),
    );
    paintFirstWords(section, firstRatings.get(position), rating);
  };

  const paintTotals = (content) => {
    const done = judgedCount(content, count);
    setText("[data-judged-count]", t("judgedOf", { done, total: count }));
    setText("[data-steps-left]", describeLeft(content));
    setValue(form, "note", content.note);
  };

  const describeLeft = (content) => {
    const left = stepsLeft(content, count).length;
    if (left) return t("stepsLeft", { n: left });
    const [unexplained] = reasonsMissing(content, protocol);
    if (unexplained !== undefined) return t("sayWhyAt", { n: unexplained + 1 });
    const ends = { first_error: "stoppedAt", gave_up: "gaveUp", bad_problem: "calledBad" };
    return t(ends[content.outcome] ?? "allJudged");
  };

  const paintDock = (content) => {
    setRadios(dock, ratingOf(labelAt(content, current)));
    if (!protocol.proposed) return;
    const proposed = String(proposedAt(protocol, current));
    for (const radio of dock) radio.parentElement.toggleAttribute("data-proposed", radio.value === proposed);
    dock[0]?.closest(".rating").toggleAttribute("data-unconfirmed", isUnconfirmed(content, current, protocol));
  };

  /** The question why the current step is not as proposed: one for all steps, shown where it is one. */
  const paintWhy = (content) => {
    if (!why) return;
    const reason = reasonAt(content, current);
    const differs = isOverride(content, current, protocol);
    why.hidden = !differs;
    form.querySelector("[data-do='say-why']").hidden = !differs || reason !== null;
    if (!differs) return;
    const title = t("whyNot", { n: current + 1, rating: signed(proposedAt(protocol, current)) });
    why.querySelector("[data-why-title]").textContent = title;
    setRadios(why.querySelectorAll("[name='why']"), reason);
  };

  if (protocol.proposed) {
    for (const radio of dock) radio.after(mark(radio.value, { machine: true }));
  }

  return {
    paint(content, before) {
      const first = firstErrorPosition(content);
      const whole =
        !before || before.outcome !== content.outcome || firstErrorPosition(before) !== first;
      const changed = (position) =>
        labelAt(before, position) !== labelAt(content, position) ||
        isBulk(before, position) !== isBulk(content, position) ||
        reasonAt(before, position) !== reasonAt(content, position);
      for (let position = 0; position < count; position += 1) {
        if (whole || changed(position)) paintStep(content, position, first);
      }
      paintTotals(content);
      paintDock(content);
      paintWhy(content);
    },
    showCurrent(position, content) {
      inspectors[current]?.removeAttribute("data-current");
      maps[current]?.removeAttribute("aria-current");
      current = position;
      inspectors[current]?.setAttribute("data-current", "");
      maps[current]?.setAttribute("aria-current", "true");
      // Of many steps the map shows a few lines: those around the current one.
      if (scrollsMap) maps[current].scrollIntoView({ block: "nearest" });
      setText("[data-current-step]", t("step", { n: position + 1 }));
      paintDock(content);
      paintWhy(content);
    },
    rememberFirst(position, content) {
      const rating = ratingOf(labelAt(content, position));
      if (rating !== null && !firstRatings.has(position)) firstRatings.set(position, rating);
    },
    inspector(position) {
      return inspectors[position];
    },
    /** Where the reason is asked for: the choice that was made, else the first. */
    get reasonField() {
      return why?.querySelector("[name='why']:checked") ?? why?.querySelector("[name='why']") ?? null;
    },
  };
}

/** The revision is kept beside the first word, and the first word stays in sight. */
function paintFirstWords(section, first, rating) {
  let line = section.querySelector("[data-first-words]");
  const revised = first !== undefined && first !== rating;
  if (!revised) {
    line?.remove();
    return;
  }
  if (!line) {
    line = el("p", { class: "small quiet", "data-first-words": true });
    section.firstElementChild.after(line);
  }
  line.textContent = t("firstWords", { rating: t(`rating_${first}`) });
}

function drawTag([text, { picture = null, ...options } = {}]) {
  const tag = badge(text, options);
  if (picture !== null) tag.prepend(mark(picture, { small: true }));
  return tag;
}

function signed(rating) {
  if (rating === null) return "–";
  return rating > 0 ? `+${rating}` : String(rating).replace("-", "−");
}

function setPicture(svg, { mark: value, words = "", machine }) {
  if (!svg) return;
  svg.classList.toggle("mark--machine", machine);
  setMark(svg, value, words);
  // The same shape may have changed who says it.
  if (svg.hasAttribute("aria-label")) svg.setAttribute("aria-label", words);
}

function setRadios(radios, value) {
  for (const radio of radios) radio.checked = radio.value === String(value);
}

function setChecked(root, name, checked) {
  const box = root.querySelector(`[name='${name}']`);
  if (box) box.checked = checked;
}

function setValue(root, name, value) {
  const field = root.querySelector(`[name='${name}']`);
  // The field that is being typed in already says it, and writing would move its cursor.
  if (field && field.value !== value && field !== document.activeElement) field.value = value;
}

function setText(selector, text) {
  for (const node of document.querySelectorAll(selector)) if (node.textContent !== text) node.textContent = text;
}
