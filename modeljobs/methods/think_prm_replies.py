"""What a ThinkPRM verification says of each step, and its decision on the whole solution."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modeljobs.engines.base import Completion, TokenLogprob
from modeljobs.methods.aggregation import Opinion
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import YesProbability, read_probability

# Where a verification ends: the decision is asked for behind it.
STOPS = ("Is the solution correct?", "</think>")
NOTE_IN_ORDER = (
    "The verification does not say which step a verdict is on; they were taken in order."
)
NOTE_BEYOND = "The verification judges steps that the solution does not have; they were left out."

_HEADING = re.compile(r"^[\s#>*_-]*step\s+(?P<number>\d{1,4})\b", re.IGNORECASE | re.MULTILINE)
_VERDICT = re.compile(
    r"\\boxed\s*\{\s*(?:\\[a-z]+\s*\{\s*)?(?P<word>correct|incorrect)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\s*step\s+\d+\s*:\s*", re.IGNORECASE)
_WORD = re.compile(r"[^A-Za-z]*(?P<word>yes|no)[^A-Za-z]*", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[\s\"'`*\\{$(]*(?:boxed\{)?(?P<word>yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StepVerdicts:
    """A verdict for each step, None where the verification gives none, with the reason why."""

    verdicts: tuple[bool | None, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def strip_number(text: str) -> str:
    """The step without a number of its own, which would stand there twice."""
    return _NUMBER.sub("", text, count=1) if _NUMBER.match(text) else text


def cut_at_stop(text: str) -> str:
    """The verification without what ended it: servers keep the stop string or leave it out."""
    ends = [place for stop in STOPS if (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def read_step_verdicts(
    text: str, *, steps: int, limit: int | None = None
) -> StepVerdicts | Unparsed:
    """The last box under each step's heading. `limit` is the number of tokens at which the text was
    cut off, None where it was not.

    Without headings the verdicts are taken in order, if there is one for each step, or if they end
    at the first wrong one, where the model was trained to stop. Whoever verifies aloud may change
    its mind within a step: its last word counts.
    """
    found = list(_VERDICT.finditer(text))
    if not found:
        if limit is not None:
            return Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
        if not text.strip():
            return Unparsed("empty", "The reply is empty.")
        return Unparsed(
            "no_verdict", "The verification holds neither \\boxed{correct} nor \\boxed{incorrect}."
        )
    words = [(match.start(), match["word"].lower() == "correct") for match in found]
    headings = [(match.start(), int(match["number"])) for match in _HEADING.finditer(text)]
    if not any(start < words[-1][0] for start, _ in headings):
        return _read_in_order([is_right for _, is_right in words], steps, limit)
    by_step: dict[int, bool] = {}
    for place, is_right in words:
        above = [number for start, number in headings if start < place]
        if above:
            by_step[above[-1]] = is_right
    notes = (NOTE_BEYOND,) if any(not 1 <= number <= steps for number in by_step) else ()
    return _build([by_step.get(number) for number in range(1, steps + 1)], limit, notes)


def read_decision(completion: Completion) -> Opinion | Unparsed:
    """Is the solution right? From the first token's probabilities, or from the word alone."""
    first = completion.logprobs[0] if completion.logprobs else None
    if first is not None:
        found = _read_choice(first)
        if isinstance(found, YesProbability):
            return Opinion(found.value >= 0.5, found)
    match = _FIRST_WORD.match(completion.text)
    if match is None:
        return Unparsed("no_decision", "Neither yes nor no answers whether the solution is right.")
    return Opinion(match["word"].lower() == "yes")


def _read_choice(token: TokenLogprob) -> YesProbability | Unparsed:
    """P(yes) among the two words, whichever token was sampled."""
    named = {**token.top, token.token: token.logprob}
    words = {name: value for name, value in named.items() if _WORD.fullmatch(name)}
    if not words:
        return Unparsed("no_token", "Neither yes nor no is among the likeliest tokens.")
    likeliest = max(words, key=lambda name: words[name])
    match = _WORD.fullmatch(likeliest)
    start = match.start("word") if match else 0
    entry = TokenLogprob(likeliest, words[likeliest], named)
    return read_probability((entry,), text=likeliest, start=start)


def _read_in_order(words: list[bool], steps: int, limit: int | None) -> StepVerdicts | Unparsed:
    stops_at_error = len(words) < steps and not words[-1] and all(words[:-1])
    if len(words) != steps and not stops_at_error:
        return Unparsed(
            "wrong_length",
            f"The verification has {len(words)} verdicts for {steps} steps and does not say which "
            "is whose.",
        )
    verdicts = [*words, *[None] * (steps - len(words))]
    return _build(verdicts, limit, (NOTE_IN_ORDER,))


def _build(
    verdicts: list[bool | None], limit: int | None, notes: tuple[str, ...]
) -> StepVerdicts | Unparsed:
    if all(verdict is None for verdict in verdicts):
        return Unparsed("no_verdict", "No verdict of the verification is on a step there is.")
    wrong = next((place for place, verdict in enumerate(verdicts) if verdict is False), None)
    reasons = []
    for place, verdict in enumerate(verdicts):
        reason = ""
        if verdict is None and wrong is not None and place > wrong:
            reason = "The verification ends at an earlier error."
        elif verdict is None and limit is not None:
            reason = f"The verification was cut off at the limit of {limit} tokens."
        elif verdict is None:
            reason = "The verification gives no verdict on this step."
        reasons.append(reason)
    return StepVerdicts(tuple(verdicts), tuple(reasons), notes)
