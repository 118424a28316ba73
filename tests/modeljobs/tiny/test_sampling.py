from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from modeljobs.tiny.sampling import SamplingPlan, choose_token, make_generator, score_token

# Probabilities 0.5, 0.3, 0.2 at temperature 1.
LOGITS = np.log(np.array([0.2, 0.5, 0.3])).astype(np.float32)


def count_choices(plan: SamplingPlan, draws: int = 4000) -> Counter[int]:
    chance = make_generator(1, 0)
    return Counter(choose_token(LOGITS, plan, chance) for _ in range(draws))


def test_it_works() -> None:
    counts = count_choices(SamplingPlan())
    shares = [counts[token] / 4000 for token in range(3)]
    # The standard error is below 0.008.
    assert shares == pytest.approx([0.2, 0.5, 0.3], abs=0.04)


def test_temperature_zero_takes_the_likeliest() -> None:
    assert set(count_choices(SamplingPlan(temperature=0), draws=20)) == {1}


def test_a_low_temperature_sharpens() -> None:
    # 0.5 / 0.3 to the power of two: 0.25 : 0.09 : 0.04.
    counts = count_choices(SamplingPlan(temperature=0.5))
    assert counts[1] / 4000 == pytest.approx(0.25 / 0.38, abs=0.04)


def test_top_k_leaves_the_likeliest() -> None:
    assert set(count_choices(SamplingPlan(top_k=2))) == {1, 2}


def test_top_p_keeps_the_token_that_reaches_the_share() -> None:
    assert set(count_choices(SamplingPlan(top_p=0.4))) == {1}
    assert set(count_choices(SamplingPlan(top_p=0.6))) == {1, 2}


def test_answers_of_one_request_differ_in_their_chance() -> None:
    draws = [make_generator(3, index).random() for index in (0, 1, 0)]
    assert draws[0] == draws[2] != draws[1]


def test_scores_are_of_the_model_itself() -> None:
    score = score_token(LOGITS, 0, 2)
    assert score.logprob == pytest.approx(math.log(0.2), abs=1e-6)
    assert [token for token, _ in score.top] == [1, 2]
    assert score.top[0][1] == pytest.approx(math.log(0.5), abs=1e-6)


def test_no_alternatives_are_given_where_none_are_wanted() -> None:
    assert score_token(LOGITS, 0, 0).top == ()
