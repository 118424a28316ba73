"""Equality checks as pages and REST show them, in the reader's words. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.models import ReviewItem, User
from modeljobs.given import list_of, mapping_of, text
from modeljobs.models import EqualityCheck
from workbench.messages import translate_sentence

# Of an item, the newest of them.
SHOWN: Final = 20

Values = Mapping[str, Any]

_RELATIONS: Final[Mapping[str, str]] = {
    "=": "=",
    "!=": "\\ne",
    "<": "<",
    "<=": "\\le",
    ">": ">",
    ">=": "\\ge",
    "~": "\\approx",
    "==": "\\equiv",
}


@dataclass(frozen=True, slots=True)
class PairView:
    """Two sides as they were understood (LaTeX, in dollars), what is said of them, and why."""

    statement: str
    answer: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check. `headline` is the answer in a few words; `sentences` are about all of it.

    Formulas in sentences stand in dollars.
    """

    check: EqualityCheck
    headline: str
    pairs: tuple[PairView, ...]
    sentences: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        return self.check.state in (EqualityCheck.State.DONE, EqualityCheck.State.FAILED)


def list_checks(item: ReviewItem, user: User, *, sees_others: bool) -> QuerySet[EqualityCheck]:
    """The checks of an item that this person may see, newest first: reviewers see their own."""
    rows = EqualityCheck.objects.filter(review_item=item).select_related("author").order_by("-pk")
    return rows if sees_others else rows.filter(author=user)


def show_check(check: EqualityCheck) -> CheckView:
    """The check in the reader's language, whatever of its reason can be read."""
    reason = _read_reason(check.reason)
    values = mapping_of(reason.get("values"))
    if check.state == EqualityCheck.State.FAILED:
        said = _explain_failure(text(reason.get("code")), values)
        return CheckView(check, _("Not checked"), (), (said,))
    if check.state != EqualityCheck.State.DONE:
        return CheckView(check, check.get_state_display(), (), ())
    pairs = tuple(_show_pair(mapping_of(one)) for one in list_of(reason.get("pairs")))
    codes = [text(mapping_of(one).get("code")) for one in list_of(reason.get("pairs"))]
    sentences = [] if pairs else [_explain(text(reason.get("code")), values)]
    if text(reason.get("ended")):
        sentences.append(_("The proof was broken off, because it took too much time or memory."))
    return CheckView(
        check,
        _find_headline(check.answer, "counterexample" in codes),
        pairs,
        tuple(sentences),
    )


def _read_reason(reason: str) -> Values:
    try:
        found = json.loads(reason)
    except ValueError:
        return {}
    return mapping_of(found)


def _find_headline(answer: str, has_counterexample: bool) -> str:
    if answer == EqualityCheck.Answer.FALSE and has_counterexample:
        return _("Not for all values")
    words = {
        EqualityCheck.Answer.TRUE: _("True"),
        EqualityCheck.Answer.FALSE: _("False"),
    }
    return words.get(EqualityCheck.Answer(answer), _("Cannot tell")) if answer else _("Cannot tell")


def _show_pair(given: Values) -> PairView:
    left, right = text(given.get("left")), text(given.get("right"))
    relation = _RELATIONS.get(text(given.get("relation")), "=")
    notes = (_explain_note(text(note)) for note in list_of(given.get("notes")))
    answer = text(given.get("answer"))
    return PairView(
        # A side that is too long was left out.
        statement=f"${left} {relation} {right}$" if left and right else "",
        answer=answer if answer in EqualityCheck.Answer.values else EqualityCheck.Answer.UNKNOWN,
        sentences=(
            _explain(text(given.get("code")), mapping_of(given.get("values"))),
            *(note for note in notes if note),
        ),
    )


# --- Words ----------------------------------------------------------------------------------------


def _math(values: Values, name: str) -> str:
    """A value as a formula in a sentence."""
    return f"${text(values.get(name))}$"


def _quote(values: Values, name: str) -> str:
    """What somebody wrote, as it stands in a sentence: its dollars would begin a formula."""
    return text(values.get(name)).replace("$", "")


def _sides(values: Values) -> dict[str, str]:
    return {"left": _math(values, "left"), "right": _math(values, "right")}


def _explain(code: str, values: Values) -> str:
    """Why the answer is what it is."""
    for words in (_explain_answer, _explain_open, _explain_unreadable):
        found = words().get(code)
        if found is not None:
            return found(values)
    return _("The reason was not kept.")


def _explain_answer() -> Mapping[str, Callable[[Values], str]]:
    def name_both(values: Values) -> str:
        sentence = _("The left side is %(left)s and the right side %(right)s.")
        return sentence % _sides(values)

    def name_point(values: Values) -> str:
        sentence = _("At %(point)s the left side is %(left)s and the right side %(right)s.")
        return sentence % {"point": _name_point(values), **_sides(values)}

    def name_rests(values: Values) -> str:
        sentence = _(
            "Divided by %(modulus)s, the left side leaves %(left)s and the right side %(right)s."
        )
        return sentence % {"modulus": _math(values, "modulus"), **_sides(values)}

    def name_digits(values: Values) -> str:
        n = _count(values, "digits")
        sentence = ngettext(
            "The left side is %(left)s and the right side %(right)s: that is right to %(n)s digit "
            "after the point.",
            "The left side is %(left)s and the right side %(right)s: that is right to %(n)s digits "
            "after the point.",
            n,
        )
        return sentence % {"n": n, **_sides(values)}

    return {
        "exact": lambda values: _("Both sides are %(value)s.") % {"value": _math(values, "left")},
        "compared": name_both,
        "numbers": name_both,
        "counterexample": name_point,
        "same_rest": name_rests,
        "other_rest": name_rests,
        "rounded": name_digits,
        "proved": lambda _values: _("Both sides are the same number; algebra proves it."),
        "identity": lambda _values: _(
            "Both sides are the same for all values for which they are defined; algebra proves it."
        ),
        "always": lambda _values: _(
            "It holds for all values for which both sides are defined; algebra proves it."
        ),
        "math_verify": lambda _values: _("Math-Verify reads both sides as the same."),
    }


def _explain_open() -> Mapping[str, Callable[[Values], str]]:
    def name_points(values: Values) -> str:
        n = _count(values, "points")
        sentence = ngettext(
            "It holds at the %(n)s point that was tried, but nothing proves it for all values.",
            "It holds at all %(n)s points that were tried, but nothing proves it for all values.",
            n,
        )
        return sentence % {"n": n}

    def name_digits(values: Values) -> str:
        n = _count(values, "digits")
        sentence = ngettext(
            "Both sides agree to %(n)s digit, but nothing proves that they are the same.",
            "Both sides agree to %(n)s digits, but nothing proves that they are the same.",
            n,
        )
        return sentence % {"n": n}

    def name_units(values: Values) -> str:
        if not values.get("left"):
            return _("Only one side has the unit %(units)s.") % {"units": _quote(values, "units")}
        sentence = _(
            "Only one side has the unit %(units)s. Without it the left side is %(left)s and the "
            "right side %(right)s."
        )
        return sentence % {"units": _quote(values, "units"), **_sides(values)}

    def name_percent(values: Values) -> str:
        if not values.get("left"):
            return _("It holds only if the percent sign is read as a unit.")
        sentence = _(
            "It holds only if the percent sign is read as a unit: as a hundredth the left side is "
            "%(left)s and the right side %(right)s."
        )
        return sentence % _sides(values)

    def name_roughly(values: Values) -> str:
        sentence = _(
            "The sides are near each other, %(left)s and %(right)s, but none is the other rounded."
        )
        return sentence % _sides(values)

    return {
        "points": name_points,
        "digits": name_digits,
        "units_one_side": name_units,
        "percent": name_percent,
        "roughly": name_roughly,
        "two_readings": _name_readings,
        "units_differ": lambda values: (
            _("The sides have different units: %(units)s.") % {"units": _quote(values, "units")}
        ),
        "names": lambda values: (
            _("It says what %(name)s stands for: there is nothing to check.")
            % {"name": _math(values, "name")}
        ),
        "condition": lambda values: (
            _("It is a condition on %(name)s: there is nothing to check.")
            % {"name": _math(values, "name")}
        ),
        "maybe_function": _name_function,
        "function": lambda _values: _("It depends on a function that is not known here."),
        "undefined": _name_undefined,
        "symbolic": lambda _values: _(
            "It has a limit, an integral or an endless sum that could not be worked out."
        ),
        "too_large": lambda _values: _("It has a number with more digits than can be computed."),
        "no_point": lambda _values: _(
            "Both sides have a value at none of the points that were tried."
        ),
        "not_real": lambda _values: _("Complex numbers cannot be put in order."),
        "unsteady": lambda _values: _(
            "Its digits cancel each other out, so it cannot be computed well enough."
        ),
        "approximately": lambda _values: _(
            "It has letters: how near the sides are depends on their values."
        ),
        "congruence": lambda _values: _(
            "Only congruences of whole numbers without letters can be checked."
        ),
        "timeout": lambda _values: _("It takes too long to work out."),
        "killed": lambda _values: _("It takes too much memory to work out."),
        "failed": lambda _values: _("It is too much to work out."),
    }


def _explain_unreadable() -> Mapping[str, Callable[[Values], str]]:
    return {
        "empty": lambda _values: _("There is nothing to check."),
        "too_long": lambda _values: _("It is too long."),
        "too_deep": lambda _values: _("Its brackets are nested too deeply."),
        "no_relation": lambda _values: _("There is no equality in it: one needs a sign like =."),
        "several": lambda _values: _("It holds several statements. Select one of them."),
        "list": lambda _values: _("It is a list, and lists cannot be compared."),
        "both_signs": lambda _values: _("It has a sign ± and so says two things. Ask of each."),
        "words": lambda values: (
            _("“%(what)s” is a word. Select the formula alone.") % {"what": _quote(values, "what")}
        ),
        "sign": lambda values: (
            _("It cannot be read at “%(what)s”.") % {"what": _quote(values, "what")}
        ),
        "ends": lambda _values: _("It breaks off."),
        "unclosed": lambda values: (
            _("A bracket is not closed: “%(what)s” is missing.") % {"what": _quote(values, "what")}
        ),
        "unopened": lambda values: (
            _("“%(what)s” closes a bracket that is not open.") % {"what": _quote(values, "what")}
        ),
        "side_by_side": lambda values: (
            _("“%(what)s” stands beside a number without a sign between them.")
            % {"what": _quote(values, "what")}
        ),
        "no_bracket": lambda values: (
            _("“%(what)s” needs a bracket after it.") % {"what": _quote(values, "what")}
        ),
        "two_ways": lambda values: (
            _("“%(what)s” can be read in two ways here. Add brackets.")
            % {"what": _quote(values, "what")}
        ),
    }


def _explain_note(note: str) -> str:
    """How it was read, or for which values it holds; "" for a note that nobody knows."""
    code, _colon, value = note.partition(":")
    if code == "rounded":
        n = int(value) if value.isdigit() else 0
        sentence = ngettext(
            "Rounded to %(n)s digit after the point, both sides are the same.",
            "Rounded to %(n)s digits after the point, both sides are the same.",
            n,
        )
        return sentence % {"n": n}
    words = {
        "money": _("The sign of the currency was left out."),
        "degrees": _("180 degrees were read as %(pi)s.") % {"pi": "$\\pi$"},
        "log_10": _("%(log)s was read to the base 10.") % {"log": "$\\log$"},
        "log_e": _("%(log)s was read to the base %(e)s.")
        % {"log": "$\\log$", "e": "$\\mathrm{e}$"},
        "units": _("Units were converted."),
        "whole": _("%(letters)s: whole numbers only.") % {"letters": f"${value}$"},
        "not_negative": _("%(letters)s: from 0 up only.") % {"letters": f"${value}$"},
    }
    return words.get(code, "")


def _explain_failure(code: str, values: Values) -> str:
    """Why nothing was checked at all: a fault of ours."""
    words = {
        "worker_lost": _("The worker that checked it was lost. Ask again."),
        "no_worker": _("No worker for the sandbox took it in time. Ask again when one is there."),
        "unexpected_error": _("Something failed in the software. It is in the worker's log."),
    }
    if code in words:
        return words[code]
    return translate_sentence(text(values.get("message"))) or _("The sandbox could not be used.")


def _name_point(values: Values) -> str:
    pairs = [list_of(one) for one in list_of(values.get("at"))]
    named = (f"${text(one[0])} = {text(one[1])}$" for one in pairs if len(one) == 2)
    return ", ".join(named)


def _name_function(values: Values) -> str:
    if values.get("answer") == EqualityCheck.Answer.TRUE:
        return _("A letter before a bracket may be a function. As a factor it is true.")
    if values.get("answer") == EqualityCheck.Answer.FALSE:
        return _("A letter before a bracket may be a function. As a factor it is false.")
    return _("A letter before a bracket may be a function or a factor.")


def _name_undefined(values: Values) -> str:
    side = _math(values, "side") if values.get("side") else _("One side")
    sentence = _(
        "%(side)s has no value: there is a division by zero, or no such root or logarithm."
    )
    return sentence % {"side": side}


def _name_readings(values: Values) -> str:
    words = {
        EqualityCheck.Answer.TRUE: _("true"),
        EqualityCheck.Answer.FALSE: _("false"),
        EqualityCheck.Answer.UNKNOWN: _("open"),
    }
    return _("It can be read in two ways: %(readings)s. Add brackets.") % {
        "readings": "; ".join(
            f"${statement}$ ({words[EqualityCheck.Answer(answer)]})"
            for statement, answer in _list_readings(values)
        )
    }


def _list_readings(values: Values) -> Iterator[tuple[str, str]]:
    for one in list_of(values.get("readings")):
        parts = [text(part) for part in list_of(one)]
        if len(parts) == 4 and parts[3] in EqualityCheck.Answer.values:
            yield f"{parts[0]} {_RELATIONS.get(parts[1], '=')} {parts[2]}", parts[3]


def _count(values: Values, name: str) -> int:
    given = text(values.get(name))
    return int(given) if given.isdigit() else 0
