"""Choosing the next token, and saying what it cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How to sample one request. `top_k` of 0 or less means every token.

    `logprobs` is the number of alternatives wanted beside each token, None for none at all;
    `max_tokens` of None is as many as the context has room for.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int | None = None
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    include_stop: bool = False
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A sampled token's log-probability under the model itself, at temperature 1, and the
    likeliest tokens by id with theirs.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


def make_generator(seed: int | None, index: int) -> np.random.Generator:
    """The source of chance of one of a request's answers: its own, whoever runs beside it."""
    return np.random.default_rng(None if seed is None else [seed, index])


def choose_token(logits: Floats, plan: SamplingPlan, chance: np.random.Generator) -> int:
    """A token id. Temperature 0 takes the likeliest; else top-k is applied before top-p."""
    if plan.temperature <= 0:
        return int(logits.argmax())
    scaled = logits.astype(np.float64) / plan.temperature
    order = np.argsort(-scaled, kind="stable")
    if plan.top_k > 0:
        order = order[: plan.top_k]
    weights = np.exp(scaled[order] - scaled[order[0]])
    weights /= weights.sum()
    total = np.cumsum(weights)
    if plan.top_p < 1:
        # The token that reaches the share is the last one kept.
        keep = int(np.searchsorted(total, plan.top_p)) + 1
        total = total[:keep]
    drawn = chance.random() * total[-1]
    return int(order[min(int(np.searchsorted(total, drawn, side="right")), len(total) - 1)])


def score_token(logits: Floats, token_id: int, alternatives: int) -> TokenScore:
    """The log-probabilities of a token and of the likeliest ones."""
    wide = logits.astype(np.float64)
    wide -= wide.max()
    wide -= np.log(np.exp(wide).sum())
    best = np.argsort(-wide, kind="stable")[:alternatives]
    return TokenScore(
        token_id,
        float(wide[token_id]),
        tuple((int(number), float(wide[number])) for number in best),
    )
