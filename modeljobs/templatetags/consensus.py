"""Words of the pages about comparisons. `{% load consensus %}`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from labeling.templatetags.workbench_ui import mark

register = template.Library()


@register.filter
def decision_word(decision: str) -> str:
    """What became of a solution, in a few words."""
    words = {
        "kept": _("Kept"),
        "disagreement": _("They disagree"),
        "judge_split": _("The judge is split"),
        "judge_unread": _("The judge was not read"),
        "rpe_open": _("Rollouts leave it open"),
    }
    return words.get(decision, decision)


@register.filter
def decision_reason(decision: str) -> str:
    """What a decision means, in a sentence."""
    words = {
        "kept": _("Both say the same of every step that is compared."),
        "disagreement": _("A step is right by one and wrong by the other."),
        "judge_split": _("The judge's samples do not point to one first error."),
        "judge_unread": _("Too few of the judge's samples could be read."),
        "rpe_open": _("A step has no verdict: its counts are unknown, or leave it open."),
    }
    return words.get(decision, "")


@register.filter
def left_out_reason(reason: str) -> str:
    """Why a kept solution has no conversation, or one that ends early."""
    words = {
        "texts_gone": _("The judge's texts were removed, because they were older than is kept"),
        "not_judged": _("The judge went no further"),
        "unread": _("A reply could not be read"),
        "disagrees": _("No sample agrees with the labels that far"),
        "fell_back": _("The verdict was forced, without what the code printed"),
        "not_run": _("No code was run, or its output was imagined"),
        "malformed": _("A reply lacks a part of the protocol, or has one twice"),
    }
    return words.get(reason, reason)


@register.filter
def first_error_text(packed: Mapping[str, Any]) -> str:
    """Where the judge's samples see the first error together, in words."""
    if "at" in packed:
        return _("step %(number)s") % {"number": packed["at"] + 1}
    if packed.get("none"):
        return _("no error")
    return _("not settled: %(reason)s") % {"reason": packed.get("unknown", "")}


@register.simple_tag
def verdict_mark(verdict: bool | None, unknown: str = "") -> SafeString:
    """A machine's verdict on a step as a picture with its word; `unknown` is that for none."""
    symbol = "none" if verdict is None else "1" if verdict else "-1"
    words = {True: _("right"), False: _("wrong"), None: unknown or _("open")}
    return format_html(
        '<span class="row row--nowrap">{}<span class="small">{}</span></span>',
        mark(symbol, label="", small=True, machine=True),
        words[verdict],
    )


@register.filter
def agreement_word(agrees: bool | None) -> str:
    """Whether both say the same of a step."""
    return {True: _("same"), False: _("differ"), None: _("not compared")}[agrees]
