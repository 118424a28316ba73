/** The page on which steps are rated: keys, buttons and fields change one document, which is painted.
 *
 *  Needs templates/labeling/rate.html: #work (the form), #page (assignment, protocol, proposal, draft, urls as JSON).
 *  Without this script the form is sent as it is.
 */

import { closeOrLeave, runActions, togglePopover, watchHistory, watchSingleKeys } from "./actions.js";
import { createBeside } from "./beside.js";
import { watchClearance } from "./clearance.js";
import { startConfirm } from "./confirm.js";
import { copySource, toggleRaw } from "./copying.js";
import { createCursor } from "./cursor.js";
import { readJson } from "./dom.js";
import { showKeys } from "./help.js";
import { createKeyboard } from "./keyboard.js";
import { renderMath } from "./math.js";
import { createPalette } from "./palette.js";
import { createRateView } from "./rate-view.js";
import * as rating from "./rating.js";
import { keepSafe } from "./safekeeping.js";
import { t } from "./text.js";
import { startTheme } from "./theme.js";
import { announce, showToast } from "./toast.js";
import { hasJustTurned, startEach } from "./turning.js";
import { createStore } from "./workspace.js";

// labeling.content.OverrideReason, in the order of their keys: 4 to 9, then 0.
const WHY = ["missed_error", "false_alarm", "misread", "inherited", "contribution", "guidelines", "other"];

startConfirm();
startEach(startItem);

/** One item, from the first key to the last; `signal` is aborted when another takes its place. */
function startItem(signal) {
  const page = readJson("page");
  const protocol = { ...page.protocol, proposed: page.proposal?.ratings ?? null };
  const form = document.getElementById("work");
  const rowList = form.querySelectorAll(".step[data-position]");
  const count = rowList.length;
  const hasDraft = Array.isArray(page.draft.content?.steps);
  const start = hasDraft ? { ...rating.emptyRating(), ...page.draft.content } : rating.emptyRating();
  const store = createStore(rating.tidy(start, protocol));
  const typeNames = new Map(
    [...document.querySelectorAll("#types [data-value]")].map((option) => [option.dataset.value, option.dataset.name]),
  );
  const view = createRateView({ form, count, typeNames, protocol });

  startTheme();
  watchClearance(document.querySelector(".workspace"), { signal });

  const firstOpen = rating.stepsLeft(store.content, count)[0] ?? 0;
  const cursor = createCursor(rowList, {
    start: firstOpen,
    onMove: (position) => {
      store.seal();
      view.showCurrent(position, store.content);
    },
  });
  view.paint(store.content, null);
  store.subscribe((content, before) => view.paint(content, before));
  watchHistory(store);
  const keeper = keepSafe({ page, store, signal, onIncomplete: goToGap });

  // --- What one can do -----------------------------------------------------------------------------

  /** Rates the current step and goes on to the next one that waits. */
  function rateStep(value) {
    if (value === 0 && protocol.rating_view === "binary") return;
    store.update((content) => rating.rate(content, cursor.index, value, protocol));
    if (protocol.stop_at_first_error && value === -1) askWhy();
    else goOn();
  }

  /** On to the next step that waits, unless this one is not as proposed and nobody has said why. */
  function goOn() {
    if (askWhy()) return;
    const left = rating.stepsLeft(store.content, count);
    const next = left.find((position) => position > cursor.index) ?? left[0];
    if (next !== undefined) cursor.to(next);
  }

  function askWhy() {
    const position = cursor.index;
    if (!rating.reasonsMissing(store.content, protocol).includes(position)) return false;
    announce(t("sayWhyAt", { n: position + 1 }));
    return true;
  }

  function takeProposal() {
    const position = cursor.index;
    if (rating.proposedAt(protocol, position) === null) {
      announce(t("nothingProposed"));
      return;
    }
    store.update((content) => rating.takeProposed(content, position, protocol));
    if (!protocol.stop_at_first_error || rating.proposedAt(protocol, position) !== -1) goOn();
  }

  function sayWhy(reason) {
    const position = cursor.index;
    if (!rating.isOverride(store.content, position, protocol)) {
      announce(t("notOverridden"));
      return;
    }
    store.update((content) => rating.setReason(content, position, reason, protocol));
    goOn();
  }

  function markFirstError() {
    const position = cursor.index;
    const earlier = rating.firstErrorPosition(store.content);
    const changed = store.update((content) => rating.markFirstError(content, position, protocol));
    const later = !protocol.stop_at_first_error && earlier !== null && earlier < position;
    const text = later ? t("earlierError", { n: earlier + 1 }) : t("firstErrorSet", { n: position + 1 });
    showToast(text, { undo: changed ? () => store.undo() : null });
  }

  function rateTheRest() {
    const before = rating.judgedCount(store.content, count);
    if (!store.update((content) => rating.rateRest(content, count, protocol))) return;
    const n = rating.judgedCount(store.content, count) - before;
    showToast(t(protocol.proposed ? "restProposed" : "restCorrect", { n }), { undo: () => store.undo() });
  }

  function chooseType() {
    const label = rating.labelAt(store.content, cursor.index);
    palette.open({ chosen: label?.error_types ?? [], from: cursor.row });
  }

  function setType(code, { add }) {
    const position = cursor.index;
    store.update((content) => {
      const before = rating.labelAt(content, position)?.error_types ?? [];
      if (before.includes(code)) return rating.setTypes(content, position, before.filter((type) => type !== code));
      return rating.setTypes(content, position, add ? [...before, code] : [code]);
    });
  }

  function submit() {
    const left = rating.stepsLeft(store.content, count);
    if (left.length && !protocol.allow_partial) {
      cursor.to(left[0]);
      announce(t("stepsLeft", { n: left.length }));
      return;
    }
    const [unexplained] = rating.reasonsMissing(store.content, protocol);
    if (unexplained !== undefined) {
      cursor.to(unexplained);
      askWhy();
      return;
    }
    keeper.submit();
  }

  function goToGap(error) {
    const position = error.detail.gaps?.[0]?.position ?? error.detail.positions?.[0];
    if (Number.isInteger(position)) cursor.to(position);
  }

  /** Ends the item without judging it all: the reason goes into its note. */
  function endWith(outcome, title, verb) {
    const dialog = document.getElementById("outcome");
    const note = dialog.querySelector("textarea");
    dialog.querySelector("[data-outcome-title]").textContent = t(title);
    dialog.querySelector("[data-outcome-verb]").textContent = t(verb);
    for (const help of dialog.querySelectorAll("[data-outcome-help]")) {
      help.hidden = help.dataset.outcomeHelp !== outcome;
    }
    note.value = store.content.note;
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        if (!note.value.trim()) {
          showToast(t("sayReason"));
          return;
        }
        store.update((content) => rating.setOutcome(content, outcome, note.value.trim()));
        keeper.submit();
      },
      { once: true },
    );
    dialog.showModal();
  }

  const beside = createBeside({ cursor, signal });
  const palette = createPalette(document.getElementById("types"), { onChoose: setType });
  const badProblem = () => endWith("bad_problem", "badProblem", "submitBadProblem");
  const giveUp = () => endWith("gave_up", "giveUp", "submitGiveUp");
  const focusNote = () => view.inspector(cursor.index).querySelector("textarea").focus();
  const copyStep = () => copySource(cursor.row.querySelector("[data-math]"));
  const foldProblem = () => {
    const problem = document.querySelector(".problem");
    problem.open = !problem.open;
  };

  runActions(
    {
      next: () => cursor.move(1),
      previous: () => cursor.move(-1),
      undo: () => store.undo(),
      redo: () => store.redo(),
      type: chooseType,
      "first-error": markFirstError,
      "rest-correct": rateTheRest,
      "take-proposal": takeProposal,
      "say-why": () => view.reasonField?.focus(),
      raw: toggleRaw,
      copy: copyStep,
      "bad-problem": badProblem,
      "give-up": giveUp,
      // Its problem is in a pane of its own, which folds.
      ...{ ...beside.actions, problem: foldProblem },
    },
    document.body,
  );

  // --- Fields --------------------------------------------------------------------------------------

  const FIELD = /^(rating|unsure|origin|contribution|types)-(\d+)$/;

  form.addEventListener("change", ({ target }) => {
    if (target.name === "dock-rating") {
      rateStep(Number(target.value));
      return;
    }
    if (target.name === "why") {
      store.update((content) => rating.setReason(content, cursor.index, target.value, protocol));
      return;
    }
    const [, what, number] = FIELD.exec(target.name) ?? [];
    const position = Number(number);
    if (what === "rating") store.update((content) => rating.rate(content, position, Number(target.value), protocol));
    else if (what === "unsure") store.update((content) => rating.toggleUnsure(content, position));
    else if (what === "origin") store.update((content) => rating.setOrigin(content, position, target.value, protocol));
    else if (what === "contribution") {
      store.update((content) => rating.setContribution(content, position, target.value, protocol));
    }
  });
  form.addEventListener("input", ({ target }) => {
    const [, number] = /^note-(\d+)$/.exec(target.name) ?? [];
    if (number !== undefined) {
      const position = Number(number);
      store.update((content) => rating.setNote(content, position, target.value), { merge: target.name });
    } else if (target.name === "note") {
      store.update((content) => rating.setOutcome(content, content.outcome, target.value), { merge: "note" });
    }
  });
  form.addEventListener("focusout", () => store.seal());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hasJustTurned()) submit();
  });
  document.querySelector("[data-skip]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const reason = [data.get("reason"), data.get("note")].filter(Boolean).join(": ");
    document.getElementById("skip").hidePopover();
    keeper.skip(reason);
  });
  document.querySelector(".map")?.addEventListener("click", (event) => {
    const link = event.target.closest("[data-map]");
    if (!link) return;
    event.preventDefault();
    cursor.to(Number(link.dataset.map));
  });

  document.addEventListener(
    "workbench:evidence-opened",
    ({ detail }) => view.rememberFirst(Number(detail.position), store.content),
    { signal },
  );

  // --- Keys ----------------------------------------------------------------------------------------

  const key = (id, keys, group, run, word = `key_${id}`) => ({ id, keys, group: t(group), label: t(word), run });
  const proposalKeys = () => [
    key("take_proposal", ["v"], "group_judge", takeProposal),
    ...WHY.map((reason, index) => key(`why_${reason}`, [String((index + 4) % 10)], "group_judge", () => sayWhy(reason))),
  ];
  const keyboard = createKeyboard(
    [
      key("next", ["j", "ArrowDown"], "group_move", () => cursor.move(1)),
      key("previous", ["k", "ArrowUp"], "group_move", () => cursor.move(-1)),
      key("problem", ["p"], "group_move", foldProblem),
      key("good", ["1"], "group_judge", () => rateStep(1), "rating_1"),
      ...(protocol.rating_view === "binary" ? [] : [key("neutral", ["2"], "group_judge", () => rateStep(0), "rating_0")]),
      key("wrong", ["3"], "group_judge", () => rateStep(-1), "rating_-1"),
      key("first_error", ["e"], "group_judge", markFirstError),
      ...(protocol.asks_origin
        ? [
            key("inherited", ["f"], "group_judge", () =>
              store.update((content) => rating.setOrigin(content, cursor.index, "inherited", protocol)),
            ),
          ]
        : []),
      ...(protocol.proposed ? proposalKeys() : []),
      key("rest_correct", ["a"], "group_judge", rateTheRest, protocol.proposed ? "key_rest_proposed" : undefined),
      key("unsure", ["u"], "group_judge", () => store.update((content) => rating.toggleUnsure(content, cursor.index))),
      ...(protocol.asks_error_types ? [key("type", ["t"], "group_judge", chooseType)] : []),
      key("note", ["n"], "group_say", focusNote),
      key("bad_problem", ["b"], "group_say", badProblem),
      key("raw", ["r"], "group_show", toggleRaw),
      key("copy", ["y"], "group_show", copyStep),
      ...beside.bindings.filter(({ id }) => id !== "problem"),
      key("help", ["?"], "group_show", () => togglePopover("help")),
      key("close", ["Escape"], "group_show", () => closeOrLeave(cursor)),
      key("undo", ["z", "Mod+z"], "group_finish", () => store.undo()),
      key("redo", ["Shift+z", "Mod+Shift+z"], "group_finish", () => store.redo()),
      key("skip", ["x"], "group_finish", () => togglePopover("skip")),
      key("submit", ["Enter"], "group_finish", submit),
    ],
    {},
  );
  signal.addEventListener("abort", () => keyboard.stop());
  showKeys(keyboard);
  watchSingleKeys();

  renderMath(document);
  cursor.to(firstOpen, { scroll: firstOpen > 0 });
  keyboard.itemShown();
}
