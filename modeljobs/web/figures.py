"""What a job has used and what is left of its budgets, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from labeling.templatetags.desk import count, decimal, duration
from modeljobs.evidence_views import EvidenceView, count_verified_steps, list_newest_steps
from modeljobs.models import ModelJob
from modeljobs.selectors import JobProgress
from modeljobs.services.budgets import read_budgets


@dataclass(frozen=True, slots=True)
class BudgetView:
    """One bound of a job. `share` is None where it is not known how much is used."""

    title: str
    used: str
    limit: str
    share: float | None


@dataclass(frozen=True, slots=True)
class JobFigures:
    """Figures of a job beyond its counts. `cost` is "" where it is unknown, with the reason."""

    verified_steps: int
    newest_steps: tuple[tuple[EvidenceView, str, str], ...]
    cost: str
    cost_reason: str
    budgets: tuple[BudgetView, ...]


def build_figures(job: ModelJob, progress: JobProgress, *, with_steps: bool) -> JobFigures:
    """The figures; three queries for a job that checks steps, none for any other."""
    reason = _("There is no model to pay for.") if job.is_scripted else progress.cost_unknown
    return JobFigures(
        verified_steps=count_verified_steps(job) if with_steps else 0,
        newest_steps=tuple(list_newest_steps(job)) if with_steps else (),
        cost=_show_cost(progress.cost, progress.currency),
        cost_reason=reason,
        budgets=tuple(_list_budgets(job, progress)),
    )


def _show_cost(amount: float | None, currency: str) -> str:
    """An amount with its currency; "" where it is unknown."""
    if amount is None:
        return ""
    shown = decimal(amount, 4 if 0 < amount < 1 else 2)
    return f"{shown} {currency}".rstrip()


def _list_budgets(job: ModelJob, progress: JobProgress) -> list[BudgetView]:
    budgets = read_budgets(job)
    tokens = progress.prompt_tokens + progress.completion_tokens
    found = []
    if budgets.max_tokens:
        # Nobody counted: that is not nothing.
        share = tokens / budgets.max_tokens if tokens else None
        limit = count(budgets.max_tokens)
        found.append(BudgetView(_("Tokens"), count(tokens or None), limit, share))
    if budgets.max_cost:
        share = None if progress.cost is None else progress.cost / budgets.max_cost
        used = _show_cost(progress.cost, progress.currency) or "–"
        limit = _show_cost(budgets.max_cost, progress.currency)
        found.append(BudgetView(_("Cost"), used, limit, share))
    if budgets.max_seconds:
        used = duration(job.ran_seconds) if job.ran_seconds else _("none yet")
        share = job.ran_seconds / budgets.max_seconds
        found.append(BudgetView(_("Time"), used, duration(budgets.max_seconds), share))
    return found
