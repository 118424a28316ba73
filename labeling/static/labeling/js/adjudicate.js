/** The page on which a dispute is decided, over ratings or over verdicts, with a reason.
 *
 *  Needs templates/labeling/adjudicate.html: #work (the form), #page (dispute, item, people, content, urls).
 *  What is begun is kept in this browser until it is decided. Without this script the form is sent as it is.
 */

import { runActions, togglePopover, watchHistory, watchSingleKeys } from "./actions.js";
import { call } from "./api.js";
import { say, showBanner } from "./banners.js";
import { createBeside } from "./beside.js";
import { startConfirm } from "./confirm.js";
import { createStepsDesk } from "./decide-steps.js";
import { readJson } from "./dom.js";
import { showKeys } from "./help.js";
import { createKeyboard } from "./keyboard.js";
import { renderMath } from "./math.js";
import { createOutbox } from "./outbox.js";
import { t } from "./text.js";
import { startTheme } from "./theme.js";
import { announce, showToast } from "./toast.js";
import { createVerdictDesk } from "./verdict-desk.js";
import { emptyVerdict } from "./verdict.js";

const page = readJson("page");
const form = document.getElementById("work");
const reason = form.querySelector("#reason");
const isVerdict = page.item.task === "verify_injection";
const name = `dispute-${page.dispute.id}-${page.dispute.version}`;
const outbox = createOutbox({ storage: localStorage, call });
let deciding = false;

startTheme();
startConfirm();

const desk = isVerdict
  ? createVerdictDesk({ form, content: { ...emptyVerdict(), ...page.content }, claim: page.claim, view: page.view })
  : createStepsDesk({ form, page });
const { store, cursor } = desk;
const beside = createBeside({ cursor });
watchHistory(store);

/** What was begun here before, and what is begun now. */
function keep() {
  localStorage.setItem(`draft:${name}`, JSON.stringify({ content: store.content, reason: reason.value }));
  say("savedHere");
}

function restore() {
  const kept = JSON.parse(localStorage.getItem(`draft:${name}`) ?? "null");
  if (!kept) return;
  store.adopt(kept.content);
  if (!reason.value) reason.value = kept.reason;
}

async function decide() {
  if (deciding || page.is_own_work || !desk.findMissing()) return;
  if (!reason.value.trim()) {
    showToast(t("needReason"));
    reason.focus();
    return;
  }
  deciding = true;
  try {
    const answer = await outbox.send(name, page.urls.decide, {
      version: page.dispute.version,
      content: store.content,
      reason: reason.value.trim(),
    });
    localStorage.removeItem(`draft:${name}`);
    location.assign(answer.next_url);
  } catch (error) {
    deciding = false;
    if (error.code === "offline") showBanner("submit", t("submitWaits"), { tone: "warn", iconName: "offline" });
    else showToast(t("submitFailed", { reason: error.message }));
  }
}

const sendBack = document.getElementById("send-back");
const askToSendBack = () => {
  if (!page.is_own_work) sendBack.togglePopover();
};
sendBack.addEventListener("beforetoggle", () => {
  // What the reviewers should look at again is often what one was about to give as the reason.
  const words = sendBack.querySelector("[name='reason']");
  if (!words.value) words.value = reason.value;
});

/** What makes two verdicts the same word. */
function wordOf({ content }) {
  const { verdict, reject_code: code, error_positions: positions, error_type: type, edits, correct, different } = content;
  return JSON.stringify([verdict, code ?? "", positions ?? [], type ?? "", edits ?? [], correct ?? null, different ?? null]);
}

/** The whole word that more than half of the reviewers gave: who agree on the verdict may differ in the step. */
function takeMajority() {
  if (!isVerdict) {
    desk.takeMajority();
    return;
  }
  const given = page.people.map(wordOf);
  const winner = given.findIndex((value) => 2 * given.filter((other) => other === value).length > given.length);
  if (winner < 0) {
    announce(t("noMajority"));
    showToast(t("noMajority"));
  } else {
    take(winner);
  }
}

function take(index) {
  if (!isVerdict) {
    desk.takePerson(index);
    return;
  }
  // Their judgement before the claim and their note stay theirs.
  const { note: _note, blind_first_error: _blind, ...said } = page.people[index].content;
  store.update((now) => ({ ...now, ...said }));
}

const help = () => togglePopover("help");
runActions({
  ...desk.actions,
  ...beside.actions,
  majority: takeMajority,
  "send-back": askToSendBack,
  help,
  take: (button) => take(Number(button.dataset.person)),
});
store.subscribe(keep);
reason.addEventListener("input", keep);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  decide();
});
addEventListener("online", () => {
  if (outbox.isWaiting(name)) decide();
});

const key = (id, keys, group, run) => ({ id, keys, group: t(group), label: t(`key_${id}`), run });
const keyboard = createKeyboard([
  ...desk.bindings,
  ...beside.bindings,
  key("majority", ["v"], "group_judge", takeMajority),
  key("reason", ["n"], "group_say", () => reason.focus()),
  key("help", ["?"], "group_show", help),
  key("send_back", ["s"], "group_finish", askToSendBack),
  key("decide", ["Enter"], "group_finish", decide),
]);
showKeys(keyboard);
watchSingleKeys();

restore();
desk.start();
renderMath(document);
keyboard.itemShown();
