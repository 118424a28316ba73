"""The settings of a judge as a person meets them, and as the method reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modeljobs.engines.base import SamplingSettings
from modeljobs.engines.options import Option

FIRST_ERROR = "processbench"
SCORES = "prmbench"
# As ProcessBench's judges were run: eight votes at temperature 1, or one greedy answer.
VOTES = 8
VOTING_TEMPERATURE = 1.0
VOTING_TOP_P = 0.9

OPTIONS = (
    Option(
        "style",
        "choice",
        "What the judge is asked for",
        help="The first error alone, as ProcessBench's judges are, or two ratings for every step, "
        "as PRMBench's critics are.",
        default=FIRST_ERROR,
        choices=((FIRST_ERROR, "The first error"), (SCORES, "Validity and redundancy per step")),
    ),
    Option(
        "samples",
        "int",
        "Samples",
        help="How often the judge is asked: the votes are counted, the ratings averaged. Left "
        "empty: 8 for the first error, 1 for ratings, as published.",
        minimum=1,
        maximum=64,
    ),
    Option(
        "vote",
        "choice",
        "Votes on the first error",
        help="Which index counts. The published one takes the first given where votes are even.",
        default="plurality",
        choices=(
            ("plurality", "Most votes; even votes decide nothing"),
            ("first", "Most votes; of even ones the first given (published)"),
            ("majority", "More than half of all samples"),
        ),
    ),
    Option(
        "examples",
        "int",
        "Examples in the prompt",
        help="Worked examples that the judge sees before it rates steps.",
        default=2,
        minimum=0,
        maximum=2,
    ),
    Option(
        "validity_threshold",
        "float",
        "Right above",
        help="A rated step is right where its validity is greater than this; PRMBench's critics "
        "are read at 0.",
        default=0.0,
        minimum=-1,
        maximum=1,
    ),
    Option(
        "redundancy_threshold",
        "float",
        "Redundant above",
        help="A rated step is redundant where its redundancy is greater than this; PRMBench's "
        "critics are read at 0.",
        default=0.0,
        minimum=-1,
        maximum=1,
    ),
    Option(
        "show_answer",
        "bool",
        "Show the reference answer",
        help="The judge is told the problem's known answer, where there is one.",
        default=False,
    ),
    Option(
        "repair",
        "bool",
        "Ask again after unreadable ratings",
        help="Once, quoting the fault. Votes are not asked for again.",
        default=True,
    ),
    Option(
        "temperature",
        "float",
        "Temperature",
        help="Left empty: 0 for one sample, 1 for several, as published.",
        minimum=0,
        maximum=2,
    ),
    Option(
        "top_p",
        "float",
        "Top-p",
        help="Left empty: the server's own for one sample, 0.9 for several, as published.",
        minimum=0.01,
        maximum=1,
    ),
    Option(
        "top_k",
        "int",
        "Top-k",
        help="0 leaves it to the server; some providers refuse the setting.",
        default=0,
        minimum=0,
        maximum=1000,
    ),
    Option(
        "max_tokens",
        "int",
        "Longest reply, in tokens",
        help="Reasoning models count their thoughts as well.",
        default=4096,
        minimum=64,
        maximum=131_072,
    ),
)


@dataclass(frozen=True, slots=True)
class CriticSettings:
    """The method's options after `validate_options`, with what was left empty filled in."""

    style: str
    samples: int
    vote: str
    examples: int
    validity_threshold: float
    redundancy_threshold: float
    show_answer: bool
    repair: bool
    temperature: float
    top_p: float | None
    top_k: int | None
    max_tokens: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> CriticSettings:
        style = settings["style"]
        samples = settings["samples"] or (VOTES if style == FIRST_ERROR else 1)
        temperature, top_p = settings["temperature"], settings["top_p"]
        if temperature is None:
            temperature = VOTING_TEMPERATURE if samples > 1 else 0.0
        if top_p is None and samples > 1:
            top_p = VOTING_TOP_P
        return cls(
            style=style,
            samples=samples,
            vote=settings["vote"],
            examples=settings["examples"],
            validity_threshold=settings["validity_threshold"],
            redundancy_threshold=settings["redundancy_threshold"],
            show_answer=settings["show_answer"],
            repair=settings["repair"],
            temperature=temperature,
            top_p=top_p,
            top_k=settings["top_k"] or None,
            max_tokens=settings["max_tokens"],
        )

    @property
    def sampling(self) -> SamplingSettings:
        """How to sample; number and seed are set where it is asked."""
        return SamplingSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
        )

    def describe(self) -> dict[str, Any]:
        """The settings in force, for provenance."""
        facts: dict[str, Any] = {
            "style": self.style,
            "samples": self.samples,
            "shows_answer": self.show_answer,
            "sampler": {
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": self.top_k,
                "max_tokens": self.max_tokens,
            },
        }
        if self.style == FIRST_ERROR:
            return facts | {"vote": self.vote}
        return facts | {
            "examples": self.examples,
            "repair": self.repair,
            "validity_threshold": self.validity_threshold,
            "redundancy_threshold": self.redundancy_threshold,
        }
