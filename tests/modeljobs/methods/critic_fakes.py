"""Stand-ins for tests of critics: a model that says what a test gives it, and a solution with much
that no judge may see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labeling.records import (
    At,
    Author,
    Injection,
    LabelSet,
    Problem,
    Solution,
    Step,
    StepLabel,
    Validity,
)
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    TokenLogprob,
)
from modeljobs.engines.options import validate_options
from modeljobs.methods.base import ItemInput, ItemResult, Method, collect_events

SOLUTION = Solution(
    Problem("What is $2 + 3 + 4$?", reference_answer="9"),
    (Step("First, $2 + 3 = 5$."), Step("Then $5 + 4 = 10$."), Step("The answer is $10$.")),
)
N_STEPS = 3
# What is claimed or known of a solution, and must not reach a model.
SECRETS = (
    "the-reason-of-the-injection",
    "deception",
    "the-original-problem",
    "the-original-step",
    "the-reference-answer",
    "the-reference-solution",
    "a-person's-note",
    "the-source-id",
    "in-the-extra-of-a-step",
)
CLAIMED = Solution(
    Problem(
        "What is $2 + 3 + 4$?",
        source_id=SECRETS[7],
        reference_answer=SECRETS[4],
        reference_solution=SECRETS[5],
        extra={"prmbench.error_steps": [2], "prmbench.reason": SECRETS[0]},
    ),
    tuple(Step(step.text, extra={"note": SECRETS[8]}) for step in SOLUTION.steps),
    source_id=f"{SECRETS[1]}_{SECRETS[7]}",
    final_answer_correct=False,
    label_sets=(
        LabelSet(
            Author.HUMAN,
            (None, StepLabel(Validity.WRONG, error_types=(SECRETS[1],), note=SECRETS[6]), None),
            At(1),
        ),
    ),
    injection=Injection(
        error_type=SECRETS[1],
        original_problem=SECRETS[2],
        original_steps=(SECRETS[3],),
        claimed_error_positions=(1,),
        claimed_changed_positions=(1,),
        reason=SECRETS[0],
    ),
    extra={"prmbench.classification": SECRETS[1]},
)

Say = Callable[[CompletionRequest, int], str | Completion | Exception]


@dataclass
class SayingModel:
    """Answers sample `index` of a request with what `say` gives; `n` says whether it gives several.

    `gives` bounds how many it gives whatever is asked for.
    """

    say: Say
    n: bool = True
    gives: int | None = None
    known: Mapping[str, EngineReply] = field(default_factory=dict)
    requests: list[CompletionRequest] = field(default_factory=list)
    capabilities: Capabilities = field(init=False)
    name: str = "saying"
    revision: str = ""
    is_scripted: bool = False
    completions: bool = True
    chat: bool = True

    def __post_init__(self) -> None:
        self.capabilities = Capabilities(
            logprobs=True, n=self.n, chat=self.chat, completions=self.completions
        )

    async def complete(self, request: CompletionRequest) -> EngineReply:
        # Others get their turn, as with a real engine.
        await asyncio.sleep(0)
        if request.key in self.known:
            return self.known[request.key]
        self.requests.append(request)
        wanted = request.sampling.n
        count = wanted if self.gives is None else min(wanted, self.gives)
        answers = [self.say(request, index) for index in range(count)]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return EngineReply(
            tuple(
                Completion(answer, "stop") if isinstance(answer, str) else answer
                for answer in answers
                if not isinstance(answer, Exception)
            ),
            model="saying-1",
            prompt_tokens=10,
            completion_tokens=5,
        )

    def describe(self) -> dict[str, Any]:
        return {"kind": "saying"}

    async def aclose(self) -> None: ...


def say_in_turn(*answers: str | Completion | Exception) -> Say:
    """The answers one after the other over all requests, and the last for ever."""
    given = list(answers)

    def say(request: CompletionRequest, index: int) -> str | Completion | Exception:
        return given.pop(0) if len(given) > 1 else given[0]

    return say


def run_method(
    method: Method,
    engine: SayingModel,
    *,
    solution: Solution = SOLUTION,
    seed: int = 7,
    **settings: Any,
) -> ItemResult:
    """The whole result of a solution."""
    events = method.run(
        ItemInput("item", solution),
        engine=engine,
        settings=validate_options(method.parameters, settings),
        rng_seed=seed,
    )
    return asyncio.run(collect_events(events))


def write_out(request: CompletionRequest) -> str:
    """Everything that is sent to a model."""
    return (request.prompt or "") + "\n".join(message.content for message in request.messages)


def describe_requests(requests: Sequence[CompletionRequest]) -> list[tuple[Any, ...]]:
    """What makes requests the same, in an order of their own."""
    facts = [(one.key, write_out(one), one.sampling) for one in requests]
    return sorted(facts, key=lambda fact: fact[0])


def spell(*tokens: str | tuple[str, Mapping[str, float]]) -> Completion:
    """A completion of these tokens, some with alternatives (by log-probability)."""
    entries = []
    for token in tokens:
        text, top = (token, {}) if isinstance(token, str) else token
        entries.append(TokenLogprob(text, top.get(text, -0.01), dict(top)))
    text = "".join(entry.token for entry in entries)
    return Completion(text, "stop", completion_tokens=len(entries), logprobs=tuple(entries))
