"""The probability of Yes at the token where a verdict is given (GenPRM, Zhao et al. 2025, eq. 5).

    r = p_yes / (p_yes + p_no)

An engine names only the likeliest tokens. Where one of the two words is not among them its
probability is at most that of the least likely one named, and r is a bound: the reference passes
such a bound off as a value, and an unread verdict as 0.5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from modeljobs.engines.base import Completion, EngineReply, TokenLogprob
from modeljobs.methods.parsing import Unparsed

Bound = Literal["exact", "at_least", "at_most"]

# What is kept of a reply's tokens besides the verdict: enough to see where its text ended.
TAIL_CHARACTERS = 32
# How much before the verdict is looked for among the tokens as well: "boxed{".
CONTEXT = 6
# A token may carry white space, a brace or a tokenizer's own mark beside the word.
_WORD = re.compile(r"[^A-Za-z]*(yes|no)[^A-Za-z]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class YesProbability:
    """r in [0, 1]. With "at_least" or "at_most", r is that bound and the true value lies beyond."""

    value: float
    bound: Bound = "exact"


def read_probability(
    logprobs: Sequence[TokenLogprob] | None, *, text: str, start: int
) -> YesProbability | Unparsed:
    """r at the verdict whose word stands at `start` of `text`.

    `text` is the end of what the tokens spell: what stood before may be missing from both. Unparsed
    where the engine gave no log-probabilities, or none for this token.
    """
    if not logprobs:
        return Unparsed("no_logprobs", "The engine gave no log-probabilities.")
    token = _find_token(logprobs, text, start)
    if token is None:
        return Unparsed(
            "no_token", "The verdict's token was not found among the log-probabilities."
        )
    return _compute(token)


def trim_logprobs(
    logprobs: Sequence[TokenLogprob] | None, marker: str | None
) -> tuple[TokenLogprob, ...] | None:
    """The tokens from the last `marker` on, or, where it does not occur, the last few; all of them
    where the marker is None. Trimming twice changes nothing.
    """
    if logprobs is None or marker is None:
        return None if logprobs is None else tuple(logprobs)
    joined = "".join([entry.token for entry in logprobs])
    at = joined.rfind(marker)
    begin = len(joined) - TAIL_CHARACTERS
    if at >= 0:
        begin = min(begin, at)
    position = 0
    for index, entry in enumerate(logprobs):
        position += len(entry.token)
        if position > begin:
            return tuple(logprobs[index:])
    return tuple(logprobs)


def trim_reply(reply: EngineReply, marker: str | None) -> EngineReply:
    """The reply with its log-probabilities trimmed: what is stored, and what is read."""
    return replace(
        reply, completions=tuple(_trim_completion(one, marker) for one in reply.completions)
    )


def _trim_completion(completion: Completion, marker: str | None) -> Completion:
    return replace(completion, logprobs=trim_logprobs(completion.logprobs, marker))


def _find_token(logprobs: Sequence[TokenLogprob], text: str, start: int) -> TokenLogprob | None:
    """The token that spells the word: by its place, or as the only one that is the word."""
    joined = "".join([entry.token for entry in logprobs])
    # Both may have been cut in front; from just before the word to the text's end they agree.
    before = min(start, CONTEXT)
    at = joined.rfind(text[start - before :])
    if at >= 0:
        entry = _find_at(logprobs, at + before)
        if entry is not None and _WORD.fullmatch(entry.token):
            return entry
    # Some servers spell tokens with marks of their own, which never join into the text.
    words = [entry for entry in logprobs if _WORD.fullmatch(entry.token)]
    return words[0] if len(words) == 1 else None


def _find_at(logprobs: Sequence[TokenLogprob], place: int) -> TokenLogprob | None:
    position = 0
    for entry in logprobs:
        position += len(entry.token)
        if position > place:
            return entry
    return None


def _compute(token: TokenLogprob) -> YesProbability | Unparsed:
    named: dict[str, float] = {name: _exp(value) for name, value in token.top.items()}
    named.setdefault(token.token, _exp(token.logprob))
    yes, no = _sum_word(named, "yes"), _sum_word(named, "no")
    if yes is not None and no is not None:
        return _divide(yes, no, "exact")
    most = _find_least(named, token)
    if yes is not None:
        return _divide(yes, most, "at_least")
    # The token itself is one of the two words.
    return _divide(most, no or 0.0, "at_most")


def _divide(yes: float, no: float, bound: Bound) -> YesProbability | Unparsed:
    if not yes + no > 0:
        return Unparsed("no_mass", "The log-probabilities give Yes and No no probability at all.")
    return YesProbability(yes / (yes + no), bound)


def _sum_word(named: Mapping[str, float], word: str) -> float | None:
    """The probability of all spellings of a word; None where none of them is named."""
    found = [
        p for name, p in named.items() if (m := _WORD.fullmatch(name)) and m[1].lower() == word
    ]
    return min(1.0, sum(found)) if found else None


def _find_least(named: Mapping[str, float], token: TokenLogprob) -> float:
    """The most that a token which is not named can have.

    That is what the least likely one named has; the sampled token does not count, since engines
    name it however unlikely it is. Where it stands alone: what it leaves.
    """
    others = [p for name, p in named.items() if name != token.token]
    return min(others) if others else 1.0 - named[token.token]


def _exp(logprob: float) -> float:
    # Above zero by rounding alone: no probability exceeds one.
    return math.exp(min(0.0, logprob))
