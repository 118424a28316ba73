"""RPE: what each step does to the chance of reaching the answer, by rollouts (GenPRM, Zhao et al.
2025, section 3.2).

One solution is one item: rollouts from the problem alone (Pass@1), rollouts from every prefix but
the last, whose step is judged by its own answer, and the answers compared with the reference.
Stored are counts; the labels of the suggestion are one reading of them (see `rpe_labels`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modeljobs.engines.base import Engine, EnginePermanent
from modeljobs.engines.options import Option
from modeljobs.methods.answer_checks import VerdictCache
from modeljobs.methods.base import CodeRunner, Event, Failed, ItemInput, MethodBase
from modeljobs.methods.math_verify import PACKAGE, find_version
from modeljobs.methods.rollouts import INSTRUCTION, TEMPLATE_VERSION, RolloutCache
from modeljobs.methods.rpe_labels import read_rule
from modeljobs.methods.rpe_options import ANSWER_OPTIONS, LABEL_OPTIONS, SAMPLING_OPTIONS
from modeljobs.methods.rpe_work import METHOD, METHOD_VERSION, RolloutWork
from modeljobs.methods.sharing import Shared
from modeljobs.methods.streams import Emit, stream_events


@dataclass(frozen=True, slots=True)
class RpeMethod(MethodBase):
    """Labels steps by rollouts from each prefix.

    `cache` shares rollouts between items, `verdicts` comparisons of answers; with None each item
    has its own.
    """

    cache: RolloutCache | None = None
    verdicts: VerdictCache | None = None
    name: str = METHOD
    version: str = METHOD_VERSION
    title: str = "Label steps by rollouts (RPE)"
    description: str = (
        "A policy model completes the solution many times from each step on. How the share of "
        "completions that reach the reference answer changes is the step's label; steps that the "
        "counts leave open go to people."
    )

    @property
    def prompt_version(self) -> str:
        """The templates' version, and a hash over the instruction that goes with them."""
        digest = hashlib.sha256(INSTRUCTION.encode()).hexdigest()[:12]
        return f"rollout-{TEMPLATE_VERSION} #{digest}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        return SAMPLING_OPTIONS + ANSWER_OPTIONS + LABEL_OPTIONS

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        return bool(settings["checker"] == "math_verify")

    def bind(self, shared: Shared) -> RpeMethod:
        """See `SharingMethod`."""
        return replace(self, cache=shared.rollouts, verdicts=shared.verdicts)

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """1. Refuse what cannot be rolled out. 2. Pass@1. 3. All prefixes at once, and the
        solution's own answer. 4. Read the counts.
        """
        if not engine.capabilities.chat:
            # About the engine and not the item: all items would meet the same refusal.
            raise EnginePermanent(
                f"The engine {engine.name!r} takes no chats; a policy goes on from the beginning "
                "of its own turn in one.",
                code="no_chat",
            )
        if failure := find_unfit(item, settings) or find_missing_checker(settings, code):
            yield failure
            return

        async def work(emit: Emit) -> None:
            await RolloutWork(
                item,
                engine=engine,
                settings=settings,
                rng_seed=rng_seed,
                code=code,
                emit=emit,
                cache=self.cache,
                verdicts=self.verdicts,
            ).run()

        async with contextlib.aclosing(stream_events(work)) as events:
            async for event in events:
                yield event


def find_unfit(item: ItemInput, settings: Mapping[str, Any]) -> Failed | None:
    """Why a solution cannot be rolled out."""
    solution = item.solution
    problem = ""
    if not solution.problem.text.strip():
        problem = "The problem has no text."
    elif not solution.steps:
        problem = "The solution has no steps."
    elif not all(step.text.strip() for step in solution.steps):
        problem = "The solution has a step without text."
    if problem:
        return Failed("unsuitable_source", problem)
    if not (solution.problem.reference_answer or "").strip():
        sentence = "The problem has no reference answer to compare the rollouts with."
        return Failed("no_reference", item.no_reference or sentence)
    try:
        read_rule(settings)
    except ValueError as error:
        return Failed("bad_settings", str(error))
    return None


def find_missing_checker(settings: Mapping[str, Any], code: CodeRunner | None) -> Failed | None:
    """Why the chosen answer checker cannot be used here."""
    if settings["checker"] != "math_verify":
        return None
    if find_version() is None:
        return Failed("checker_missing", f"The package {PACKAGE} is not installed.")
    if code is None:
        return Failed("no_sandbox", "Math-Verify runs in the sandbox, and there is none.")
    return None
