"""A reward model's scores for the steps of one solution.

    text -> tokens and positions (layouts) -> one request -> a row per step (heads) -> verdicts

One row for each scored token or none at all: a text that is too long for the model is refused, and
so is a reply with another number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.pooling import PoolingEngine, PoolingReply, PoolingRequest
from modeljobs.methods.prm.encoding import Bench, Laid
from modeljobs.methods.prm.families import Family
from modeljobs.methods.prm.heads import Numbers
from modeljobs.methods.prm.rules import Judgement, Rule

WITHOUT_TEXT = "The step has no text, and this kind of model scores a step at its last token."
NOT_FINITE = "The model gave a number that is not finite."
NOTHING_BEFORE = "The step before has no score to compare with."


class MisfitError(ValueError):
    """The scores do not fit the steps. `code` groups failures, the message is a sentence."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class NamedScore:
    """One number for one step. `rule` is empty where none was applied to it."""

    name: str
    raw: float | None
    scale: str
    rule: str = ""
    verdict: bool | None = None

    def pack(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "raw": self.raw,
            "scale": self.scale,
            "rule": self.rule,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class StepScore:
    """What a model says of one step. `verdict` is True where the step is right by the rule.

    `raw` is the score of validity on the family's scale, `p_redundant` and `uncertainty` are None
    for families without them, `token` is the index of the scored token. `reason` says why there is
    no verdict.
    """

    position: int
    raw: float | None
    scale: str
    rule: str
    verdict: bool | None
    scores: tuple[NamedScore, ...]
    p_redundant: float | None = None
    is_redundant: bool | None = None
    uncertainty: float | None = None
    token: int | None = None
    reason: str = ""

    @property
    def p_correct(self) -> float | None:
        """The score where it is a probability."""
        return self.raw if self.scale == "probability" else None


@dataclass(frozen=True, slots=True)
class Adapter:
    """A family with the rules in force."""

    family: Family
    rule: Rule
    redundancy_rule: Rule | None = None

    @classmethod
    def of(cls, family: Family) -> Adapter:
        """The family with its published rules."""
        return cls(family, family.rule, family.redundancy_rule)

    async def prepare(self, engine: PoolingEngine, problem: str, steps: Sequence[str]) -> Laid:
        """The solution as the model reads it.

        Raises MisfitError where it is longer than the model's context, as far as that is known;
        EnginePermanent where the model cannot be of this family or scores nothing.
        """
        require_scores(engine)
        laid = await self.family.layout(Bench(engine.encode), problem, steps)
        if len(laid.positions) != len(steps):
            raise RuntimeError(
                f"{self.family.name} laid out {len(laid.positions)} of {len(steps)} steps."
            )
        length, context = len(laid.ids), engine.capabilities.context_length
        if context is not None and length > context:
            raise MisfitError(
                f"Problem and steps have {length:,} tokens and the model takes {context:,}: they "
                "are not scored, because a text that is cut loses its last steps.",
                code="context_overflow",
            )
        return laid

    def build_request(self, key: str, laid: Laid) -> PoolingRequest:
        return PoolingRequest(
            key,
            laid.pieces,
            positions=laid.scored,
            columns=laid.columns,
            reduce="mean" if laid.reduce_mean else "",
        )

    def read(self, laid: Laid, reply: PoolingReply) -> tuple[StepScore, ...]:
        """The score of each step, in their order. MisfitError where the rows are not as many."""
        if len(reply.scores) != len(laid.scored):
            raise MisfitError(
                f"The engine gave {len(reply.scores):,} rows of scores for {len(laid.scored):,} "
                "steps: nobody knows which row belongs to which step.",
                code="row_count",
            )
        rows = iter(reply.scores)
        found = [None if at is None else self._read_row(next(rows)) for at in laid.positions]
        judged = self.rule.judge([None if one is None else one.value for one in found])
        return tuple(
            self._build_score(position, token, numbers, judgement)
            for position, (token, numbers, judgement) in enumerate(
                zip(laid.positions, found, judged, strict=True)
            )
        )

    async def score(
        self, engine: PoolingEngine, problem: str, steps: Sequence[str], *, key: str = "score"
    ) -> tuple[StepScore, ...]:
        """Everything at once, for callers with nothing to store on the way."""
        laid = await self.prepare(engine, problem, steps)
        if not laid.scored:
            return self.read(laid, PoolingReply(()))
        return self.read(laid, await engine.pool(self.build_request(key, laid)))

    def _read_row(self, row: Sequence[float]) -> Numbers | None:
        """None where the model's numbers are none to reckon with."""
        if not all(math.isfinite(one) for one in row):
            return None
        return self.family.read(row)

    def _build_score(
        self, position: int, token: int | None, numbers: Numbers | None, judgement: Judgement
    ) -> StepScore:
        scale, rule = self.family.scale, self.rule
        raw = None if numbers is None else numbers.value
        redundant = None if numbers is None else numbers.redundancy
        is_redundant = None
        if rule.kind == "difference":
            scores = [
                NamedScore("reward", raw, scale),
                NamedScore(
                    "difference", judgement.compared, "difference", rule.text, judgement.verdict
                ),
            ]
        else:
            scores = [NamedScore("validity", raw, scale, rule.text, judgement.verdict)]
        if self.redundancy_rule is not None:
            is_redundant = self.redundancy_rule.judge([redundant])[0].verdict
            scores.append(
                NamedScore("redundancy", redundant, scale, self.redundancy_rule.text, is_redundant)
            )
        return StepScore(
            position=position,
            raw=raw,
            scale=scale,
            rule=rule.text,
            verdict=judgement.verdict,
            scores=tuple(scores),
            p_redundant=redundant,
            is_redundant=is_redundant,
            uncertainty=None if numbers is None else numbers.uncertainty,
            token=token,
            reason=_explain(token, numbers, judgement),
        )


def require_scores(engine: object) -> PoolingEngine:
    """The engine, or EnginePermanent where it scores nothing."""
    # An item's engine has the door whatever is behind it: the capability decides.
    if not isinstance(engine, PoolingEngine) or not engine.capabilities.pooling:
        name = getattr(engine, "name", "")
        raise EnginePermanent(
            f"The engine {name!r} goes on from texts and does not score them: use a vLLM server "
            "with a reward model, or a reward model in this process.",
            code="no_pooling",
        )
    return engine


def _explain(token: int | None, numbers: Numbers | None, judgement: Judgement) -> str:
    if token is None:
        return WITHOUT_TEXT
    if numbers is None:
        return NOT_FINITE
    return NOTHING_BEFORE if judgement.verdict is None else ""
