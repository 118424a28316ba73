"""Discriminative reward models as annotators: their scores become suggestions for people."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.records import (
    At,
    Author,
    Contribution,
    FirstError,
    LabelSet,
    NoError,
    Score,
    StepLabel,
    Unknown,
    Validity,
)
from modeljobs.engines.base import Engine
from modeljobs.engines.options import Option
from modeljobs.methods.base import (
    CallMade,
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    MethodBase,
    Outcome,
    PoolRecord,
    Produced,
    StepChecked,
)
from modeljobs.methods.genprm import list_judged_steps
from modeljobs.methods.prm.families import FAMILIES
from modeljobs.methods.prm.options import OPTIONS, build_adapter
from modeljobs.methods.prm.scoring import Adapter, MisfitError, StepScore, require_scores

NAME = "prm"
VERSION = "1"
KIND = "prm"
# ActPRM trusts a score whose heads agree this closely and that is this far from doubt; the others
# it has judged by somebody else (defaults of sail-sg/ActivePRM, Duan et al. 2025).
TRUSTED_SPREAD = 0.01
TRUSTED_CHANCE = 0.9


@dataclass(frozen=True, slots=True)
class PrmMethod(MethodBase):
    """Scores every step of a solution in one pass."""

    name: str = NAME
    version: str = VERSION
    title: str = "Score steps with a reward model"
    description: str = (
        "A discriminative process reward model reads a whole solution at once and gives each step "
        "a score. By the rule that goes with the model, scores become suggestions for people."
    )

    @property
    def prompt_version(self) -> str:
        """A hash over the templates of all families; each suggestion names that of its own."""
        digest = hashlib.sha256()
        for family in FAMILIES.values():
            digest.update(family.template_version.encode() + b"\0")
        return f"prm-{VERSION} #{digest.hexdigest()[:12]}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        return OPTIONS

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """1. Lay the solution out. 2. Ask for its scores. 3. Report each step, then the labels."""
        steps = list_judged_steps(item.solution)
        if not steps:
            yield Failed("unsuitable_source", "The solution has no steps to judge.")
            return
        scorer = require_scores(engine)
        adapter = build_adapter(settings)
        try:
            laid = await adapter.prepare(scorer, item.solution.problem.text, steps)
        except MisfitError as error:
            yield Failed(error.code, str(error))
            return
        if not laid.scored:
            yield Failed("unsuitable_source", "No step of the solution has any text to score.")
            return
        request = adapter.build_request(f"{item.key}/prm", laid)
        reply = await scorer.pool(request)
        try:
            scores = adapter.read(laid, reply)
        except MisfitError as error:
            record = PoolRecord(request, reply, purpose="score", problem=str(error))
            yield CallMade(record)
            yield Failed(error.code, str(error))
            return
        yield CallMade(PoolRecord(request, reply, purpose="score"))
        for score in scores:
            yield StepChecked(score.position, KIND, pack_summary(score, adapter))
        yield _conclude(item, engine, adapter, scores, rng_seed, request.key, reply.model)


def pack_summary(score: StepScore, adapter: Adapter) -> dict[str, Any]:
    """The step for lists and columns: plain JSON."""
    return {
        "scores": [one.pack() for one in score.scores],
        "verdict": score.verdict,
        "uncertainty": score.uncertainty,
        "family": adapter.family.name,
        "template": adapter.family.template_version,
        "token": score.token,
        "samples": 1,
        "reason": score.reason,
    }


def build_label(score: StepScore) -> StepLabel | None:
    """The label that the scores stand for; None where there is no verdict."""
    if score.verdict is None or score.raw is None:
        return None
    redundancy = None
    contribution = None
    if score.p_redundant is not None and score.is_redundant is not None:
        rule = next(one.rule for one in score.scores if one.name == "redundancy")
        redundancy = Score(score.p_redundant, score.scale, rule)
        if score.is_redundant:
            contribution = Contribution.REDUNDANT
        elif score.verdict:
            # A wrong step moves nothing on, however little it repeats.
            contribution = Contribution.ADVANCES
    return StepLabel(
        validity=Validity.CORRECT if score.verdict else Validity.WRONG,
        contribution=contribution,
        unsure=_is_doubtful(score),
        score=Score(score.raw, score.scale, score.rule),
        redundancy=redundancy,
    )


def _is_doubtful(score: StepScore) -> bool:
    """Would ActPRM have the step judged by somebody else? Never so for a single head."""
    if score.uncertainty is None or score.raw is None:
        return False
    is_clear = score.raw >= TRUSTED_CHANCE or score.raw <= 1 - TRUSTED_CHANCE
    return score.uncertainty > TRUSTED_SPREAD or not is_clear


def _conclude(
    item: ItemInput,
    engine: Engine,
    adapter: Adapter,
    scores: Sequence[StepScore],
    rng_seed: int,
    request_key: str,
    served_model: str,
) -> Produced | Failed:
    """The labels of all steps, or the failure where not one of them has a verdict."""
    if all(score.verdict is None for score in scores):
        return Failed(
            "no_scores",
            f"None of the {len(scores)} steps has a score: {scores[0].reason}",
            outcome=Outcome.UNPARSED,
        )
    family, redundancy = adapter.family, adapter.redundancy_rule
    missing = len(item.solution.steps) - len(scores)
    return Produced(
        kind="suggestion",
        product=LabelSet(
            author=Author.MACHINE,
            labels=(*[build_label(score) for score in scores], *[None] * missing),
            first_error=find_first_error(scores),
            method=NAME,
        ),
        provenance={
            "method": NAME,
            "method_version": VERSION,
            "family": family.name,
            "template": family.template_version,
            "scale": family.scale,
            "rule": adapter.rule.text,
            "redundancy_rule": redundancy.text if redundancy else "",
            "steps_judged": sum(score.verdict is not None for score in scores),
            "steps_to_judge": len(scores),
            "seed": rng_seed,
            "key": item.key,
            "request": request_key,
            "engine": engine.describe(),
            "served_models": [served_model] if served_model else [],
            "is_scripted": engine.is_scripted,
        },
    )


def find_first_error(scores: Sequence[StepScore]) -> FirstError:
    """The first wrong step, if every step before it has a verdict."""
    for score in scores:
        if score.verdict is None:
            return Unknown(f"step {score.position + 1} has no score")
        if not score.verdict:
            return At(score.position)
    return NoError()
