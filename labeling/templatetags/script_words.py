"""The words of the scripts: one catalogue, translated with everything else.

A word with a number is a mapping of plural forms; names in braces are filled in by the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

Words = Mapping[str, "str | Mapping[str, str]"]


def script_words() -> Words:
    """Every text that a script may show, by its key."""
    return _words_in(get_language())


@lru_cache(maxsize=16)
def _words_in(language: str | None) -> Words:
    """Those of one language, which is the one in force: every page of work has them all."""
    return {**_saving(), **_mathematics(), **_rating(), **_verdicts(), **_keys(), **_theme()}


def _forms(one: str, other: str) -> Mapping[str, str]:
    return {"one": one, "other": other}


def _theme() -> Words:
    return {
        "theme_system": _("Theme: follows the system"),
        "theme_light": _("Theme: light"),
        "theme_dark": _("Theme: dark"),
        "undo": _("Undo"),
        "chosen": _("chosen"),
        "close": _("Close"),
    }


def _saving() -> Words:
    return {
        "saving": _("Saving"),
        "saved": _("Saved"),
        "savedHere": _("Saved on this device"),
        "notSaved": _("Not saved: {reason}"),
        "notSavedStorage": _("this browser keeps no data for this page"),
        "backOnline": _forms(
            ngettext("Back online. {n} change saved.", "Back online. {n} changes saved.", 1),
            ngettext("Back online. {n} change saved.", "Back online. {n} changes saved.", 2),
        ),
        "offline": _("You are offline. Your work is kept on this device."),
        "leaseLost": _("Your time with this item has ended. Your draft is safe."),
        "leaseLostAt": _("Your time with this item ended at {time}. Your draft is safe."),
        "takeAgain": _("Take it again"),
        "otherTab": _("This item is open in another tab, which goes on with it."),
        "continueHere": _("Continue here"),
        "submitWaits": _(
            "You are offline. It is kept here and sent as soon as there is a network."
        ),
        "submitFailed": _("Not submitted: {reason}"),
        "restored": _("Changes from this device that had not reached the server are back."),
        "conflictWhen": _("The other version was saved at {time}."),
        "nextItem": _("Next item…"),
        "skipNeedsReason": _("Choose why you skip it."),
        "reasonTitle": _("Why do you change your judgement?"),
        "reasonLabel": _("What is the reason?"),
        "goOnWithIt": _("Go on with it"),
        "submitReason": _("Submit the change"),
    }


def _mathematics() -> Words:
    return {
        "mathBroken": _("Column {column}: {message}"),
        "mathTooLong": _("This formula is too long to be rendered."),
        "mathRefused": _("{command} is not allowed here."),
        "copied": _("Copied as source"),
        "copyFailed": _("The browser did not allow copying"),
        "equalityAbsent": _("Equalities cannot be checked here."),
        "rawOn": _("Source is shown"),
        "rawOff": _("Mathematics is rendered"),
    }


def _rating() -> Words:
    return {
        "rating_1": _("+1, correct"),
        "rating_0": _("0, neutral"),
        "rating_-1": _("−1, wrong"),
        "rating_unsure": _("unsure"),
        "rating_none": _("not judged yet"),
        "rating_skip": _("not judged"),
        "step": _("Step {n}"),
        "unsure": _("Unsure"),
        "note": _("note"),
        "firstError": _("First error"),
        "inherited": _("Follows"),
        "redundant": _("Redundant"),
        "circular": _("Circular"),
        "firstErrorSet": _("First error set at step {n}"),
        "earlierError": _("Step {n} is −1 already; this is a later error of its own."),
        "restCorrect": _forms(
            ngettext("{n} step marked +1", "{n} steps marked +1", 1),
            ngettext("{n} step marked +1", "{n} steps marked +1", 2),
        ),
        "judgedOf": _("{done} of {total} judged"),
        "stepsLeft": _forms(
            ngettext("{n} step left", "{n} steps left", 1),
            ngettext("{n} step left", "{n} steps left", 2),
        ),
        "allJudged": _("All steps judged"),
        "stoppedAt": _("Stopped at the first error"),
        "badProblem": _("The problem is bad"),
        "giveUp": _("Give up on this item"),
        "submitBadProblem": _("Submit: bad problem"),
        "submitGiveUp": _("Submit: given up"),
        "typesCleared": _("No error type"),
        "inBulk": _("in bulk"),
        "gaveUp": _("Given up"),
        "calledBad": _("The problem is called bad"),
        "sayReason": _("Say why, in a word or two."),
        "unconfirmed": _("unconfirmed"),
        "proposedWords": _("{rating} proposed, unconfirmed"),
        "sayWhy": _("Say why"),
        "overridden": _("Overridden"),
        "sayWhyAt": _("Say why at step {n}"),
        "whyNot": _("Step {n}: why not {rating}, as proposed?"),
        "notOverridden": _("This step is not rated otherwise than proposed"),
        "nothingProposed": _("Nothing is proposed for this step"),
        "restProposed": _forms(
            ngettext("{n} step confirmed as proposed", "{n} steps confirmed as proposed", 1),
            ngettext("{n} step confirmed as proposed", "{n} steps confirmed as proposed", 2),
        ),
        "firstWas": _("First: {rating}"),
        "firstWords": _("First judgement, before the evidence: {rating}"),
    }


def _verdicts() -> Words:
    return {
        "accept": _("Accept"),
        "accept_with_edits": _("Accept with edits"),
        "reject": _("Reject"),
        "verdict_unsure": _("Unsure"),
        "bad_problem": _("Bad problem"),
        "submitVerdict": _("Submit"),
        "stillSealed": _("Judge before the claim opens"),
        "needVerdict": _("Choose a verdict"),
        "needRejectCode": _("Choose why it is rejected"),
        "needNote": _("Say why in the note"),
        "needEdits": _("Make an edit, or accept as it is"),
        "needErrors": _("No error step is left: flag one"),
        "needCorrect": _("Say whether the solution is correct"),
        "needDifferent": _("Say whether it really differs"),
        "needYes": _("Accept what is correct and differs, or change an answer"),
        "needUnflagged": _("An accepted solution has no error step: unflag it"),
        "askCorrect": _("Is this solution correct?"),
        "askDifferent": _("Does it really differ from the original?"),
        "verdictFollows": _("From your answers follows: {verdict}"),
        "originalWrong": _("A lead will look at the original."),
        "originalWrongMarks": _forms(
            ngettext(
                "{n} other item made from this original is marked; a lead will look.",
                "All {n} other items made from this original are marked; a lead will look.",
                1,
            ),
            ngettext(
                "{n} other item made from this original is marked; a lead will look.",
                "All {n} other items made from this original are marked; a lead will look.",
                2,
            ),
        ),
        "reportOpen": _("A reviewer reported the original as wrong on {date}; a lead will look."),
        "reportConfirmed": _("The original is wrong: a lead confirmed it on {date}."),
        "reportDismissed": _(
            "The original was reported as wrong; a lead found it right on {date}."
        ),
        "needReason": _("Give the reason for your decision"),
        "needDecisions": _forms(
            ngettext("{n} step open", "{n} steps open", 1),
            ngettext("{n} step open", "{n} steps open", 2),
        ),
        "nothingOpen": _("Nothing open"),
        "decide": _("Decide"),
        "firstJudgement": _("first judgement: {judgement}"),
        "blindAt": _("error at step {n}"),
        "blindNone": _("no error"),
        "blindUnknown": _("cannot tell"),
        "claimOpened": _("The claim is open"),
        "notThere": _("This step is not in the modified solution"),
        "error": _("error"),
        "edit_flag": _("Step {n} is an error too"),
        "edit_unflag": _("Step {n} is no error"),
        "edit_shift": _("Error steps shifted by {by}"),
        "edit_replace": _("Step {n} replaced"),
        "edit_insert_after": _("A step inserted after step {n}"),
        "edit_insert_first": _("A step inserted before step 1"),
        "edit_delete": _("Step {n} deleted"),
        "edit_set_type": _("Type set to {name}"),
        "removeEdit": _("Remove this edit"),
        "editReplaceTitle": _("Replace step {n}"),
        "editInsertTitle": _("Insert after step {n}"),
        "edited": _("edited"),
        "deleted": _("deleted"),
        "inserted": _("inserted"),
        "applyFix": _("Apply the fix"),
        "fix_flag": _("Flag it"),
        "fix_unflag": _("Unflag it"),
        "fix_shift": _("Shift by {by}"),
        "fix_replace": _("Replace it"),
        "fix_delete": _("Delete it"),
        "fix_other": _("Fix"),
        "noHints": _("There are no hints"),
        "noEvidence": _("There is no machine evidence on this item"),
        "noFixes": _("No hint has a fix that is left to do"),
        "none": _("none"),
        "majorityTaken": _("Taken from the majority"),
        "noMajority": _("There is no majority on this step"),
    }


def _keys() -> Words:
    return {
        "group_move": _("Move"),
        "group_judge": _("Judge"),
        "group_repair": _("Repair"),
        "group_say": _("Say"),
        "group_show": _("Show"),
        "group_finish": _("Finish"),
        "key_next": _("Next step"),
        "key_previous": _("Previous step"),
        "key_next_changed": _("Next changed step"),
        "key_previous_changed": _("Previous changed step"),
        "key_next_open": _("Next open step"),
        "key_previous_open": _("Previous open step"),
        "key_next_any": _("Next step of any kind"),
        "key_previous_any": _("Previous step of any kind"),
        "key_first_error": _("First error here"),
        "key_no_error": _("No error (first judgement)"),
        "key_cannot_tell": _("Cannot tell (first judgement)"),
        "key_inherited": _("Follows from an earlier error"),
        "key_unsure": _("Unsure, on or off"),
        "key_rest_proposed": _("All steps that are left are as proposed"),
        "key_why_missed_error": _("Not as proposed: it missed an error"),
        "key_why_false_alarm": _("Not as proposed: it sees an error where there is none"),
        "key_why_misread": _("Not as proposed: it misread the step or the problem"),
        "key_why_inherited": _("Not as proposed: the error was made earlier"),
        "key_why_contribution": _("Not as proposed: it adds more or less than said"),
        "key_why_guidelines": _("Not as proposed: our guidelines judge otherwise"),
        "key_why_other": _("Not as proposed: another reason"),
        "key_flag": _("Flag this step, on or off"),
        "key_shift_back": _("All error steps one back"),
        "key_shift_on": _("All error steps one on"),
        "key_replace": _("Replace the step"),
        "key_insert": _("Insert a step after"),
        "key_delete": _("Delete the step"),
        "key_hint": _("Next hint"),
        "key_fix": _("Apply the hint's fix"),
        "key_majority": _("Take the majority"),
        "key_send_back": _("Send back"),
        "key_type": _("Error type"),
        "key_note": _("Note"),
        "key_reason": _("Reason"),
        "key_raw": _("Source or rendered"),
        "key_copy": _("Copy the step as source"),
        "key_problem": _("Problem"),
        "key_bad_problem": _("The problem is bad"),
        "key_skip": _("Skip, with a reason"),
        "key_undo": _("Undo"),
        "key_redo": _("Redo"),
        "key_submit": _("Submit"),
        "key_decide": _("Decide"),
        "key_help": _("All keys"),
        "key_close": _("Close, or leave a text field"),
        "key_guidelines": _("Guidelines"),
        "key_rest_correct": _("All steps that are left are correct"),
        "key_take_proposal": _("Take what the machine proposes for this step"),
        "key_comment": _("Comment on this step"),
        "key_evidence": _("Machine evidence"),
        "key_equality": _("Is this equality true?"),
        "noKey": _("no key"),
        "noNetwork": _("there is no network"),
        "keysNotKept": _("Not kept on your account: {reason}"),
        "pressKey": _("Press it now"),
        "pressKeyHow": _("Press the new key. Escape leaves everything as it is."),
        "guidanceFound": _forms(
            ngettext("{n} place says that", "{n} places say that", 1),
            ngettext("{n} place says that", "{n} places say that", 2),
        ),
    }
