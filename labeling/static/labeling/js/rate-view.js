/** Paints what a rating of steps says: rows, map, inspector, dock. Reads the document, changes nothing.
 *
 *  const view = createRateView({ form, count, typeNames });
 *  view.paint(content, before);      // only the steps whose label changed
 *  view.showCurrent(position, content);
 */

import { badge, setMark } from "./dom.js";
import { isAfterStop, firstErrorPosition, judgedCount, labelAt, markOf, ratingOf, stepsLeft } from "./rating.js";
import { t } from "./text.js";

export function createRateView({ form, count, typeNames }) {
  const rows = [...form.querySelectorAll(".step[data-position]")];
  const maps = [...form.querySelectorAll("[data-map]")];
  const inspectors = [...form.querySelectorAll("[data-inspector]")];
  const dock = [...form.querySelectorAll("input[name='dock-rating']")];
  let current = 0;

  const paintStep = (content, position, firstError) => {
    const label = labelAt(content, position);
    const mark = markOf(content, position);
    const words = t(`rating_${mark}`);
    const row = rows[position];
    const afterStop = isAfterStop(content, position);
    row.toggleAttribute("data-after-stop", afterStop);
    row.querySelector(".rating").disabled = afterStop;
    setRadios(row.querySelectorAll("input[type='radio']"), ratingOf(label));
    setMark(row.querySelector(".step__mark .mark"), mark, words);
    row.querySelector("[data-tags]").replaceChildren(...tags(label, position === firstError, typeNames));
    setMark(maps[position]?.querySelector(".mark"), mark);
    paintInspector(inspectors[position], label, mark, words);
  };

  const paintInspector = (section, label, mark, words) => {
    const rating = ratingOf(label);
    section.dataset.rating = mark;
    section.toggleAttribute("data-typed", rating === -1 || ["redundant", "circular"].includes(label?.contribution));
    const head = section.querySelector("[data-inspector-mark]");
    setMark(head.querySelector(".mark"), mark);
    head.lastElementChild.textContent = words;
    const position = section.dataset.inspector;
    setChecked(section, `unsure-${position}`, Boolean(label?.unsure));
    setRadios(section.querySelectorAll(`[name='origin-${position}']`), label?.origin ?? null);
    setRadios(section.querySelectorAll(`[name='contribution-${position}']`), label?.contribution ?? null);
    setValue(section, `note-${position}`, label?.note ?? "");
    setValue(section, `types-${position}`, (label?.error_types ?? []).join(","));
    const names = section.querySelector("[data-type-names]");
    names?.replaceChildren(
      ...(label?.error_types ?? []).map((code) => badge(typeNames.get(code) ?? code, { tone: "bad" })),
    );
  };

  const paintTotals = (content) => {
    const done = judgedCount(content, count);
    const left = stepsLeft(content, count).length;
    setText("[data-judged-count]", t("judgedOf", { done, total: count }));
    const stopped = content.outcome === "first_error" && !left;
    setText("[data-steps-left]", left ? t("stepsLeft", { n: left }) : t(stopped ? "stoppedAt" : "allJudged"));
    setValue(form, "note", content.note);
    const outcome = form.elements.namedItem("outcome");
    if (outcome) outcome.value = content.outcome;
  };

  const paintDock = (content) => setRadios(dock, ratingOf(labelAt(content, current)));

  return {
    paint(content, before) {
      const first = firstErrorPosition(content);
      const whole =
        !before || before.outcome !== content.outcome || firstErrorPosition(before) !== first;
      for (let position = 0; position < count; position += 1) {
        if (whole || labelAt(before, position) !== labelAt(content, position)) paintStep(content, position, first);
      }
      paintTotals(content);
      paintDock(content);
    },
    showCurrent(position, content) {
      inspectors[current]?.removeAttribute("data-current");
      maps[current]?.removeAttribute("aria-current");
      current = position;
      inspectors[current]?.setAttribute("data-current", "");
      maps[current]?.setAttribute("aria-current", "true");
      setText("[data-current-step]", t("step", { n: position + 1 }));
      paintDock(content);
    },
    inspector(position) {
      return inspectors[position];
    },
  };
}

function tags(label, isFirstError, typeNames) {
  if (!label) return [];
  const found = [];
  if (isFirstError) found.push(badge(t("firstError"), { tone: "bad" }));
  else if (label.origin === "inherited") found.push(badge(t("inherited")));
  if (label.unsure && ratingOf(label) !== null) found.push(badge(t("unsure"), { tone: "unsure" }));
  if (label.error_types?.length) found.push(badge(typeNames.get(label.error_types[0]) ?? label.error_types[0]));
  else if (["redundant", "circular"].includes(label.contribution)) found.push(badge(t(label.contribution)));
  if (label.note) found.push(badge(t("note"), { iconName: "msg" }));
  // A third would make the row higher than an unrated one; the inspector has them all.
  return found.slice(0, 2);
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
