from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import Capabilities, CompletionRequest, EngineReply, Message
from modeljobs.methods.rollouts import (
    INSTRUCTION,
    Chunk,
    ChunkKey,
    MemoryRolloutCache,
    Plan,
    Prefix,
    Prompting,
    Rollout,
    Sampler,
    build_chunk_request,
    build_fingerprint,
    choose_rollouts,
    count_chunks,
    derive_chunk_seed,
    list_prefixes,
    queue_prefixes,
    write_beginning,
    write_messages,
)

PREFIX = Prefix("What is 2 + 2 + 2?", ("2 + 2 = 4.", "4 + 2 = 6."))


@dataclass(frozen=True)
class NamedEngine:
    name: str = "policy"
    revision: str = "r1"
    is_scripted: bool = True
    capabilities: Capabilities = field(default_factory=Capabilities)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        raise NotImplementedError

    def describe(self) -> dict[str, object]:
        return {}

    async def aclose(self) -> None:
        """Nothing to let go of."""


def solution(*steps: str, problem: str = "What is 2 + 2 + 2?") -> Solution:
    return Solution(Problem(problem), tuple(Step(text) for text in steps))


# --- Plans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "rollouts"),
    [
        (0.0, 128),
        (0.0999, 128),
        (0.1, 64),
        (0.8999, 64),
        (0.9, 32),
        (0.9999, 32),
        # Equation 9 ends below 1.
        (1.0, 32),
        (None, 64),
    ],
)
def test_k_follows_equation_9(share, rollouts):
    assert choose_rollouts(share) == rollouts
    assert Plan("published").count_rollouts(share) == rollouts


@pytest.mark.parametrize("kind", ["fixed", "sequential"])
def test_other_plans_do_not_ask_for_the_difficulty(kind):
    assert Plan(kind, samples=24).count_rollouts(0.0) == 24


def test_rollouts_are_asked_for_in_whole_chunks():
    assert [count_chunks(n, 8) for n in (0, 1, 8, 9, 64)] == [0, 1, 1, 2, 8]


# --- Prefixes -------------------------------------------------------------------------------------


def test_every_step_but_the_last_has_a_prefix():
    found = list_prefixes(solution("a", "b", "c"))
    assert [prefix.steps for prefix in found] == [(), ("a",), ("a", "b")]


def test_a_single_step_leaves_the_problem_alone():
    assert [prefix.steps for prefix in list_prefixes(solution("a"))] == [()]


def test_a_shared_prefix_is_queued_once_for_all_its_owners():
    queue = queue_prefixes([("s1", solution("a", "b", "c")), ("s2", solution("a", "x", "c"))])
    assert [(queued.prefix.steps, queued.owners) for queued in queue] == [
        ((), (("s1", -1), ("s2", -1))),
        (("a",), (("s1", 0), ("s2", 0))),
        (("a", "b"), (("s1", 1),)),
        (("a", "x"), (("s2", 1),)),
    ]


def test_the_same_steps_of_another_problem_are_another_prefix():
    queue = queue_prefixes([("s1", solution("a", "b")), ("s2", solution("a", "b", problem="Q"))])
    assert len(queue) == 4


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=5), max_size=6))
def test_the_queue_holds_every_prefix_of_every_solution(many):
    named = [(f"s{number}", solution(*steps)) for number, steps in enumerate(many)]
    queue = queue_prefixes(named)
    assert len({queued.prefix for queued in queue}) == len(queue)
    owned = sorted(owner for queued in queue for owner in queued.owners)
    assert owned == sorted(
        (key, position) for key, one in named for position in range(-1, len(one.steps) - 1)
    )


# --- Prompts --------------------------------------------------------------------------------------


def test_the_published_completer_is_asked_in_the_published_words():
    steps = ("Step 1: 2 + 2 = 4.", "Step 2: 4 + 2 = 6.")
    assert write_messages(Prefix("Q", steps), Prompting()) == (
        Message(
            "system", "Please reason step by step, and put your final answer within \\boxed{}."
        ),
        Message("user", "Q"),
        Message("assistant", "Step 1: 2 + 2 = 4.\n\nStep 2: 4 + 2 = 6.\n\nStep 3: "),
    )


def test_the_problem_alone_begins_with_step_1():
    assert write_messages(Prefix("Q", ()), Prompting())[-1] == Message("assistant", "Step 1: ")


def test_steps_without_numbers_are_given_theirs():
    assert write_beginning(["a", "step 2. b"], "numbered") == "Step 1: a\n\nstep 2. b\n\nStep 3: "


def test_the_plain_template_numbers_nothing():
    prompting = Prompting("plain", "user")
    assert write_messages(PREFIX, prompting) == (
        Message("user", f"What is 2 + 2 + 2?\n\n{INSTRUCTION}"),
        Message("assistant", "2 + 2 = 4.\n\n4 + 2 = 6.\n\n"),
    )
    assert [one.role for one in write_messages(Prefix("Q", ()), prompting)] == ["user"]


def test_a_request_carries_the_sampler_and_its_own_seed():
    request = build_chunk_request(
        "k", PREFIX, n=8, seed=5, prompting=Prompting(), sampler=Sampler(top_k=-1)
    )
    sampling = request.sampling
    assert (sampling.n, sampling.seed, sampling.temperature) == (8, 5, 0.7)
    assert (sampling.top_p, sampling.top_k, sampling.max_tokens) == (1.0, -1, 2048)
    assert request.metadata["steps"] == PREFIX.steps


# --- Sharing --------------------------------------------------------------------------------------


def fingerprint(
    *,
    engine: NamedEngine | None = None,
    prefix: Prefix = PREFIX,
    prompting: Prompting | None = None,
    sampler: Sampler | None = None,
) -> str:
    return build_fingerprint(
        engine or NamedEngine(), prefix, prompting or Prompting(), sampler or Sampler()
    )


def test_the_fingerprint_changes_with_all_that_a_rollout_depends_on():
    changed = [
        fingerprint(engine=NamedEngine(name="other")),
        fingerprint(engine=NamedEngine(revision="r2")),
        fingerprint(prefix=replace(PREFIX, problem="Q")),
        fingerprint(prefix=replace(PREFIX, steps=PREFIX.steps[:1])),
        fingerprint(prefix=replace(PREFIX, steps=("2 + 2 = 4.\n\n4 + 2 = 6.",))),
        fingerprint(prompting=Prompting("plain")),
        fingerprint(prompting=Prompting(instruction_place="user")),
        fingerprint(sampler=Sampler(temperature=0.8)),
        fingerprint(sampler=Sampler(max_tokens=1024)),
        fingerprint(sampler=Sampler(chunk=4)),
    ]
    assert len({fingerprint(), *changed}) == len(changed) + 1
    assert fingerprint() == fingerprint()


def test_seeds_follow_from_what_is_sampled():
    seeds = {
        derive_chunk_seed(seed, print_, number, part)
        for seed in (1, 2)
        for print_ in ("a", "b")
        for number in (0, 1)
        for part in (0, 1)
    }
    assert len(seeds) == 16
    assert derive_chunk_seed(1, "a", 0, 0) == derive_chunk_seed(1, "a", 0, 0)


KEY = ChunkKey("print", 0, "r1")


def make_sampler(texts: list[str | Exception], made: list[str]) -> Callable[[], Awaitable[Chunk]]:
    async def sample() -> Chunk:
        text = texts.pop(0)
        await asyncio.sleep(0)
        if isinstance(text, Exception):
            raise text
        made.append(text)
        return Chunk((Rollout(text, "stop"),), text, seed=1)

    return sample


def test_a_chunk_is_sampled_once_even_when_asked_for_at_once():
    made: list[str] = []

    async def fetch() -> list[Chunk]:
        cache, sample = MemoryRolloutCache(), make_sampler(["a", "b", "c"], made)
        return list(await asyncio.gather(*(cache.fetch(KEY, sample) for _ in range(3))))

    assert {chunk.origin for chunk in asyncio.run(fetch())} == {"a"}
    assert made == ["a"]


def test_a_chunk_that_failed_is_sampled_by_the_next_caller():
    made: list[str] = []

    async def fetch() -> Chunk:
        cache, sample = MemoryRolloutCache(), make_sampler([ValueError("no"), "b"], made)
        with pytest.raises(ValueError, match="no"):
            await cache.fetch(KEY, sample)
        return await cache.fetch(KEY, sample)

    assert asyncio.run(fetch()).origin == "b"
