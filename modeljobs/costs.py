"""What calls to an engine cost. PURE.

Prices stand in the engine as a job keeps it: `price_prompt` and `price_completion` per million
tokens, in `currency`. What is not known is never taken for nothing: without both prices, or where
the engine did not count the tokens of a call, there is no cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MILLION = 1_000_000

NO_PRICE = "The engine has no price set."
NOT_COUNTED = "The engine did not say of every call how many tokens it took."


@dataclass(frozen=True, slots=True)
class Prices:
    """What an engine takes for a million tokens; None where that is not known."""

    prompt: float | None = None
    completion: float | None = None
    currency: str = ""

    @property
    def is_known(self) -> bool:
        return self.prompt is not None and self.completion is not None


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost, or None and a sentence on why nobody knows."""

    amount: float | None
    currency: str = ""
    unknown: str = ""


@dataclass(slots=True)
class Usage:
    """What a job has used so far. `uncounted` are calls whose tokens the engine did not count."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def read_prices(snapshot: Mapping[str, Any]) -> Prices:
    """The prices of an engine as a job keeps it, or of its settings alone."""
    settings = snapshot.get("settings", snapshot)
    return Prices(
        prompt=_read_price(settings.get("price_prompt")),
        completion=_read_price(settings.get("price_completion")),
        currency=str(settings.get("currency") or ""),
    )


def compute_cost(usage: Usage, prices: Prices) -> Cost:
    """What the tokens cost, where prices and counts are known."""
    if prices.prompt is None or prices.completion is None:
        return Cost(None, prices.currency, NO_PRICE)
    is_free = prices.prompt == prices.completion == 0
    if usage.uncounted and not is_free:
        return Cost(None, prices.currency, NOT_COUNTED)
    amount = usage.prompt_tokens * prices.prompt + usage.completion_tokens * prices.completion
    return Cost(amount / MILLION, prices.currency)


def _read_price(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value >= 0 else None
