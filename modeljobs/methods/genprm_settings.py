"""How GenPRM judges: the modes that the paper compares, and every setting in its own type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mode:
    """What comes before a verdict: an analysis, code, and whether the code is really run."""

    analyze: bool
    verify: bool
    execute: bool

    @property
    def name(self) -> str:
        if self.verify:
            return "code" if self.execute else "code_imagined"
        return "analysis" if self.analyze else "direct"


DIRECT = Mode(analyze=False, verify=False, execute=False)
ANALYSIS = Mode(analyze=True, verify=False, execute=False)


@dataclass(frozen=True, slots=True)
class GenprmSettings:
    """The method's options after `validate_options`."""

    protocol: str
    samples: int
    sampling: str
    mode: Mode
    ladder: bool
    tau: float
    early_stop: bool
    threshold: float
    temperature: float
    top_p: float
    top_k: int | None
    max_tokens: int
    code_rounds: int
    logprobs: int | None
    opening: str
    template: str
    assistant_tag: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> GenprmSettings:
        return cls(
            protocol=settings["protocol"],
            samples=settings["samples"],
            sampling=settings["sampling"],
            mode=read_mode(settings),
            ladder=settings["ladder"],
            tau=settings["tau"],
            early_stop=settings["early_stop"],
            threshold=settings["threshold"],
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            # 0 stands for "leave it to the server", since a form's empty field is the default.
            top_k=settings["top_k"] or None,
            max_tokens=settings["max_tokens"],
            code_rounds=settings["code_rounds"],
            logprobs=settings["logprobs"] or None,
            opening=settings["opening"],
            template=settings["template"],
            assistant_tag=settings["assistant_tag"],
        )

    @property
    def shares_history(self) -> bool:
        return self.sampling == "step"

    @property
    def samples_are_free(self) -> bool:
        """True where no sample's next step depends on what the others say of this one."""
        return not (self.early_stop or self.ladder or self.shares_history)

    @property
    def rungs(self) -> tuple[Mode, ...]:
        """The modes to try on a step, the cheapest first: each where the one before left doubt."""
        if not self.ladder:
            return (self.mode,)
        return tuple(dict.fromkeys((DIRECT, ANALYSIS, self.mode)))


def read_mode(settings: Mapping[str, Any]) -> Mode:
    """The mode that the switches name; code that is not written is not run either."""
    verify = settings["verify"]
    return Mode(settings["analyze"], verify, verify and settings["execute"])
