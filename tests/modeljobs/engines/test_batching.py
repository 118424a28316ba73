"""The decoder against the model itself, one sequence at a time."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from modeljobs.engines.base import EngineError, EnginePermanent
from modeljobs.engines.batching import BLOCK, Decoder, Generated, Trajectory, add_hashes
from modeljobs.engines.detokenizing import TextStream
from tests.modeljobs.engines.models import CONTEXT, END_ID, find_logprobs, make_model

LONG = 30.0


def spell(ids: Sequence[int]) -> str:
    return "".join(f"[{one}]" for one in ids)


class Asked:
    """A trajectory, and what came of it."""

    def __init__(self, prompt: Sequence[int], *, stop: Sequence[str] = (), **given: Any) -> None:
        self.outcome: Future[Generated | EngineError] = Future()
        self.prompt = list(prompt)
        self.trajectory = Trajectory(
            prompt=prompt,
            stream=TextStream(spell, prompt=prompt, stop=stop),
            deliver=self.outcome.set_result,
            **({"max_tokens": 8, "temperature": 0.0, "logprobs": 0} | given),
        )

    def read(self) -> Generated:
        made = self.outcome.result(LONG)
        assert isinstance(made, Generated), made
        return made


@contextlib.contextmanager
def decode(family: str = "qwen2", **given: Any) -> Iterator[Decoder]:
    import torch

    settings: dict[str, Any] = {"rows": 4, "kept": 3, "context_length": CONTEXT}
    settings |= {"ends": frozenset({END_ID})} | given
    decoder = Decoder(torch, make_model(family), **settings)
    try:
        yield decoder
    finally:
        decoder.close()


def make_prompt(length: int, seed: int = 0) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(END_ID) for _ in range(length)]


def check(asked: Asked, family: str = "qwen2") -> None:
    """Each token is one that the model itself holds for the best, and as likely as it says."""
    made = asked.read()
    logprobs = find_logprobs(
        make_model(family), [*asked.prompt, *made.token_ids], len(asked.prompt)
    )
    assert made.likelihoods is not None
    found = [one.logprob for one in made.likelihoods]
    own = [float(row[token]) for row, token in zip(logprobs, made.token_ids, strict=True)]
    assert found == pytest.approx(own, abs=1e-4)
    assert own == pytest.approx(logprobs.max(dim=-1).values.tolist(), abs=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("family", ["qwen2", "llama", "gpt2"])
def test_a_batch_gives_what_each_sequence_gives_alone(family: str) -> None:
    """Sequences of many lengths join and leave; prompts have beginnings in common."""
    rng = random.Random(3)
    common = make_prompt(60, seed=1)
    asked = [
        Asked(
            common[: rng.randrange(60)] + make_prompt(rng.randrange(1, 40), seed=number),
            max_tokens=rng.randrange(1, 20),
        )
        for number in range(24)
    ]
    with decode(family) as decoder:
        for one in asked:
            decoder.submit(one.trajectory)
        for one in asked:
            check(one, family)
        assert decoder.figures.reused_tokens > 0


@pytest.mark.models
def test_more_sequences_than_rows_all_come_to_an_end() -> None:
    asked = [Asked(make_prompt(5, seed=number)) for number in range(20)]
    with decode(rows=2, kept=0) as decoder:
        decoder.submit(*[one.trajectory for one in asked])
        for one in asked:
            check(one)


@pytest.mark.models
def test_a_prompt_longer_than_one_pass_is_read_in_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("modeljobs.engines.batching.PASS_TOKENS", 16)
    asked = [Asked(make_prompt(length, seed=length)) for length in (100, 3, 40, 17, 1)]
    with decode(rows=5) as decoder:
        decoder.submit(*[one.trajectory for one in asked])
        for one in asked:
            check(one)
        # All but the last token of each, which the first step reads.
        assert decoder.figures.read_tokens == 161 - 5


@pytest.mark.models
def test_a_prompt_that_goes_on_from_an_answer_is_not_read_again() -> None:
    first = Asked(make_prompt(50))
    with decode(ends=frozenset()) as decoder:
        decoder.submit(first.trajectory)
        known = [*first.prompt, *first.read().token_ids]
        second = Asked([*known, *make_prompt(10, seed=5)])
        decoder.submit(second.trajectory)
        check(second)
        # All but the last sampled token went through the model, which is 57 of 58: that one is
        # read, and 9 of the 10 behind it.
        assert decoder.figures.reused_tokens == len(known) - 1
        assert decoder.figures.read_tokens == 49 + 10


@pytest.mark.models
def test_samples_of_one_prompt_read_it_once() -> None:
    prompt = make_prompt(40)
    asked = [
        Asked(prompt, temperature=1.0, rng=random.Random(seed)) for seed in ("a", "b", "c", "a")
    ]
    with decode(ends=frozenset()) as decoder:
        decoder.submit(*[one.trajectory for one in asked])
        texts = [one.read().token_ids for one in asked]
        assert decoder.figures.read_tokens == 39
        assert decoder.figures.reused_tokens == 3 * 39
        # They joined together, one step behind the first.
        assert decoder.figures.steps == 8 + 1
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3


@pytest.mark.models
def test_what_is_remembered_is_bounded_and_gives_way() -> None:
    prompts = [make_prompt(40, seed=number) for number in range(5)]
    with decode(kept=2) as decoder:
        for prompt in (*prompts, *prompts):
            asked = Asked(prompt)
            decoder.submit(asked.trajectory)
            check(asked)
        # Each was forgotten before it came again.
        assert decoder.figures.reused_tokens == 0
        again = Asked(prompts[-1])
        decoder.submit(again.trajectory)
        check(again)
        assert decoder.figures.reused_tokens == 39


@pytest.mark.models
def test_an_end_token_ends_the_text() -> None:
    plain = Asked(make_prompt(12), max_tokens=20)
    with decode() as decoder:
        decoder.submit(plain.trajectory)
        tokens = plain.read().token_ids
    end = tokens[4]
    first = tokens.index(end)
    asked = Asked(make_prompt(12), max_tokens=20)
    with decode(ends=frozenset({end})) as decoder:
        decoder.submit(asked.trajectory)
        made = asked.read()
    assert made.token_ids == tokens[: first + 1]
    # The text has nothing of it, the tokens and their log-probabilities do.
    assert (made.text, made.finish_reason) == (spell(tokens[:first]), "stop")
    assert made.likelihoods is not None
    assert len(made.likelihoods) == first + 1


@pytest.mark.models
def test_a_stop_string_ends_the_text() -> None:
    plain = Asked(make_prompt(12), max_tokens=20)
    with decode(ends=frozenset()) as decoder:
        decoder.submit(plain.trajectory)
        tokens = plain.read().token_ids
        stop = spell(tokens[5:7])
        asked = Asked(make_prompt(12), max_tokens=20, stop=(stop,))
        decoder.submit(asked.trajectory)
        made = asked.read()
    assert made.finish_reason == "stop"
    assert made.text == spell(tokens)[: spell(tokens).index(stop)]
    assert made.token_ids == tokens[: len(made.token_ids)]
    assert spell(made.token_ids).endswith(stop)


@pytest.mark.models
def test_the_limit_ends_the_text() -> None:
    asked = Asked(make_prompt(12), max_tokens=3)
    with decode(ends=frozenset()) as decoder:
        decoder.submit(asked.trajectory)
        made = asked.read()
    assert (len(made.token_ids), made.finish_reason) == (3, "length")


@pytest.mark.models
def test_a_cancelled_sequence_frees_its_row() -> None:
    going, may_go_on = threading.Event(), threading.Event()

    def notice(ids: Sequence[int]) -> str:
        going.set()
        assert may_go_on.wait(LONG)
        return spell(ids)

    held = Asked(make_prompt(3), max_tokens=CONTEXT - 3)
    held.trajectory.stream = TextStream(notice, prompt=())
    waiting, after = Asked(make_prompt(4)), Asked(make_prompt(5))
    with decode(rows=1, ends=frozenset()) as decoder:
        decoder.submit(held.trajectory, waiting.trajectory, after.trajectory)
        assert going.wait(LONG)
        decoder.cancel(held.trajectory, waiting.trajectory)
        may_go_on.set()
        check(after)
    assert not held.outcome.done()
    assert not waiting.outcome.done()


@pytest.mark.models
def test_a_closed_decoder_refuses_what_waits_and_what_comes() -> None:
    held, late = Asked(make_prompt(3), max_tokens=200), Asked(make_prompt(3))
    with decode(rows=1) as decoder:
        decoder.submit(held.trajectory)
        decoder.close()
        decoder.submit(late.trajectory)
    refused = late.outcome.result(LONG)
    assert isinstance(refused, EnginePermanent)
    assert refused.code == "closed"
    assert held.outcome.done()


class FailingModel:
    """Fails as often as it is told to, and then is the model."""

    def __init__(self, *errors: Exception) -> None:
        self.model = make_model()
        self.errors = list(errors)

    def parameters(self) -> Any:
        return self.model.parameters()

    def __call__(self, **given: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return self.model(**given)


@pytest.mark.models
@pytest.mark.parametrize("code", ["out_of_memory", "engine_failed"])
def test_a_step_that_fails_is_told_and_the_next_works(code: str) -> None:
    import torch

    errors = {"out_of_memory": torch.OutOfMemoryError("full"), "engine_failed": KeyError("x")}
    decoder = Decoder(
        torch,
        FailingModel(errors[code]),
        rows=2,
        kept=2,
        context_length=CONTEXT,
        ends=frozenset(),
    )
    try:
        lost, next_one = Asked(make_prompt(5)), Asked(make_prompt(6))
        decoder.submit(lost.trajectory)
        error = lost.outcome.result(LONG)
        assert isinstance(error, EnginePermanent)
        assert error.code == code
        decoder.submit(next_one.trajectory)
        check(next_one)
    finally:
        decoder.close()


def test_a_block_is_known_by_all_before_it() -> None:
    one: list[int] = []
    add_hashes(one, range(2 * BLOCK + 5))
    assert len(one) == 2
    other: list[int] = []
    add_hashes(other, [1, *range(1, 2 * BLOCK)])
    assert one[1] != other[1]
    # Blocks that come later are added to those that are known.
    grown = one[:1]
    add_hashes(grown, range(2 * BLOCK + 5))
    assert grown == one
