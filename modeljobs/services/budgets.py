"""What a job may use up before it stops by itself: tokens, money, and time at work.

What is not known is never taken for nothing: a budget that cannot be checked stops the job as one
that is used up does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modeljobs.costs import NOT_COUNTED, Prices, Usage, compute_cost
from modeljobs.models import ModelJob
from workbench.errors import InvalidInput

NAMES = ("max_tokens", "max_cost", "max_seconds")
MOST_TOKENS = 10**15
MOST_OTHER = 1e12


@dataclass(frozen=True, slots=True)
class Budgets:
    """Bounds of a job; None where there is none. Cost is in the currency of the engine's prices."""

    max_tokens: int | None = None
    max_cost: float | None = None
    max_seconds: float | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in NAMES)

    def pack(self) -> dict[str, Any]:
        """As the job's row keeps it: only what there is."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}


def parse_budgets(data: Mapping[str, Any] | None) -> Budgets:
    """The budgets as sent, None or missing for no bound; InvalidInput with the field at fault."""
    given = dict(data or {})
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise InvalidInput(
            f"There is no budget {unknown[0]!r}; budgets are {', '.join(NAMES)}.", field=unknown[0]
        )
    return Budgets(
        max_tokens=_read_tokens(given.get("max_tokens")),
        max_cost=_read_number("max_cost", given.get("max_cost")),
        max_seconds=_read_number("max_seconds", given.get("max_seconds")),
    )


def read_budgets(job: ModelJob) -> Budgets:
    """The job's budgets; they were checked when they were set."""
    return Budgets(**{name: job.budgets.get(name) for name in NAMES})


def check_prices(budgets: Budgets, prices: Prices) -> None:
    """Refuse a budget of money for an engine whose prices nobody knows."""
    if budgets.max_cost is not None and not prices.is_known:
        raise InvalidInput(
            "The engine has no prices, so a budget of cost cannot be kept. Set the prices of the "
            "engine, or leave this budget out.",
            field="max_cost",
        )


def find_excess(budgets: Budgets, usage: Usage, prices: Prices) -> str:
    """Which budget is used up, and by how much, as a sentence; "" while there is some left."""
    if budgets.max_tokens is not None:
        if usage.tokens >= budgets.max_tokens:
            return (
                f"The budget of {budgets.max_tokens:,} tokens is used up: {usage.tokens:,} were "
                f"used, {usage.tokens - budgets.max_tokens:,} beyond it."
            )
        if usage.uncounted:
            return (
                f"The budget of {budgets.max_tokens:,} tokens cannot be kept: {_go_on(NOT_COUNTED)}"
            )
    if budgets.max_cost is not None:
        cost = compute_cost(usage, prices)
        if cost.amount is None:
            return (
                f"The budget of {_show(budgets.max_cost, cost.currency)} cannot be kept: "
                f"{_go_on(cost.unknown)}"
            )
        if cost.amount >= budgets.max_cost:
            return (
                f"The budget of {_show(budgets.max_cost, cost.currency)} is used up: "
                f"{_show(cost.amount, cost.currency)} were spent, "
                f"{_show(cost.amount - budgets.max_cost, cost.currency)} beyond it."
            )
    if budgets.max_seconds is not None and usage.seconds >= budgets.max_seconds:
        return (
            f"The budget of {budgets.max_seconds:,.0f} seconds at work is used up: it took "
            f"{usage.seconds:,.0f}, {usage.seconds - budgets.max_seconds:,.0f} beyond it."
        )
    return ""


def _read_tokens(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        raise InvalidInput(
            f"A budget of tokens is a whole number from 1, not {value!r}.", field="max_tokens"
        )
    return value


def _read_number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= MOST_OTHER:
        raise InvalidInput(f"The budget {name!r} is a number above 0, not {value!r}.", field=name)
    return float(value)


def _show(amount: float, currency: str) -> str:
    """An amount of money: cents, or as many places as show that it is not nothing."""
    places = 2
    while places < 8 and 0 < amount < 10 ** (1 - places):
        places += 1
    return f"{amount:,.{places}f} {currency}".rstrip()


def _go_on(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
