"""Is an answer the same as the reference? A checker by name and version, and what it found.

Three verdicts are possible: equal, different, undecided. What a checker cannot tell, or has no time
to tell, is undecided with a reason, and never taken for different.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol

from modeljobs.methods.answers import ANSWER_CHARACTERS, Number, normalise_answer, read_number

RELATIVE_TOLERANCE = Fraction(1, 10_000)
# Comparing two sets takes time with the square of their sizes.
COMMAS_LIMIT = 64
DEPTH_LIMIT = 8

_BRACKETS = {"(": ")]", "[": ")]", "{": "}"}
_WORD = re.compile(r"[a-z]|[a-z]{4,}(?: [a-z]+)*")


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """`is_equal` is None where the checker could not decide; then `reason` says why, in one code.

    `checker` is name/version of what decided.
    """

    is_equal: bool | None
    checker: str
    reason: str = ""

    def __post_init__(self) -> None:
        if self.is_equal is None and not self.reason:
            raise ValueError("An undecided comparison needs a reason.")


class AnswerChecker(Protocol):
    """One way of comparing answers."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Another version may come to other verdicts."""

    async def compare(self, answer: str, reference: str) -> AnswerVerdict:
        """Whether the answer is the reference. SandboxUnavailable goes through untouched."""


class VerdictKey(NamedTuple):
    """What a verdict depends on, and nothing else."""

    name: str
    version: str
    answer: str
    reference: str


class VerdictCache(Protocol):
    """Verdicts of earlier comparisons."""

    async def get(self, key: VerdictKey) -> AnswerVerdict | None: ...

    async def put(self, key: VerdictKey, verdict: AnswerVerdict) -> None: ...


@dataclass(slots=True)
class MemoryVerdictCache:
    """Verdicts of this process."""

    verdicts: dict[VerdictKey, AnswerVerdict] = field(default_factory=dict)

    async def get(self, key: VerdictKey) -> AnswerVerdict | None:
        return self.verdicts.get(key)

    async def put(self, key: VerdictKey, verdict: AnswerVerdict) -> None:
        self.verdicts.setdefault(key, verdict)


@dataclass(frozen=True, slots=True)
class PlainChecker:
    """Our own: the same text once normalised, the same number, or the same list of those.

    Numbers are equal within a relative 1e-4, as in the Qwen2.5-Math evaluator; two that are written
    as whole numbers must be the same. With `percent`, an answer may also be a hundred times the
    reference or a hundredth of it. Formulas that are written differently are undecided.
    """

    percent: bool = False
    name: str = "plain"

    @property
    def version(self) -> str:
        return "1+percent" if self.percent else "1"

    async def compare(self, answer: str, reference: str) -> AnswerVerdict:
        """The verdict, at once."""
        checker = f"{self.name}/{self.version}"
        if max(len(answer), len(reference)) > ANSWER_CHARACTERS:
            return AnswerVerdict(None, checker, "too_long")
        mine, theirs = normalise_answer(answer), normalise_answer(reference)
        if not theirs:
            return AnswerVerdict(None, checker, "empty_reference")
        if not mine:
            return AnswerVerdict(None, checker, "empty_answer")
        is_equal = self._compare(mine, theirs)
        return AnswerVerdict(is_equal, checker, "" if is_equal is not None else "not_comparable")

    def _compare(self, mine: str, theirs: str) -> bool | None:
        if mine == theirs:
            return True
        my_number, their_number = read_number(mine), read_number(theirs)
        if my_number is not None and their_number is not None:
            return self._compare_numbers(my_number, their_number)
        my_parts, their_parts = _split_list(mine), _split_list(theirs)
        if my_parts is not None and their_parts is not None:
            return self._compare_lists(my_parts, their_parts)
        if _WORD.fullmatch(mine.casefold()) and _WORD.fullmatch(theirs.casefold()):
            return mine.casefold() == theirs.casefold()
        return None

    def _compare_numbers(self, mine: Number, theirs: Number) -> bool:
        if mine.is_whole and theirs.is_whole and not self.percent:
            return mine.value == theirs.value
        factors = (Fraction(1), Fraction(100), Fraction(1, 100)) if self.percent else (Fraction(1),)
        return any(_is_close(mine.value * factor, theirs.value) for factor in factors)

    def _compare_lists(self, mine: _List, theirs: _List) -> bool | None:
        if mine.opening != theirs.opening or mine.closing != theirs.closing:
            return None
        if mine.is_ordered:
            if len(mine.parts) != len(theirs.parts):
                return False
            pairs = zip(mine.parts, theirs.parts, strict=True)
            verdicts = [self._compare(*pair) for pair in pairs]
            if False in verdicts:
                return False
            return None if None in verdicts else True
        return self._compare_sets(mine.parts, theirs.parts)

    def _compare_sets(self, mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool | None:
        """Whether the same things are listed, in whatever order."""
        left = list(theirs)
        for part in mine:
            equal = next((other for other in left if self._compare(part, other) is True), None)
            if equal is None:
                known = [self._compare(part, other) for other in left]
                return None if None in known else False
            left.remove(equal)
        return not left


@dataclass(slots=True)
class CachedChecker:
    """A checker whose decided verdicts are kept, and who is asked for one pair once at a time.

    An undecided verdict is not kept: the next attempt may have more time.
    """

    checker: AnswerChecker
    cache: VerdictCache
    _locks: dict[VerdictKey, asyncio.Lock] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.checker.name

    @property
    def version(self) -> str:
        return self.checker.version

    async def compare(self, answer: str, reference: str) -> AnswerVerdict:
        key = VerdictKey(self.name, self.version, answer, reference)
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = await self.cache.get(key)
            if known is not None:
                return known
            verdict = await self.checker.compare(answer, reference)
            if verdict.is_equal is not None:
                await self.cache.put(key, verdict)
            return verdict


class _List(NamedTuple):
    opening: str
    closing: str
    parts: tuple[str, ...]

    @property
    def is_ordered(self) -> bool:
        """Points, intervals and the like; sets and bare lists of solutions are not."""
        return self.opening in ("(", "[")


def _split_list(text: str) -> _List | None:
    """The parts between the commas at the top, and the brackets around them; None if no list."""
    if text.count(",") > COMMAS_LIMIT:
        return None
    opening, closing, inner = "", "", text.replace("\\{", "{").replace("\\}", "}")
    if inner and inner[0] in _BRACKETS and inner[-1] in _BRACKETS[inner[0]]:
        opening, closing, inner = inner[0], inner[-1], inner[1:-1]
    parts: list[str] = []
    depth, begin = 0, 0
    for position, character in enumerate(inner):
        if character in "([{":
            depth += 1
            if depth > DEPTH_LIMIT:
                return None
        elif character in ")]}":
            depth -= 1
            if depth < 0:
                return None
        elif character == "," and depth == 0:
            parts.append(inner[begin:position])
            begin = position + 1
    parts.append(inner[begin:])
    if depth or (len(parts) == 1 and opening != "{") or not all(parts):
        return None
    return _List(opening, closing, tuple(normalise_answer(part) for part in parts))


def _is_close(mine: Fraction, theirs: Fraction) -> bool:
    return abs(mine - theirs) <= RELATIVE_TOLERANCE * max(abs(mine), abs(theirs))
