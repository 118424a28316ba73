"""What PRMs and critics say of a step, as pages and REST show it. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modeljobs.given import count, flag, list_of, mapping_of, number, text, whole

KINDS: Final = frozenset({"prm", "critic"})


@dataclass(frozen=True, slots=True)
class ScoreView:
    """One number of a step with all that is needed to read it."""

    name: str
    raw: float | None
    scale: str
    rule: str
    verdict: bool | None


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """What a generative critic wrote, and its verdict on this step; None where it gives none."""

    sample: int
    text: str
    verdict: bool | None


@dataclass(frozen=True, slots=True)
class ScoredView:
    """What a PRM or a critic says of a step. `reason` says why there is no score. Samples are those
    that kept a text.
    """

    scores: tuple[ScoreView, ...]
    decision: bool | None
    uncertainty: float | None
    family: str
    template: str
    token: int | None
    samples: int
    reason: str
    written: tuple[ScoredSample, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts alone."""
        return tuple(one.text for one in self.written)


def parse_scores(summary: Mapping[str, Any], detail: Mapping[str, Any] | None) -> ScoredView:
    """The scores of a row of evidence, whatever of them is there."""
    given = (mapping_of(data) for data in list_of(summary.get("scores")))
    return ScoredView(
        scores=tuple(
            ScoreView(
                text(data.get("name")),
                number(data.get("raw")),
                text(data.get("scale")),
                text(data.get("rule")),
                flag(data.get("verdict")),
            )
            for data in given
        ),
        decision=flag(summary.get("verdict")),
        uncertainty=number(summary.get("uncertainty")),
        family=text(summary.get("family")),
        template=text(summary.get("template")),
        token=whole(summary.get("token")),
        samples=count(summary.get("samples")),
        reason=text(summary.get("reason")),
        written=_parse_samples(summary, detail or {}),
    )


def _parse_samples(
    summary: Mapping[str, Any], detail: Mapping[str, Any]
) -> tuple[ScoredSample, ...]:
    verdicts = list_of(summary.get("verdicts"))
    found = []
    for place, data in enumerate(map(mapping_of, list_of(detail.get("samples")))):
        own = whole(data.get("sample"))
        written = text(data.get("text"))
        if written:
            verdict = flag(verdicts[place]) if place < len(verdicts) else None
            found.append(ScoredSample(place if own is None else own, written, verdict))
    return tuple(found)
