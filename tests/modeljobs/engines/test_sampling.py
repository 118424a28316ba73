from __future__ import annotations

import math
from typing import Any

import pytest

from modeljobs.engines.sampling import Draw, choose_tokens, read_likelihoods

pytestmark = pytest.mark.models

# Probabilities 0.1, 0.4, 0.2, 0.3.
SHARES = (0.1, 0.4, 0.2, 0.3)


def choose(*draws: Draw, shares: tuple[float, ...] = SHARES) -> list[int]:
    import torch

    logits = torch.tensor([[math.log(share) for share in shares]] * len(draws))
    return choose_tokens(torch, logits, draws)


def test_temperature_0_takes_the_best() -> None:
    assert choose(Draw(temperature=0.0, u=0.99)) == [1]


def test_all_tokens_are_drawn_by_their_shares() -> None:
    # In the order of the vocabulary the shares end at 0.1, 0.5, 0.7 and 1.
    us = (0.05, 0.15, 0.49, 0.6, 0.75, 0.999)
    assert choose(*(Draw(u=u) for u in us)) == [0, 1, 1, 2, 3, 3]


def test_top_k_leaves_the_best() -> None:
    # Tokens 1 and 3, with 4/7 and 3/7 of what is left.
    us = (0.0, 0.56, 0.58, 0.999)
    assert choose(*(Draw(top_k=2, u=u) for u in us)) == [1, 1, 3, 3]


def test_top_k_beyond_the_vocabulary_leaves_all() -> None:
    assert choose(Draw(top_k=50, u=0.999)) == [0]


def test_top_p_leaves_the_fewest_that_reach_it() -> None:
    # 0.4 + 0.3 reach 0.6: tokens 1 and 3.
    us = (0.0, 0.56, 0.58, 0.999)
    assert choose(*(Draw(top_p=0.6, u=u) for u in us)) == [1, 1, 3, 3]


def test_a_tiny_top_p_leaves_the_best() -> None:
    assert choose(Draw(top_p=0.001, u=0.999)) == [1]


def test_top_p_is_of_what_top_k_left() -> None:
    # Of the best three, 4/9, 3/9 and 2/9: the first two reach 0.7.
    assert choose(Draw(top_k=3, top_p=0.7, u=0.999)) == [3]


def test_the_temperature_sharpens() -> None:
    # Squared: 0.01, 0.16, 0.04, 0.09 of 0.3.
    assert choose(Draw(temperature=0.5, u=0.55), Draw(u=0.55)) == [1, 2]


def test_rows_do_not_depend_on_each_other() -> None:
    draws = (
        Draw(temperature=0.0),
        Draw(u=0.6),
        Draw(top_k=2, u=0.6),
        Draw(top_p=0.6, u=0.6),
        Draw(top_k=1, u=0.6),
    )
    assert choose(*draws) == [choose(draw)[0] for draw in draws]


def test_impossible_tokens_are_never_drawn() -> None:
    import torch

    logits = torch.tensor([[float("-inf"), 0.0, float("-inf")]] * 2)
    draws = (Draw(u=0.0), Draw(u=0.9999999))
    assert choose_tokens(torch, logits, draws) == [1, 1]


def test_logprobs_are_the_models_own() -> None:
    import torch

    logits: Any = torch.tensor([[math.log(share) for share in SHARES]] * 3)
    plain, none, best = read_likelihoods(torch, logits, [0, 1, 2], [0, None, 2])
    assert none is None
    assert plain is not None
    assert best is not None
    assert plain.logprob == pytest.approx(math.log(0.1))
    assert plain.top == {}
    assert best.logprob == pytest.approx(math.log(0.2))
    assert best.top == pytest.approx({1: math.log(0.4), 3: math.log(0.3)})


def test_nothing_is_read_where_nobody_asks() -> None:
    import torch

    assert read_likelihoods(torch, torch.zeros(2, 4), [0, 1], [None, None]) == [None, None]
