/** The page on which an injected error is verified: blind judgement, claim, verdict, repairs.
 *
 *  Needs templates/labeling/verify.html: #work (the form), #page (assignment, draft, claim or null, urls).
 *  Without this script the form is sent as it is.
 */

import { runActions, togglePopover, watchHistory, watchSingleKeys } from "./actions.js";
import { call } from "./api.js";
import { createBeside } from "./beside.js";
import { startConfirm } from "./confirm.js";
import { readJson } from "./dom.js";
import { showKeys } from "./help.js";
import { createKeyboard } from "./keyboard.js";
import { renderMath } from "./math.js";
import { keepSafe } from "./safekeeping.js";
import { t } from "./text.js";
import { startTheme } from "./theme.js";
import { announce, showToast } from "./toast.js";
import { hasJustTurned, startEach } from "./turning.js";
import { createVerdictDesk } from "./verdict-desk.js";
import { emptyVerdict } from "./verdict.js";

startConfirm();
startEach(startItem);

/** One item, from the first key to the last; `signal` is aborted when another takes its place. */
function startItem(signal) {
  const page = readJson("page");
  const form = document.getElementById("work");
  let opening = false;

  const hasDraft = page.draft.content?.task === "verify_injection";
  const content = { ...emptyVerdict(), ...(hasDraft ? page.draft.content : {}) };
  if (page.blind_first_error) content.blind_first_error = page.blind_first_error;

  startTheme();

  const desk = createVerdictDesk({ form, content, claim: page.claim, view: page.view, onBlind: judge });
  const { store, cursor } = desk;
  const beside = createBeside({ cursor, signal });
  watchHistory(store);
  const keeper = keepSafe({ page, store, signal, onIncomplete: (error) => announce(error.message) });

  /** The judgement before the claim; the claim opens with it, and it is never changed afterwards. */
  async function judge(judgement) {
    if (!desk.isSealed() || opening) return;
    opening = true;
    try {
      const body = { lease_token: page.assignment.lease_token, blind_first_error: judgement };
      const answer = await call("POST", page.urls.reveal, body);
      desk.openClaim(answer.claim, judgement, answer.original);
      announce([t("claimOpened"), desk.question].filter(Boolean).join(" "));
    } catch (error) {
      desk.repaint();
      showToast(error.code === "offline" ? t("offline") : error.message);
    } finally {
      opening = false;
    }
  }

  function submit() {
    if (desk.findMissing()) keeper.submit();
  }

  const noError = () => judge({ none: true });
  const help = () => togglePopover("help");
  const cannotTell = () => judge({ unknown: "cannot tell" });

  runActions({ ...desk.actions, ...beside.actions, "no-error": noError, "cannot-tell": cannotTell, help }, document.body);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hasJustTurned()) submit();
  });
  document.querySelector("[data-skip]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    document.getElementById("skip").hidePopover();
    keeper.skip([data.get("reason"), data.get("note")].filter(Boolean).join(": "));
  });

  const key = (id, keys, group, run) => ({ id, keys, group: t(group), label: t(`key_${id}`), run });
  const keyboard = createKeyboard([
    ...desk.bindings,
    ...beside.bindings,
    key("no_error", ["0"], "group_judge", noError),
    key("cannot_tell", ["u"], "group_judge", cannotTell),
    key("note", ["n"], "group_say", () => form.querySelector("[name='note']").focus()),
    key("help", ["?"], "group_show", help),
    ...(page.urls.skip ? [key("skip", ["x"], "group_finish", () => togglePopover("skip"))] : []),
    key("submit", ["Enter"], "group_finish", submit),
  ]);
  signal.addEventListener("abort", () => keyboard.stop());
  showKeys(keyboard);
  watchSingleKeys();

  desk.start();
  renderMath(document);
  cursor.to(cursor.index);
  keyboard.itemShown();
}
