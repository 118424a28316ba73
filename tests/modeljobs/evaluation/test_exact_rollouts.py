"""Chances of success computed over a model's completions, against ways of finding them anew."""

from __future__ import annotations

import itertools
import math
import operator
from functools import partial

import numpy as np
import pytest

from modeljobs.evaluation.exact_rollouts import Explorer, SuccessBounds
from modeljobs.tiny.model import KeyValueCache, TinyModel, load_checkpoint
from modeljobs.tiny.runtime import Batcher
from modeljobs.tiny.sampling import SamplingPlan
from modeljobs.tiny.tokenizer import encode_chat

TEMPERATURE = 1.0


@pytest.fixture(scope="module")
def model() -> TinyModel:
    return load_checkpoint("worse")


@pytest.fixture(scope="module")
def prompt(model: TinyModel) -> list[int]:
    problem = (
        "A shop has 31 pens. On Monday it buys 12 pens. On Tuesday it sells 8 pens. "
        "How many pens does it have in the end?"
    )
    asked = (
        f"{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{{}}."
    )
    begun = (
        "Then on Monday it buys 12, so it has 31 + 12 = 43 pens.\n\n"
        "Then on Tuesday it sells 8, so it has 43 - 8 = "
    )
    return encode_chat(model.tokenizer, [("user", asked), ("assistant", begun)])


def is_right(text: str) -> bool:
    return "\\boxed{35}" in text


def test_rollouts_succeed_as_often_as_computed(model: TinyModel, prompt: list[int]) -> None:
    bounds = Explorer(model, temperature=TEMPERATURE).bound_success(prompt, is_right)
    batcher = Batcher(model, slots=64)
    try:
        plan = SamplingPlan(temperature=TEMPERATURE, max_tokens=100, n=256, seed=4)
        answers = batcher.submit(prompt, plan).result()
    finally:
        batcher.close()
    share = float(np.mean([is_right(answer.text) for answer in answers]))
    # Four standard errors of a share of 256, and what was left out.
    room = 4 * math.sqrt(bounds.share * (1 - bounds.share) / 256)
    assert bounds.low - room <= share <= bounds.high + room
    # Neither certain nor hopeless: a wrong computation would not pass by being trivial.
    assert 0.05 < bounds.share < 0.95


def test_every_text_has_its_own_probability(model: TinyModel, prompt: list[int]) -> None:
    # Added up over all texts that are found, judged one by one, they come to the whole.
    explorer = Explorer(model, temperature=TEMPERATURE, least_mass=0.01)
    texts: set[str] = set()

    def note(text: str) -> bool:
        texts.add(text)
        return False

    whole = explorer.bound_success(prompt, note)
    assert len(texts) > 2
    parts = [
        explorer.bound_success(prompt, partial(operator.eq, wanted)).reached
        for wanted in sorted(texts)
    ]
    assert math.fsum(parts) == pytest.approx(whole.missed, abs=1e-6)


def test_a_text_is_as_likely_as_its_tokens(model: TinyModel, prompt: list[int]) -> None:
    explorer = Explorer(model, temperature=0.7, least_mass=0.01)
    texts: list[str] = []

    def note(text: str) -> bool:
        texts.append(text)
        return False

    explorer.bound_success(prompt, note)
    found = explorer.bound_success(prompt, lambda text: text == texts[0]).reached
    ids = [*model.tokenizer.encode(texts[0]), model.tokenizer.end_id]
    cache = KeyValueCache(model.shape, 1)
    logprob = 0.0
    for at, token in enumerate(ids):
        # Each prefix anew, from its first token on.
        logits = model.prefill(cache, 0, prompt + ids[:at], 0).astype(np.float64) / 0.7
        logprob += logits[token] - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    assert found == pytest.approx(math.exp(logprob), rel=1e-3)


def test_more_branches_only_narrow_the_bounds(model: TinyModel, prompt: list[int]) -> None:
    bounds = [
        Explorer(model, temperature=TEMPERATURE, least_mass=least).bound_success(prompt, is_right)
        for least in (0.03, 0.003)
    ]
    for coarse, fine in itertools.pairwise(bounds):
        assert coarse.low - 1e-6 <= fine.low <= fine.share <= fine.high <= coarse.high + 1e-6
        assert fine.high - fine.low < coarse.high - coarse.low


def test_branches_beyond_the_most_are_left_out(model: TinyModel, prompt: list[int]) -> None:
    wide = Explorer(model, temperature=1.5, least_mass=0.003)
    narrow = Explorer(model, temperature=1.5, least_mass=0.003, most_branches=2)
    whole, part = (one.bound_success(prompt, is_right) for one in (wide, narrow))
    assert part.reached + part.missed < whole.reached + whole.missed
    assert part.low <= whole.low + 1e-6


def test_nothing_followed_to_its_end_has_no_share() -> None:
    bounds = SuccessBounds(0.0, 0.0)
    assert (bounds.low, bounds.high) == (0.0, 1.0)
    assert math.isnan(bounds.share)


def test_a_prompt_that_fills_the_context_is_refused(model: TinyModel, prompt: list[int]) -> None:
    explorer = Explorer(model, temperature=1.0, context_length=len(prompt))
    with pytest.raises(ValueError, match="tokens"):
        explorer.bound_success(prompt, is_right)


def test_a_temperature_of_zero_has_no_chances(model: TinyModel) -> None:
    with pytest.raises(ValueError, match="temperature"):
        Explorer(model, temperature=0.0)
