"""Reading Yes or No out of a reply: at the end of it, and never guessed.

GenPRM's reference takes the first `Yes}` or `No}` of the whole text, so that `\\text{casino}` in an
analysis or `{yes}` in code decides, and answers 0.5 where there is none. Here only what follows the
last `<output>` counts, and a reply without a verdict is `Unparsed` with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from modeljobs.methods.parsing import Unparsed

OUTPUT_TAG = "<output>"

# \boxed{Yes}, \boxed{\text{Yes}}, also where the reply breaks off behind the word.
_VERDICT = re.compile(
    r"\\boxed\s*\{\s*(?:\\[a-z]+\s*\{\s*)?(?P<word>yes|no)\b(?=[\s.!*]*(?:\}|\Z))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Is the step right? `start` is where the word stands in the text that was read."""

    is_yes: bool
    start: int


def find_output_verdict(text: str) -> Verdict | Unparsed:
    """The verdict after the last `<output>`. Two that contradict each other are none."""
    begin = text.rfind(OUTPUT_TAG)
    if begin < 0:
        if not text.strip():
            return Unparsed("empty", "The reply is empty.")
        return Unparsed("no_output", "The reply has no <output> part, where its verdict belongs.")
    found = [_read(match) for match in _VERDICT.finditer(text, begin)]
    if not found:
        return Unparsed(
            "no_verdict", "The <output> part holds neither \\boxed{Yes} nor \\boxed{No}."
        )
    if len({verdict.is_yes for verdict in found}) > 1:
        return Unparsed(
            "contradictory", "The <output> part holds both \\boxed{Yes} and \\boxed{No}."
        )
    return found[-1]


def find_last_verdict(text: str) -> Verdict | Unparsed:
    """The last verdict of a reply without parts: an analysis before it may quote others."""
    found = [_read(match) for match in _VERDICT.finditer(text)]
    if found:
        return found[-1]
    if not text.strip():
        return Unparsed("empty", "The reply is empty.")
    return Unparsed("no_verdict", "The reply holds neither \\boxed{Yes} nor \\boxed{No}.")


def _read(match: re.Match[str]) -> Verdict:
    return Verdict(match["word"].lower() == "yes", match.start("word"))
