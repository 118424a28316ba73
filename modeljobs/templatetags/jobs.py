"""Words and sums of the pages about model jobs. `{% load jobs %}`"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.templatetags.desk import decimal
from modeljobs.evidence_views import (
    NOT_RATED,
    SampleRatings,
    StepRow,
    TrialView,
    find_whole_curve,
)
from modeljobs.methods.catalog import METHODS
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import RationaleRating
from modeljobs.plots import find_target, plot_bars, plot_curve
from modeljobs.readings import Bar
from modeljobs.rollout_views import Curve
from workbench.messages import translate_sentence

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
        "bad_request": _("The engine refused the request"),
        "closed": _("The engine was closed"),
        "context_overflow": _("The prompt is longer than the context"),
        "engine_failed": _("The model failed"),
        "invalid_settings": _("The engine's settings are not valid"),
        "missing_extra": _("A package is not installed in the worker"),
        "model_not_found": _("The model was not found"),
        "no_chat_template": _("The model has no chat template"),
        "no_checkpoint": _("There is no such checkpoint"),
        "no_device": _("The worker has no such device"),
        "no_pooling": _("The engine gives no scores"),
        "not_found": _("The address or the model is not there"),
        "out_of_memory": _("The memory does not suffice"),
        "server_error": _("The engine's server failed"),
        "unsupported_model": _("The model does not run in the worker"),
        "wrong_key": _("The engine does not accept the key"),
        # What keeps a sample or a step from having a verdict, and code from being run
        "budget": _("The budget of the job is used up"),
        "code_too_long": _("The code is too long"),
        "disk_full": _("The disk is full"),
        "impossible": _("It cannot be run any more"),
        "killed": _("The sandbox stopped the code"),
        "contradictory": _("The reply says both yes and no"),
        "no_decision": _("No decision in the reply"),
        "no_output": _("The reply ends before its verdict"),
        "no_verdict": _("No verdict in the reply"),
        "unparsed": _("No verdict could be read"),
        "no_worker": _("No worker took it"),
        "protocol": _("The sandbox did not answer as it should"),
        "unavailable": _("No sandbox on the worker's machine"),
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
        "job.budgets_changed": _("Given other budgets"),
        "job.rule_set": _("Labels read by another rule"),
        "job.labels_frozen": _("Labels frozen"),
        "job.done": _("Done"),
    }
    return words.get(verb, verb)


@register.filter
def total(rows: Iterable[Any], name: str) -> int:
    """The sum of one number over all rows."""
    return sum(getattr(row, name) for row in rows)


@register.filter
def method_title(name: str) -> str:
    """What people call a method; its name where there is no such method any more."""
    method = METHODS.get(name)
    return translate_sentence(method.title) if method else name


# --- Evidence -------------------------------------------------------------------------------------


@register.filter
def machine_picture(verdict: bool | None) -> str:
    """A machine's verdict as the symbol of a rating; a dashed line where there is none."""
    if verdict is None:
        return "skip"
    return "1" if verdict else "-1"


@register.filter
def machine_words(verdict: bool | None) -> str:
    """A machine's verdict on a step, in a word."""
    if verdict is None:
        return _("no verdict")
    return _("correct") if verdict else _("wrong")


@register.filter
def vote_picture(verdict: str | None) -> str:
    """One sample's vote as the symbol of a rating."""
    return {"yes": "1", "no": "-1"}.get(str(verdict), "skip")


@register.filter
def vote_words(verdict: str | None) -> str:
    """One sample's vote in words, as the model was asked to put it."""
    return {"yes": _("Yes: correct"), "no": _("No: wrong")}.get(str(verdict), _("not readable"))


@register.filter
def probability(sample: Any) -> str:
    """P(Yes) of a sample, with its bound said: "at most 0.02"."""
    if sample.p_yes is None:
        return ""
    value = _decimal(sample.p_yes)
    words = {
        "at_least": _("at least %(value)s"),
        "at_most": _("at most %(value)s"),
    }
    return words.get(sample.bound, "%(value)s") % {"value": value}


def _decimal(number: float) -> str:
    return formats.number_format(Decimal(f"{number:.3f}"), decimal_pos=3, use_l10n=True)


@register.filter
def vote_marks(summary: Any) -> list[str]:
    """The votes of a step as symbols, those of a kind beside each other."""
    return ["1"] * summary.yes + ["-1"] * summary.no + ["skip"] * summary.unparsed


@register.filter
def votes_sentence(summary: Any) -> str:
    """The votes of a step's samples in one line, for those who cannot see them as marks."""
    parts = [
        ngettext("%(n)s says yes", "%(n)s say yes", summary.yes) % {"n": summary.yes},
        ngettext("%(n)s says no", "%(n)s say no", summary.no) % {"n": summary.no},
    ]
    if summary.unparsed:
        parts.append(
            ngettext("%(n)s could not be read", "%(n)s could not be read", summary.unparsed)
            % {"n": summary.unparsed}
        )
    of_all = ngettext("Of %(n)s sample", "Of %(n)s samples", summary.samples)
    return f"{of_all % {'n': summary.samples}}: {', '.join(parts)}"


@register.filter
def mode_words(mode: str) -> str:
    """How the samples of a step were made."""
    words = {
        "code": _("with Python, run in the sandbox"),
        "code_imagined": _("with Python that was not run: the model imagined its output"),
        "analysis": _("in words, without code"),
        "direct": _("with a bare yes or no"),
    }
    return words.get(mode, mode)


@register.filter
def code_status(status: str) -> str:
    """How a block of code ended."""
    words = {
        "ok": _("ran"),
        "error": _("ended in an error"),
        "timeout": _("ran out of time"),
        "no_code": _("no code was found"),
        "killed": _("stopped by the sandbox"),
        "imagined": _("not run: output imagined by the model"),
        "not_run": _("not run: only the analysis was changed"),
        "unavailable": _("not run: no sandbox"),
        "": _("not known"),
    }
    return words.get(status, reason_word(status))


@register.filter
def code_tone(status: str) -> str:
    """The tone of a block's badge: machines' own for what ran, amber for the rest."""
    return "machine" if status == "ok" else "okay"


@register.filter
def at_block(trials: Mapping[tuple[int, int], Any], place: str) -> Any:
    """The trials of one block, by "sample-block"."""
    sample, _dash, block = place.partition("-")
    return trials.get((int(sample), int(block)), ())


@register.simple_tag
def place_of(sample: int, block: int) -> str:
    """The name of a block among the trials of a step: "0-1"."""
    return f"{sample}-{block}"


@register.filter
def is_settled(trials: Iterable[TrialView]) -> bool:
    """Is none of the trials still to be run?"""
    return all(shown.trial.state not in ("queued", "running") for shown in trials)


# --- Ratings of reasoning, and equalities ---------------------------------------------------------


@register.filter
def of_sample(ratings: Mapping[int, SampleRatings], sample: int) -> SampleRatings:
    """What is thought of one sample's reasoning."""
    return ratings.get(sample, NOT_RATED)


@register.simple_tag
def rationale_options() -> list[tuple[str, str]]:
    """What may be said of a rationale: code and words."""
    return [(value, str(label)) for value, label in RationaleRating.Value.choices]


@register.filter
def rationale_words(value: str) -> str:
    """A rating of a rationale in words."""
    return str(dict(RationaleRating.Value.choices).get(value, value))


@register.filter
def equality_picture(answer: str) -> str:
    """The answer to an equality as the symbol of a rating; a question mark where it is open."""
    return {"true": "1", "false": "-1"}.get(answer, "unsure")


# --- Rollouts -------------------------------------------------------------------------------------


@register.inclusion_tag("modeljobs/rpe_curve.html")
def rpe_curve(curve: Curve) -> dict[str, Any]:
    """The share of right rollouts after each step, with intervals and verdicts, and its table."""
    return {"curve": curve, "plot": plot_curve(curve)}


@register.inclusion_tag("modeljobs/rpe_bars.html")
def rpe_bars(bars: Iterable[Bar], label: str, rule: LabelRule | None = None) -> dict[str, Any]:
    """How numbers are spread, with the line that a rule draws among them, and its table."""
    target = None if rule is None else find_target(rule)
    return {"plot": plot_bars(list(bars), target=target), "label": label, "rule": rule}


@register.filter
def whole_curve(rows: Iterable[StepRow]) -> Curve | None:
    """The curve of a solution, for those who may see all of it."""
    return find_whole_curve(rows)


@register.filter
def state_words(state: str) -> str:
    """What a step comes to under a rule, in a word."""
    words = {
        "correct": _("correct"),
        "wrong": _("wrong"),
        "open": _("open"),
        "unknown": _("unknown"),
        "scored": _("number only"),
    }
    return words.get(state, "–")


@register.filter
def state_picture(state: str) -> str:
    """What a step comes to as the symbol of a rating."""
    return {"correct": "1", "wrong": "-1", "open": "unsure"}.get(state, "skip")


@register.filter
def outcome_words(outcome: str) -> str:
    """What a rollout came to, in words."""
    words = {
        "correct": _("reach the reference"),
        "wrong": _("another answer"),
        "unparsable": _("no answer found"),
        "truncated": _("cut off"),
        "undecided": _("not comparable"),
        "failed": _("failed"),
    }
    return words.get(outcome, outcome.replace("_", " "))


@register.filter
def answer_words(outcome: str) -> str:
    """What an answer of a rollout was found to be."""
    words = {
        "correct": _("the reference"),
        "wrong": _("another answer"),
        "undecided": _("not comparable"),
        "truncated": _("in a text that was cut off"),
    }
    return words.get(outcome, outcome_words(outcome))


@register.filter
def words(text: str) -> list[str]:
    """The words of a text, to go through: `{% for state in "correct wrong"|words %}`."""
    return text.split()


@register.filter
def rollout_reason(code: str) -> str:
    """Why a rollout has no verdict, in words."""
    words = {
        "no_answer": _("it states no final answer"),
        "unclosed_box": _("its last box is not closed"),
        "length": _("it reached the longest length"),
        "max_tokens": _("it reached the longest length"),
        "not_comparable": _("its formula is written differently"),
        "too_long": _("the answer is too long to compare"),
        "empty_answer": _("the answer is empty"),
        "empty_reference": _("the reference is empty"),
        "unreadable_answer": _("the checker cannot read the answer"),
        "unreadable_reference": _("the checker cannot read the reference"),
        "comparison_failed": _("the comparison raised an error"),
        "checker_failed": _("the checker failed"),
        "timed_out": _("the comparison took too long"),
        "too_many_timeouts": _("too many comparisons took too long"),
        "abort": _("the engine ended it"),
        "cancelled": _("the engine ended it"),
        "content_filter": _("the engine's filter stopped it"),
        "error": _("the engine failed"),
        "not_judged": _("it was not judged"),
    }
    return words.get(code) or reason_word(code)


@register.filter
def stop_words(stop: str) -> str:
    """Why no more rollouts were asked for."""
    words = {
        "planned": _("as many as planned"),
        "settled": _("the label was settled"),
        "limit": _("the most allowed, and still open"),
        "after_zero": _("a step before leads nowhere"),
    }
    return words.get(stop, stop.replace("_", " "))


@register.filter
def rule_words(rule: LabelRule) -> str:
    """A rule in a sentence."""
    words = {
        "ratio": _("correct if relative progress is at least %(bound)s"),
        "difference": _("correct if MC changes by %(bound)s or more"),
        "hard": _("correct if MC is above zero"),
        "soft": _("MC itself, no verdict"),
    }
    bound = {"ratio": rule.epsilon, "difference": rule.threshold}.get(rule.kind, 0.0)
    return words[rule.kind] % {"bound": f"{bound:g}".replace("-", "−")}


@register.filter
def scale_words(rule: LabelRule) -> str:
    """What the number is that a rule looks at."""
    words = {"ratio": _("relative progress"), "difference": _("change of MC")}
    return words.get(rule.kind, _("MC"))


@register.filter
def measured(value: float | None) -> str:
    """A number of a rule: two places, infinite where something follows nothing."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    return decimal(value, 2)


@register.filter
def score_words(name: str) -> str:
    """What a score of a PRM or a critic is about."""
    words = {
        "validity": _("Validity"),
        "redundancy": _("Redundancy"),
        "reward": _("Reward"),
        "difference": _("Difference to the step before"),
    }
    return words.get(name, name)
