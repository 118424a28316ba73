/** The matrix of a dispute over ratings: decide the open steps, see everybody's reasons beside them.
 *
 *  const desk = createStepsDesk({ form, page });   // the same shape as a verdict desk
 *  runActions(desk.actions); createKeyboard([...desk.bindings, …]);
 */

import { closeOrLeave } from "./actions.js";
import { copySource, toggleRaw } from "./copying.js";
import { createCursor } from "./cursor.js";
import { badge, setMark } from "./dom.js";
import { createPalette } from "./palette.js";
import * as rating from "./rating.js";
import { t } from "./text.js";
import { announce, showToast } from "./toast.js";
import { createStore } from "./workspace.js";

export function createStepsDesk({ form, page }) {
  const { protocol, people } = page;
  const rows = [...form.querySelectorAll("tr[data-row]")];
  const count = rows.length;
  const openRows = rows.filter((row) => !row.hasAttribute("data-agree"));
  const openPositions = openRows.map((row) => Number(row.dataset.position));
  const inspectors = [...form.querySelectorAll("[data-inspector]")];
  const dock = [...form.querySelectorAll("input[name='dock-rating']")];
  const types = [...document.querySelectorAll("#types [data-value]")];
  const typeNames = new Map(types.map((option) => [option.dataset.value, option.dataset.name]));
  const store = createStore({ ...rating.emptyRating(), ...page.content });
  const isOpen = (row) => !row.hasAttribute("data-agree");

  const findOpen = (content) =>
    openPositions.filter(
      (position) => !rating.isAfterStop(content, position) && !rating.isJudged(rating.labelAt(content, position)),
    );

  let current = 0;
  const cursor = createCursor(rows, {
    start: Math.max(0, rows.indexOf(openRows[0])),
    onMove: (index) => {
      current = index;
      store.seal();
      inspectors.forEach((section, at) => section.toggleAttribute("data-current", at === index));
      setText("[data-current-step]", t("step", { n: index + 1 }));
      paintDock(store.content);
    },
  });

  // --- Painting --------------------------------------------------------------------------------

  function paintDock(content) {
    const value = rating.ratingOf(rating.labelAt(content, current));
    for (const radio of dock) radio.checked = radio.value === String(value);
  }

  function paint(content) {
    for (const row of openRows) {
      const position = Number(row.dataset.position);
      const label = rating.labelAt(content, position);
      const mark = rating.markOf(content, position);
      for (const radio of row.querySelectorAll("input[type='radio']")) {
        radio.checked = radio.value === String(rating.ratingOf(label));
      }
      row.querySelector(".rating").disabled = rating.isAfterStop(content, position);
      paintInspector(inspectors[position], label, mark, position);
    }
    const left = findOpen(content).length;
    setText("[data-missing]", left ? t("needDecisions", { n: left }) : t("nothingOpen"));
    paintDock(content);
  }

  function paintInspector(section, label, mark, position) {
    section.dataset.rating = mark;
    section.toggleAttribute("data-typed", rating.ratingOf(label) === -1);
    const head = section.querySelector("[data-inspector-mark]");
    setMark(head.querySelector(".mark"), mark);
    head.lastElementChild.textContent = t(`rating_${mark}`);
    for (const radio of section.querySelectorAll(`[name='origin-${position}']`)) radio.checked = radio.value === label?.origin;
    const names = (label?.error_types ?? []).map((code) => badge(typeNames.get(code) ?? code, { tone: "bad" }));
    section.querySelector("[data-type-names]")?.replaceChildren(...names);
  }

  // --- Deciding --------------------------------------------------------------------------------

  function decideStep(value) {
    if (!isOpen(cursor.row) || (value === 0 && protocol.rating_view === "binary")) return;
    store.update((content) => rating.rate(content, cursor.index, value, protocol));
    const next = findOpen(store.content);
    if (next.length) cursor.to(next.find((position) => position > cursor.index) ?? next[0]);
  }

  /** What one person said of a step, if they judged it. */
  const labelOf = (person, position) => person.content.steps.find((label) => label.position === position);

  function takeMajority() {
    const position = cursor.index;
    const given = people.map((person) => rating.ratingOf(labelOf(person, position)));
    const winner = [1, 0, -1].find((value) => 2 * given.filter((other) => other === value).length > people.length);
    if (!isOpen(cursor.row) || winner === undefined) {
      announce(t("noMajority"));
      return;
    }
    const voice = people[given.indexOf(winner)];
    store.update((content) => takeLabel(content, voice, position));
    showToast(t("majorityTaken"), { undo: () => store.undo() });
  }

  /** A reviewer's whole label becomes the decision, but for their note: the reason says why. */
  function takeLabel(content, person, position) {
    const label = labelOf(person, position);
    const others = content.steps.filter((step) => step.position !== position);
    if (!label) return { ...content, steps: others };
    const { note: _, ...said } = label;
    const steps = [...others, said].sort((one, other) => one.position - other.position);
    const next = { ...content, steps };
    const value = rating.ratingOf(said);
    return protocol.stop_at_first_error && value === -1 ? rating.markFirstError(next, position, protocol) : next;
  }

  function takePerson(index) {
    const person = people[index];
    store.update((content) =>
      openPositions.reduce((sofar, position) => takeLabel(sofar, person, position), {
        ...content,
        outcome: person.outcome || content.outcome,
      }),
    );
  }

  const setOrigin = (origin) => {
    if (isOpen(cursor.row)) store.update((content) => rating.setOrigin(content, cursor.index, origin, protocol));
  };
  const markFirst = () => {
    if (isOpen(cursor.row)) store.update((content) => rating.markFirstError(content, cursor.index, protocol));
  };
  const palette = createPalette(document.getElementById("types"), {
    onChoose: (code, { add }) =>
      store.update((content) => {
        const before = rating.labelAt(content, cursor.index)?.error_types ?? [];
        if (before.includes(code)) return rating.setTypes(content, cursor.index, before.filter((type) => type !== code));
        return rating.setTypes(content, cursor.index, add ? [...before, code] : [code]);
      }),
  });
  const chooseType = () => {
    const chosen = rating.labelAt(store.content, cursor.index)?.error_types ?? [];
    if (isOpen(cursor.row)) palette.open({ chosen, from: cursor.row });
  };

  form.addEventListener("change", ({ target }) => {
    const [, what, number] = /^(rating|origin)-(\d+)$/.exec(target.name) ?? [];
    if (target.name === "dock-rating") decideStep(Number(target.value));
    else if (what === "rating") {
      store.update((content) => rating.rate(content, Number(number), Number(target.value), protocol));
    } else if (what === "origin") {
      store.update((content) => rating.setOrigin(content, Number(number), target.value, protocol));
    }
  });
  store.subscribe(paint);

  const copyStep = () => copySource(cursor.row.querySelector("[data-math]"));
  const key = (id, keys, group, run, word = `key_${id}`) => ({ id, keys, group: t(group), label: t(word), run });

  return {
    store,
    cursor,
    findMissing() {
      const left = findOpen(store.content);
      if (!left.length) return true;
      cursor.to(left[0]);
      announce(t("needDecisions", { n: left.length }));
      return false;
    },
    start() {
      paint(store.content);
      cursor.to(cursor.index);
    },
    takePerson,
    takeMajority,
    actions: {
      undo: () => store.undo(),
      redo: () => store.redo(),
      next: () => cursor.move(1, isOpen),
      previous: () => cursor.move(-1, isOpen),
      type: chooseType,
      "first-error": markFirst,
      inherited: () => setOrigin("inherited"),
      raw: toggleRaw,
      copy: copyStep,
    },
    bindings: [
      key("next_open", ["j", "ArrowDown"], "group_move", () => cursor.move(1, isOpen)),
      key("previous_open", ["k", "ArrowUp"], "group_move", () => cursor.move(-1, isOpen)),
      key("next_any", ["Shift+j", "Shift+ArrowDown"], "group_move", () => cursor.move(1)),
      key("previous_any", ["Shift+k", "Shift+ArrowUp"], "group_move", () => cursor.move(-1)),
      key("good", ["1"], "group_judge", () => decideStep(1), "rating_1"),
      ...(protocol.rating_view === "binary" ? [] : [key("neutral", ["2"], "group_judge", () => decideStep(0), "rating_0")]),
      key("wrong", ["3"], "group_judge", () => decideStep(-1), "rating_-1"),
      key("first_error", ["e"], "group_judge", markFirst),
      key("inherited", ["f"], "group_judge", () => setOrigin("inherited")),
      key("type", ["t"], "group_judge", chooseType),
      key("raw", ["r"], "group_show", toggleRaw),
      key("copy", ["y"], "group_show", copyStep),
      key("close", ["Escape"], "group_show", () => closeOrLeave(cursor)),
      key("undo", ["z", "Mod+z"], "group_finish", () => store.undo()),
      key("redo", ["Shift+z", "Mod+Shift+z"], "group_finish", () => store.redo()),
    ],
  };
}

function setText(selector, text) {
  for (const node of document.querySelectorAll(selector)) if (node.textContent !== text) node.textContent = text;
}
