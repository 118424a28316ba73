"""A scripted engine: no model, only seeded rules. For the demo and for tests, and it says so.

It reads what is asked from the request's metadata, not from its words, and answers as a model that
follows the injection prompt would, slips included; it goes on with solutions of generated sums (see
`scripted_rollouts`). The answer depends on the seed and the request key alone, that of a rollout on
the request's seed. What it does not know how to answer, it answers with a sentence that says what
it is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from modeljobs.engines.base import Capabilities, Completion, CompletionRequest, EngineReply
from modeljobs.engines.scripted_rollouts import write_rollout
from modeljobs.methods.rule_injection import RuleInjection, inject_by_rule

GREETING = "This is the scripted engine: no model has read your message."


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """How often the script slips, each between 0 and 1.

    `malformed_rate`: replies that cannot be read. `off_by_one_rate`: claims that point one step too
    far, the commonest defect of PRMBench's labels. `fence_rate`: a fence or talk around the JSON.
    `raw_backslash_rate`: LaTeX with single backslashes. `drift_rate`: an unasked copy of the
    original that differs from it.
    """

    seed: int = 0
    malformed_rate: float = 0.03
    off_by_one_rate: float = 0.06
    fence_rate: float = 0.25
    raw_backslash_rate: float = 0.1
    drift_rate: float = 0.05

    def __post_init__(self) -> None:
        for name in ("malformed", "off_by_one", "fence", "raw_backslash", "drift"):
            rate = getattr(self, f"{name}_rate")
            if not 0 <= rate <= 1:
                raise ValueError(f"{name}_rate must be between 0 and 1, not {rate!r}.")


class ScriptedEngine:
    """Answers by rule. Every page that shows its work says that no model was asked."""

    def __init__(self, settings: ScriptSettings | None = None) -> None:
        self._settings = settings or ScriptSettings()

    def __repr__(self) -> str:
        return f"ScriptedEngine(seed={self._settings.seed})"

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def revision(self) -> str:
        return "1"

    @property
    def is_scripted(self) -> bool:
        return True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(n=True, chat=True, completions=True)

    def describe(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "kind": "scripted",
            "name": self.name,
            "revision": self.revision,
            "is_scripted": True,
            "description": "Scripted: seeded rules, no model.",
            "seed": settings.seed,
            "malformed_rate": settings.malformed_rate,
            "off_by_one_rate": settings.off_by_one_rate,
            "fence_rate": settings.fence_rate,
            "raw_backslash_rate": settings.raw_backslash_rate,
            "drift_rate": settings.drift_rate,
        }

    async def complete(self, request: CompletionRequest) -> EngineReply:
        return EngineReply(
            tuple(
                Completion(self._write_answer(request, index), finish_reason="stop")
                for index in range(request.sampling.n)
            ),
            model=self.name,
            latency_ms=0,
        )

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _write_answer(self, request: CompletionRequest, index: int) -> str:
        metadata = request.metadata
        if metadata.get("task") == "rollout":
            return self._write_rollout(request, index)
        if metadata.get("task") != "injection":
            return GREETING
        seed = f"{self._settings.seed}:{request.key}:{index}"
        question, steps = str(metadata["question"]), [str(step) for step in metadata["steps"]]
        made = inject_by_rule(question, steps, error_type=str(metadata["error_type"]), seed=seed)
        if made is None:
            return f"{GREETING} No rule fits this solution."
        rng = random.Random(f"slips:{seed}")  # noqa: S311 (not a secret)
        return self._write_reply(made, question, steps, rng)

    def _write_rollout(self, request: CompletionRequest, index: int) -> str:
        """By the request's seed and not its key: a prefix that is shared is the same for all."""
        seed = f"rollout:{self._settings.seed}:{request.sampling.seed}:{index}"
        question = str(request.metadata["question"])
        steps = [str(step) for step in request.metadata["steps"]]
        rng = random.Random(seed)  # noqa: S311 (not a secret)
        return write_rollout(question, steps, rng) or f"{GREETING} It can only do generated sums."

    def _write_reply(
        self, made: RuleInjection, question: str, steps: Sequence[str], rng: random.Random
    ) -> str:
        settings = self._settings
        # Every slip is drawn every time, so that changing one rate leaves the others' draws alone.
        draws = {name: rng.random() for name in ("off", "drift", "raw", "malformed", "fence")}
        shift = 1 if draws["off"] < settings.off_by_one_rate else 0
        reply: dict[str, Any] = {
            "modified_question": made.modified_question,
            "modified_process": list(made.modified_steps),
            "modified_steps": [position + 1 for position in made.changed_positions],
            "error_steps": [position + 1 + shift for position in made.error_positions],
            "reason": made.reason,
        }
        if draws["drift"] < settings.drift_rate:
            copy = [*steps[:-1], f"{steps[-1]} Done."]
            reply = {"original_question": question, "original_process": copy} | reply
        malform = rng.choice(MALFORMATIONS)
        if draws["malformed"] < settings.malformed_rate:
            return malform(reply)
        text = json.dumps(reply, ensure_ascii=False)
        if draws["raw"] < settings.raw_backslash_rate:
            text = text.replace("\\\\", "\\")
        wrap = rng.choice(WRAPPINGS)
        return wrap.format(text) if draws["fence"] < settings.fence_rate else text


WRAPPINGS = (
    "```json\n{}\n```",
    "Here is the modified solution:\n\n{}",
    "```\n{}\n```\n\nThe flaw should take some thought to find.",
)


def _break_off(reply: dict[str, Any]) -> str:
    text = json.dumps(reply, ensure_ascii=False)
    return text[: len(text) * 2 // 3]


def _leave_out_errors(reply: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in reply.items() if name != "error_steps"})


def _join_steps(reply: dict[str, Any]) -> str:
    return json.dumps(reply | {"modified_process": "\n".join(reply["modified_process"])})


def _name_steps(reply: dict[str, Any]) -> str:
    return json.dumps(reply | {"error_steps": [f"Step {n}" for n in reply["error_steps"]]})


def _talk(reply: dict[str, Any]) -> str:
    return "I would rather explain the solution than change it."


MALFORMATIONS: tuple[Callable[[dict[str, Any]], str], ...] = (
    _break_off,
    _leave_out_errors,
    _join_steps,
    _name_steps,
    _talk,
)
