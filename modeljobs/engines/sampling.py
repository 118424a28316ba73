"""The next tokens of a batch, each drawn by its own settings and its own random numbers.

Tensors are torch's; torch itself is handed in, because this module is read where there is none.
A row's token depends on its own logits, settings and draw alone, not on who else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Up to here the best tokens are found without sorting the whole vocabulary.
FEW = 1_024


@dataclass(frozen=True, slots=True)
class Draw:
    """How one row draws. `u` is its random number in [0, 1); temperature 0 takes the best token.

    As in vLLM: the temperature first, then the `top_k` best (0: all), then the fewest of those
    whose probabilities sum to `top_p`.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    u: float = 0.0


def choose_tokens(torch: Any, logits: Any, draws: Sequence[Draw]) -> list[int]:
    """One token for each row of `logits` [rows, vocabulary] (float32)."""
    chosen = logits.argmax(dim=-1)
    groups: dict[str, list[int]] = {}
    for row, draw in enumerate(draws):
        if draw.temperature > 0:
            groups.setdefault(_find_way(draw), []).append(row)
    for way, rows in groups.items():
        index = torch.tensor(rows, device=logits.device)
        own = [draws[row] for row in rows]
        temperatures = _column(torch, logits, [draw.temperature for draw in own])
        scaled = logits[index] / temperatures
        us = _column(torch, logits, [draw.u for draw in own])
        if way == "all":
            chosen[index] = _pick(torch, torch.softmax(scaled, dim=-1), us)
            continue
        many = max([draw.top_k for draw in own]) if way == "few" else scaled.shape[-1]
        values, tokens = torch.topk(scaled, min(many, scaled.shape[-1]), dim=-1)
        if way == "few":
            ranks = torch.arange(values.shape[-1], device=logits.device)
            limits = torch.tensor([[draw.top_k] for draw in own], device=logits.device)
            values = values.masked_fill(ranks >= limits, float("-inf"))
        shares = torch.softmax(values, dim=-1)
        # A token stays while those before it have not reached top_p: the best always stays.
        reached = torch.cumsum(shares, dim=-1) - shares
        nucleus = _column(torch, logits, [draw.top_p for draw in own])
        shares = shares.masked_fill(reached >= nucleus, 0.0)
        places = _pick(torch, shares, us)
        chosen[index] = tokens.gather(1, places[:, None])[:, 0]
    found: list[int] = chosen.tolist()
    return found


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A chosen token's log-probability and those of the best tokens, by id.

    Of the model's own distribution: before temperature, top_p and top_k, as vLLM gives them.
    """

    logprob: float
    top: Mapping[int, float]


def read_likelihoods(
    torch: Any, logits: Any, chosen: Sequence[int], wanted: Sequence[int | None]
) -> list[Likelihood | None]:
    """For each row that asks: its token's log-probability and the `wanted` best ones'."""
    rows = [row for row, count in enumerate(wanted) if count is not None]
    found: list[Likelihood | None] = [None] * len(chosen)
    if not rows:
        return found
    index = torch.tensor(rows, device=logits.device)
    logprobs = torch.log_softmax(logits[index], dim=-1)
    tokens = torch.tensor([[chosen[row]] for row in rows], device=logits.device)
    own = logprobs.gather(1, tokens)[:, 0].tolist()
    most = min(max([wanted[row] or 0 for row in rows]), logprobs.shape[-1])
    best = torch.topk(logprobs, most, dim=-1)
    values, ids = best.values.tolist(), best.indices.tolist()
    for place, row in enumerate(rows):
        count = wanted[row] or 0
        top = dict(zip(ids[place][:count], values[place][:count], strict=True))
        found[row] = Likelihood(own[place], top)
    return found


def _find_way(draw: Draw) -> str:
    if 0 < draw.top_k <= FEW:
        return "few"
    return "sorted" if draw.top_p < 1 or draw.top_k else "all"


def _column(torch: Any, logits: Any, values: Sequence[float]) -> Any:
    return torch.tensor(values, dtype=logits.dtype, device=logits.device)[:, None]


def _pick(torch: Any, shares: Any, us: Any) -> Any:
    """The place at which the running sum of a row's shares passes `u` of their total."""
    sums = torch.cumsum(shares, dim=-1)
    places = torch.searchsorted(sums, us * sums[:, -1:], right=True)[:, 0]
    # u times the total may round up to the total itself: then it is the last place with a share.
    last = shares.shape[-1] - 1 - (shares.flip(-1) > 0).int().argmax(dim=-1)
    return torch.minimum(places, last)
