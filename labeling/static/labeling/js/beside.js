/** What stands and opens beside the steps: the problem, guidelines, comments, machine evidence.
 *
 *  const beside = createBeside({ cursor, signal });
 *  runActions({ ...desk.actions, ...beside.actions }); createKeyboard([...desk.bindings, ...beside.bindings]);
 *
 *  Evidence and equalities have scripts of their own, which are loaded where the page has a place for them.
 */

import { toggleComments } from "./comments.js";
import { startGuidelines, toggleGuidelines } from "./guidelines.js";
import { t } from "./text.js";
import { showToast } from "./toast.js";

export function createBeside({ cursor, signal = undefined }) {
  const position = () => {
    const here = cursor.row?.dataset.position;
    return here === undefined ? null : Number(here);
  };
  const isThere = (what) => document.querySelector(what) !== null;

  startGuidelines({ signal });
  if (isThere("[data-equality]")) {
    import("./equality.js").then(({ startEquality }) => startEquality({ signal, position }));
  }

  const evidence = async () => {
    if (!isThere("[data-evidence-section]")) {
      showToast(t("noEvidence"));
      return;
    }
    const { toggleEvidence } = await import("./evidence.js");
    toggleEvidence();
  };

  const equality = async () => {
    if (!isThere("[data-equality]")) {
      showToast(t("equalityAbsent"));
      return;
    }
    const { askEquality } = await import("./equality.js");
    askEquality();
  };

  const problem = () => {
    const question = document.getElementById("question");
    question.scrollIntoView({ block: "nearest" });
    question.focus({ preventScroll: true });
  };

  const comment = () => toggleComments({ position: position() });
  const key = (id, keys, group, run) => ({ id, keys, group: t(group), label: t(`key_${id}`), run });

  return {
    actions: { comment, equality, evidence, problem, guidelines: toggleGuidelines },
    bindings: [
      key("problem", ["p"], "group_move", problem),
      key("comment", ["c"], "group_say", comment),
      key("evidence", ["m"], "group_show", evidence),
      key("equality", ["="], "group_show", equality),
      key("guidelines", ["g"], "group_show", toggleGuidelines),
    ],
  };
}
