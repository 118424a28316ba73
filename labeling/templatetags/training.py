"""Words of training: what was right and wrong in an answer. `{% load training %}`"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.content import Content, Outcome, VerdictContent
from labeling.models import Project, User
from labeling.records import At, FirstError, NoError
from labeling.selectors.training import Standing, find_standing
from labeling.templatetags.workspace import blind_words, reject_word, step_list, type_name
from labeling.templatetags.workspace import verdict_word as name_verdict
from labeling.training_rules import ACCEPTING

if TYPE_CHECKING:
    from labeling.selectors.review import ErrorTypeView

register = template.Library()

Types = Iterable["ErrorTypeView"]


@register.simple_tag
def training_standing(project: Project, user: User) -> Standing | None:
    """Where the person stands with the training, where the project asks for it; else None."""
    return find_standing(user, project) if project.screening_required else None


@register.simple_tag
def finding_words(finding: Mapping[str, Any], error_types: Types) -> str:
    """A packed finding as a sentence."""
    kind, is_right, values = finding["kind"], finding["is_right"], finding["values"]
    return (
        _say_place(kind, values)
        or _say_end(kind, values)
        or _say_verdict(kind, values, is_right=is_right)
        or _say_detail(kind, values, error_types, is_right=is_right)
        or str(kind)
    )


def _say_place(kind: str, values: Mapping[str, Any]) -> str:
    """Where the first error is, and where it was seen."""
    wanted, said = _find_step(values.get("expected")), _find_step(values.get("given"))
    places = {"expected": wanted, "given": said}
    if kind == "not_found" and wanted is None:
        return _("There is no error; your ratings leave that open.")
    sentence = {
        "found": _("The first error is at step %(expected)s, as you said."),
        "clean": _("There is no error, as you said."),
        "missed": _("The first error is at step %(expected)s; you saw none."),
        "invented": _("There is no error; you put the first one at step %(given)s."),
        "too_early": _(
            "The first error is at step %(expected)s; step %(given)s, where you put it, is right."
        ),
        "too_late": _(
            "The first error is at step %(expected)s already; you put it at step %(given)s."
        ),
        "not_found": _("The first error is at step %(expected)s; your ratings leave it open."),
    }.get(kind, "")
    return sentence % places


def _find_step(packed: object) -> int | None:
    """The number of the step that a packed first error names."""
    if isinstance(packed, Mapping) and "at" in packed:
        return int(packed["at"]) + 1
    return None


def _say_end(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "verdict_unsure":
        word = name_verdict(str(values["expected"]))
        return _("A verdict can be given here: %(verdict)s.") % {"verdict": word}
    return {
        "bad_problem": _("The problem is bad, as you said."),
        "missed_bad_problem": _("The problem itself is bad; its steps are not judged then."),
        "no_bad_problem": _("The problem is not bad: its steps can be judged."),
        "gave_up": _("You gave up on this one; it can be judged."),
    }.get(kind, "")


def _say_verdict(kind: str, values: Mapping[str, Any], *, is_right: bool) -> str:
    if kind == "verdict" and is_right:
        if values["expected"] == "reject":
            return _("The claim is to be rejected, as you said.")
        return _("The claim is to be accepted, as you said.")
    if kind == "accepted":
        return _("The claim is to be rejected; you accepted it.")
    if kind == "rejected":
        if values["expected"] == "accept":
            return _("The claim is right; you rejected it.")
        return _("The claim is right once it is repaired; you rejected it.")
    if kind == "reason":
        words = {name: reject_word(str(values[name])) for name in ("expected", "given")}
        if is_right:
            return _("The reason for rejecting it is as expected: %(expected)s.") % words
        return _("The reason for rejecting it is “%(expected)s”; you said “%(given)s”.") % words
    return ""


def _say_detail(kind: str, values: Mapping[str, Any], error_types: Types, *, is_right: bool) -> str:
    if kind in ("ratings", "types"):
        numbers = {"same": values["same"], "of": values["of"]}
        if kind == "ratings":
            return _("%(same)s of %(of)s ratings are as expected.") % numbers
        return _("%(same)s of %(of)s error types are as expected.") % numbers
    if kind in ("type", "claim_type"):
        return _say_type(values, error_types, is_right=is_right)
    if kind == "rating":
        words = {name: mark_words(str(values[name])) for name in ("expected", "given")}
        place = {"step": values["position"] + 1, **words}
        return _("Step %(step)s: %(expected)s is expected; you said %(given)s.") % place
    if kind == "positions":
        steps = {name: step_list(values[name]) for name in ("expected", "given")}
        if is_right:
            return _("The error steps are as expected: %(expected)s.") % steps
        return _("The error steps are %(expected)s; you flagged %(given)s.") % steps
    if kind == "blind":
        if is_right:
            return _("Your first judgement, before you saw the claim, was right.")
        said = {name: blind_words(values[name]) for name in ("expected", "given")}
        return _("Before you saw the claim you said “%(given)s”; right is “%(expected)s”.") % said
    if kind in ("is_correct", "is_different"):
        replies = {name: reply_word(str(values[name])) for name in ("expected", "given")}
        if kind == "is_correct":
            return _("Is this solution correct? Expected: %(expected)s; you: %(given)s.") % replies
        return _("Does it really differ? Expected: %(expected)s; you: %(given)s.") % replies
    return {
        "repair_missing": _("The text of a step needed a repair."),
        "repair_added": _("No step needed a repair of its text."),
    }.get(kind, "")


def _say_type(values: Mapping[str, Any], error_types: Types, *, is_right: bool) -> str:
    types = list(error_types)
    names = {name: type_name(str(values[name]), types) for name in ("expected", "given")}
    if is_right:
        return _("The type is as expected: %(expected)s.") % names
    if "position" in values:
        names["step"] = values["position"] + 1
        if names["given"]:
            return _("Step %(step)s: the type is %(expected)s; you said %(given)s.") % names
        return _("Step %(step)s: the type is %(expected)s; you named none.") % names
    if names["given"]:
        return _("The type is %(expected)s; you said %(given)s.") % names
    return _("The type is %(expected)s; you named none.") % names


@register.simple_tag
def confusion_words(confusion: Mapping[str, Any], error_types: Types) -> str:
    """What was taken for what, in a few words."""
    kind, values = confusion["kind"], confusion["values"]
    if kind == "rating":
        words = {name: mark_words(values[name]) for name in ("expected", "given")}
        return _("A step rated %(given)s that is %(expected)s") % words
    if kind in ("type", "claim_type"):
        types = list(error_types)
        names = {name: type_name(values[name], types) for name in ("expected", "given")}
        if not names["given"]:
            return _("No type given where it is %(expected)s") % names
        return _("%(given)s given as the type where it is %(expected)s") % names
    return {
        "missed": _("An error that was not seen"),
        "invented": _("An error seen where there is none"),
        "too_early": _("The first error put too early"),
        "too_late": _("The first error put too late"),
        "not_found": _("The first error left open"),
        "accepted": _("A claim accepted that does not hold"),
        "rejected": _("A claim rejected that holds"),
        "verdict_unsure": _("Unsure of a claim that can be judged"),
        "positions": _("Other error steps"),
        "reason": _("Another reason for rejecting"),
        "missed_bad_problem": _("A bad problem that was not seen"),
        "no_bad_problem": _("A problem called bad that is not"),
        "gave_up": _("Gave up on an item that can be judged"),
        "repair_missing": _("A needed repair that was not made"),
        "repair_added": _("A repair that was not needed"),
        "is_correct": _("Another answer on whether a solution is correct"),
        "is_different": _("Another answer on whether a solution differs"),
    }.get(kind, str(kind))


@register.filter
def mark_words(mark: str) -> str:
    """A mark in words as they stand within a sentence."""
    words = {"1": "+1", "0": "0", "-1": "−1", "unsure": _("unsure"), "skip": _("not judged")}
    return words.get(mark, mark)


@register.filter
def reply_word(reply: str) -> str:
    words = {"yes": _("yes"), "no": _("no"), "unsure": _("unsure"), "": _("no answer")}
    return words.get(reply, reply)


@register.simple_tag
def content_words(content: Content, n_steps: int, error_types: Types) -> str:
    """What a settled content says, in a line: "no error", "Accept: Deception at steps 2, 3"."""
    if not isinstance(content, VerdictContent):
        if content.outcome is Outcome.BAD_PROBLEM:
            return _("bad problem")
        return first_error_word(content.first_error(n_steps))
    word = name_verdict(str(content.verdict))
    if content.verdict not in ACCEPTING:
        code = "" if content.reject_code is None else reject_word(str(content.reject_code))
        if not code:
            return word
        return _("%(verdict)s: %(detail)s") % {"verdict": word, "detail": code}
    name = type_name(content.error_type, error_types)
    detail = {"verdict": word, "detail": name, "steps": step_list(content.error_positions)}
    if not content.error_positions:
        return _("%(verdict)s: %(detail)s") % detail if name else word
    sentence = ngettext(
        "%(verdict)s: %(detail)s at step %(steps)s",
        "%(verdict)s: %(detail)s at steps %(steps)s",
        len(content.error_positions),
    )
    return sentence % detail


@register.filter
def first_error_word(first: FirstError) -> str:
    """Where the first error is, in words."""
    if isinstance(first, At):
        return _("first error at step %(number)s") % {"number": first.position + 1}
    return _("no error") if isinstance(first, NoError) else _("first error not known")


@register.filter
def hindrance_word(hindrance: str) -> str:
    """Why a settled item cannot train anybody."""
    return {
        "gave_up": _("nobody could judge it"),
        "unsure": _("its verdict is unsure"),
        "no_first_error": _("its first error is left open"),
    }.get(hindrance, hindrance)
