"""Tags of the desk pages: heads, tiles, numbers and times. `{% load desk %}`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BaseForm
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.content import Outcome, VerdictValue
from labeling.models import ImportBatch, Injection, Release, ReviewItem, Solution
from labeling.selectors.imported import ORIGINAL_PREFIX
from labeling.templatetags.workspace import reject_options, verdict_word

register = template.Library()

DASH = "–"
# The tones of badges, by state of an item, an import or a release.
TONES = {
    str(ReviewItem.State.AGREED): "accent",
    str(ReviewItem.State.DISPUTED): "okay",
    str(ReviewItem.State.DECIDED): "accent",
    str(ImportBatch.State.RUNNING): "accent",
    str(ImportBatch.State.FAILED): "bad",
    str(Release.State.BUILDING): "accent",
}


# --- Parts of pages -----------------------------------------------------------------------------


@register.simple_block_tag(takes_context=True, end_name="enddesk_head")
def desk_head(context: Context, content: str, title: str, lead: str = "") -> SafeString:
    """The head of a project's page: the project, a title, a sentence; actions between the tags."""
    return render_to_string(
        "labeling/_desk_head.html",
        {
            "project": context.get("project"),
            "title": title,
            "lead": lead,
            "actions": content,
        },
    )


@register.inclusion_tag("labeling/_link_tile.html")
def link_tile(
    label: str, value: object, url: str = "", detail: str = "", unit: str = ""
) -> dict[str, Any]:
    """One number, which leads to what it was counted from."""
    return {"label": label, "value": value, "url": url, "detail": detail, "unit": unit}


@register.inclusion_tag("labeling/_state_badge.html")
def state_badge(state: str, label: str) -> dict[str, Any]:
    """Where an item, an import or a release stands, as a word in a box."""
    return {"label": label, "tone": TONES.get(state, "")}


@register.filter
def injection_of(solution: Solution) -> Injection | None:
    """The injection that a solution is the modified side of, if it is one."""
    found: Injection | None = getattr(solution, "injection", None)
    return found


@register.filter
def is_original(solution: Solution) -> bool:
    """Did it come with an injection, as the solution that was modified?"""
    return solution.source_key.startswith(ORIGINAL_PREFIX)


@register.filter
def item_state(state: str) -> str:
    """The name of an item's state."""
    return str(dict(ReviewItem.State.choices).get(state, state))


@register.filter
def task_name(task: str) -> str:
    """The name of a kind of review."""
    return str(dict(ReviewItem.Task.choices).get(task, task))


# --- Numbers ------------------------------------------------------------------------------------


@register.filter
def count(number: int | None) -> str:
    """A whole number with its thousands apart: 12,345; a dash for one that is not known."""
    if number is None:
        return DASH
    return formats.number_format(number, decimal_pos=0, use_l10n=True, force_grouping=True)


@register.filter
def decimal(number: float | None, places: int = 2) -> str:
    """A figure with two places and a true minus: 0.71; a dash for one that is not known."""
    if number is None:
        return DASH
    # Django's number_format cuts digits off and does not round; adding 0 takes "-0.00" its sign.
    rounded = Decimal(f"{number:.{places}f}") + 0
    return formats.number_format(rounded, decimal_pos=places, use_l10n=True).replace("-", "−")


@register.filter
def percent(share: float | None) -> str:
    """A share as a whole percentage without its sign: 0.853 is 85; a dash where there is none.

    Only nothing is 0 and only all is 100: 0.998 shows as 99.
    """
    if share is None:
        return DASH
    rounded = round(share * 100)
    if rounded == 0 and share > 0:
        return "<1"
    if rounded == 100 and share < 1:
        return "99"
    return str(rounded)


@register.simple_tag
def share_of(part: int, whole: int) -> str:
    """ "12 %" of a whole, a dash of nothing."""
    return f"{percent(part / whole)} %" if whole else DASH


@register.filter
def interval(bounds: Any) -> str:
    """Two bounds in words, "0.65 to 0.77"; the reason where there is no interval."""
    if bounds is None:
        return ""
    if bounds.low is None or bounds.high is None:
        return str(bounds.explanation)
    return _("%(low)s to %(high)s") % {"low": decimal(bounds.low), "high": decimal(bounds.high)}


@register.filter
def percent_interval(bounds: Any) -> str:
    """Two bounds of a share in words, "65 to 77 %"; the reason where there is no interval."""
    if bounds is None:
        return ""
    if bounds.low is None or bounds.high is None:
        return str(bounds.explanation)
    return _("%(low)s to %(high)s %%") % {
        "low": percent(bounds.low),
        "high": percent(bounds.high),
    }


@register.filter
def bytes_size(size: int | None) -> str:
    """A number of bytes as people read it: "1.4 MB"."""
    if size is None:
        return DASH
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{decimal(value, 0 if unit == 'B' or value >= 100 else 1)} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


@register.filter
def entry_of(mapping: Mapping[Any, Any], key: Any) -> Any:
    """What a mapping holds under a key; an empty text where it holds nothing."""
    return mapping.get(key, "")


@register.filter
def numbers(positions: Sequence[int]) -> str:
    """0-based positions as step numbers, "3, 4"; a dash for none."""
    return ", ".join(str(position + 1) for position in positions) or DASH


# --- Times --------------------------------------------------------------------------------------


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """A moment as an element that machines can read: "21 Nov 2026, 14:05"; a dash for none."""
    if moment is None:
        return DASH
    local = timezone.localtime(moment)
    # Translators: Django's date format for a day and a time.
    shown = formats.date_format(local, _("j M Y, H:i"))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', local.isoformat(), local.tzname(), shown
    )


@register.simple_tag
def day(moment: datetime | None) -> SafeString | str:
    """The day alone: "21 Nov 2026"."""
    if moment is None:
        return DASH
    local = timezone.localtime(moment)
    # Translators: Django's date format for a day.
    shown = formats.date_format(local, _("j M Y"))
    return format_html('<time datetime="{}">{}</time>', local.date().isoformat(), shown)


@register.filter
def duration(seconds: float | None) -> str:
    """About how long: "40 seconds", "18 minutes", "3 hours"; a dash where nobody knows."""
    if seconds is None:
        return DASH
    if seconds < 90:
        n = max(1, round(seconds))
        return ngettext("%(n)s second", "%(n)s seconds", n) % {"n": n}
    if seconds < 90 * 60:
        n = round(seconds / 60)
        return ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": n}
    if seconds < 36 * 3600:
        n = round(seconds / 3600)
        return ngettext("%(n)s hour", "%(n)s hours", n) % {"n": n}
    n = round(seconds / 86_400)
    return ngettext("%(n)s day", "%(n)s days", n) % {"n": n}


@register.filter
def elapsed(start: datetime | None, end: datetime | None) -> str:
    """How long it took from one moment to another."""
    if start is None or end is None:
        return DASH
    return duration(max(timedelta(0), end - start).total_seconds())


# --- Forms --------------------------------------------------------------------------------------


@register.simple_tag
def filter_control(bound: BoundField) -> SafeString:
    """A field's control alone, for rows of filters which have labels of their own."""
    return bound.as_widget(attrs={"class": "input"})


# --- Words of records ---------------------------------------------------------------------------


@register.simple_tag
def first_error_words(value: int | str) -> str:
    """Where the first error is, in words: a position, "none", or "" where nobody knows."""
    if isinstance(value, int):
        return _("first error at step %(number)s") % {"number": value + 1}
    return _("no error") if value == "none" else _("first error not known")


@register.filter
def outcome_word(outcome: str) -> str:
    """How a rating of steps ended, in words."""
    words = {
        Outcome.COMPLETE: _("complete"),
        Outcome.FIRST_ERROR: _("stopped at the first error"),
        Outcome.GAVE_UP: _("gave up"),
        Outcome.BAD_PROBLEM: _("bad problem"),
    }
    return words.get(Outcome(outcome), outcome) if outcome in set(Outcome) else outcome


@register.filter
def reject_word(code: str) -> str:
    """Why an injection was rejected, in words."""
    return next(
        (str(option["word"]) for option in reject_options() if option["value"] == code), code
    )


@register.filter
def standing_word(standing: str) -> str:
    """How an item was settled, in words."""
    words = {
        "decided": _("by an adjudicator"),
        "agreed": _("by agreement"),
        "single": _("by one person"),
    }
    return words.get(standing, standing)


@register.filter
def rating_class(rating: int) -> str:
    """The colour of a rating in a stacked bar; its number stands beside it in words."""
    return {1: "seg-good", 0: "seg-okay", -1: "seg-bad"}.get(rating, "seg-wait")


@register.filter
def left_out_word(reason: str) -> str:
    """Why a release left items out, in words (see `labeling.selectors.truth`)."""
    kind, _colon, code = reason.partition(": ")
    if kind == "rejected":
        word = next((option["word"] for option in reject_options() if option["value"] == code), "")
        return _("Rejected: %(why)s") % {"why": word or code}
    return {
        f"item is {ReviewItem.State.WAITING}": _("Not reviewed by enough people yet"),
        f"item is {ReviewItem.State.DISPUTED}": _("In dispute"),
        f"item is {ReviewItem.State.DISCARDED}": _("Discarded"),
        f"outcome is {Outcome.GAVE_UP}": _("The reviewer gave up"),
        f"outcome is {Outcome.BAD_PROBLEM}": _("Bad problem"),
        f"verdict is {VerdictValue.UNSURE}": _("Unsure"),
        f"verdict is {VerdictValue.BAD_PROBLEM}": _("Bad problem"),
        "original is wrong": _("The original is wrong"),
        "blocking lints": _("Blocking lints"),
    }.get(reason, reason)


@register.filter
def verdict_word_of(value: object) -> str:
    """A verdict in words, as it stands among the categories of a statistic."""
    return verdict_word(str(value))


@register.inclusion_tag("labeling/_remove_box.html")
def remove_box(form: BaseForm, words: str) -> dict[str, Any]:
    """The box that takes a row of a formset away when the form is sent."""
    return {"box": form["DELETE"].as_widget(attrs={"class": "checkbox"}), "words": words}


@register.inclusion_tag("labeling/_secret_field.html")
def secret_field(secret: str, element_id: str, label: str) -> dict[str, Any]:
    """A secret that is shown once, in a field to be copied from."""
    return {"secret": secret, "element_id": element_id, "label": label}
