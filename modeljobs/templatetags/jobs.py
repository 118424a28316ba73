"""Words and sums of the pages about model jobs. `{% load jobs %}`"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def reason_word(code: str) -> str:
    """Why items failed, in words; a code that has none stays as it is."""
    words = {
        "": _("No reason was given"),
        "bad_certificate": _("The engine's certificate is not trusted"),
        "bad_host_list": _("A list of hosts cannot be read"),
        "bad_json": _("The JSON in the reply cannot be read"),
        "bad_position": _("A step number in the reply is none"),
        "bad_reply": _("The engine's reply cannot be read"),
        "bad_url": _("The engine's address cannot be read"),
        "cut_off": _("The reply was cut off"),
        "connection": _("No connection to the engine"),
        "empty": _("The reply is empty"),
        "host_not_allowed": _("The engine's host may not be called"),
        "insecure_url": _("The key would travel unencrypted"),
        "key_missing": _("The key is not set"),
        "key_not_bound": _("The key is not for this host"),
        "missing_field": _("The reply leaves something out"),
        "no_json": _("No JSON in the reply"),
        "no_steps": _("The reply holds no steps"),
        "no_product": _("The method made nothing"),
        "rate_limited": _("The engine refuses more requests for now"),
        "redirect": _("The engine sends us elsewhere"),
        "refused": _("The result could not be taken in"),
        "reply_too_large": _("The reply is too large"),
        "too_long": _("The reply is too long"),
        "truncated": _("The reply breaks off"),
        "timeout": _("The engine did not answer in time"),
        "unexpected_error": _("Something failed in the software"),
        "unsuitable_source": _("The solution cannot be used"),
        "wrong_type": _("Something in the reply has the wrong form"),
        "worker_lost": _("The worker was lost"),
    }
    return words.get(code, code.replace("_", " "))


@register.filter
def job_event(verb: str) -> str:
    """What happened to a job, in words."""
    words = {
        "job.created": _("Made"),
        "job.started": _("Started"),
        "job.paused": _("Paused"),
        "job.resumed": _("Resumed"),
        "job.cancelled": _("Cancelled"),
        "job.retried": _("Tried again"),
        "job.reopened": _("Opened again"),
        "job.done": _("Done"),
    }
    return words.get(verb, verb)


@register.filter
def total(rows: Iterable[Any], name: str) -> int:
    """The sum of one number over all rows."""
    return sum(getattr(row, name) for row in rows)
