"""What differs between two texts, in pieces that a page can show: prose and whole formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from labeling.alignment.formulas import (
    FormulaMarks,
    Mark,
    Wrap,
    compare_formulas,
    measure_likeness,
)
from labeling.alignment.lcs import drop_confetti, find_matches, list_gaps, pair_alike
from labeling.alignment.tree import Formula
from labeling.alignment.words import Token, read_tokens

# The macros that stand around a changed piece of a formula. The page that renders it defines them,
# for formulas that are marked inside and for no others.
REMOVED_MACRO = "\\prmwas"
ADDED_MACRO = "\\prmis"


class DiffKind(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    # A formula of which some parts are removed or added.
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class TextSegment:
    """A stretch of prose as it is shown: same, removed or added."""

    math: ClassVar[bool] = False
    kind: DiffKind
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a formula's source; the parts of a formula joined are its source."""

    kind: DiffKind
    latex: str


@dataclass(frozen=True, slots=True)
class MathSegment:
    """A whole formula.

    `latex` is its source and `marked` what to render: the same with `\\prmwas{...}` or
    `\\prmis{...}` around the changed parts where `kind` is "changed", and the plain source
    otherwise (a formula that is removed or added as a whole is marked from outside).
    """

    math: ClassVar[bool] = True
    kind: DiffKind
    latex: str
    display: bool
    parts: tuple[Part, ...]
    marked: str


Segment = TextSegment | MathSegment


@dataclass(frozen=True, slots=True)
class TextDiff:
    """Two texts in segments; the original has the removed ones, the modified the added ones."""

    original: tuple[Segment, ...]
    modified: tuple[Segment, ...]

    @property
    def is_same(self) -> bool:
        return all(segment.kind is DiffKind.SAME for segment in (*self.original, *self.modified))


def diff_text(original: str, modified: str) -> TextDiff:
    """The difference of two texts by words, signs and formulas; space and escaping never count.

    Prose that is shown, and the sources of formulas, joined in order, are the whole of each text:
    nothing is left out of a side.
    """
    before, after = read_tokens(original), read_tokens(modified)
    seen_before = [index for index, token in enumerate(before) if token.key]
    seen_after = [index for index, token in enumerate(after) if token.key]
    matches = find_matches(
        [before[index].key for index in seen_before], [after[index].key for index in seen_after]
    )
    matches = drop_confetti(
        matches,
        len(seen_before),
        len(seen_after),
        may_go=lambda match: _is_slight(before[seen_before[match.original]]),
    )
    left = _Side(before, DiffKind.REMOVED)
    right = _Side(after, DiffKind.ADDED)
    for match in matches:
        left.keep(seen_before[match.original])
        right.keep(seen_after[match.modified])
    for gap in list_gaps(matches, len(seen_before), len(seen_after)):
        _compare_formulas_of_gap(
            left,
            right,
            seen_before[gap.original_start : gap.original_end],
            seen_after[gap.modified_start : gap.modified_end],
        )
    return TextDiff(left.segments(), right.segments())


class _Side:
    """One text on its way to segments: which tokens are kept, and the marks in formulas."""

    def __init__(self, tokens: Sequence[Token], changed: DiffKind) -> None:
        self.tokens = tokens
        self._changed = changed
        self._kinds = [changed if token.key else None for token in tokens]
        self._marks: dict[int, tuple[Mark, ...]] = {}

    def formulas_among(self, indices: Sequence[int]) -> dict[int, Formula]:
        found = {index: self.tokens[index].formula for index in indices}
        return {index: formula for index, formula in found.items() if formula is not None}

    def keep(self, index: int) -> None:
        self._kinds[index] = DiffKind.SAME

    def mark_inside(self, index: int, marks: tuple[Mark, ...]) -> None:
        self._marks[index] = marks
        self._kinds[index] = DiffKind.CHANGED if marks else DiffKind.SAME

    def segments(self) -> tuple[Segment, ...]:
        segments: list[Segment] = []
        kinds = self._kinds_with_space()
        for index, (token, kind) in enumerate(zip(self.tokens, kinds, strict=True)):
            if token.formula is not None:
                segments.append(self._math_segment(token, kind, self._marks.get(index, ())))
                continue
            last = segments[-1] if segments else None
            if isinstance(last, TextSegment) and last.kind is kind:
                segments[-1] = TextSegment(kind, last.text + token.text)
            else:
                segments.append(TextSegment(kind, token.text))
        return tuple(segments)

    def _kinds_with_space(self) -> list[DiffKind]:
        """Space between two changed tokens is changed with them; any other space is not."""
        kinds: list[DiffKind] = []
        pending = 0
        before: DiffKind | None = None
        for kind in self._kinds:
            if kind is None:
                pending += 1
                continue
            spaces = self._changed if before is kind is self._changed else DiffKind.SAME
            kinds += [spaces] * pending
            kinds.append(kind)
            pending, before = 0, kind
        return kinds + [DiffKind.SAME] * pending

    def _math_segment(self, token: Token, kind: DiffKind, marks: Sequence[Mark]) -> MathSegment:
        if kind is not DiffKind.CHANGED:
            part = Part(kind, token.text)
            return MathSegment(kind, token.text, token.display, (part,), token.text)
        macro = REMOVED_MACRO if self._changed is DiffKind.REMOVED else ADDED_MACRO
        parts: list[Part] = []
        marked: list[str] = []
        position = 0
        for mark in marks:
            between, piece = token.text[position : mark.start], token.text[mark.start : mark.end]
            if between:
                parts.append(Part(DiffKind.SAME, between))
            parts.append(Part(self._changed, piece))
            marked += [between, _wrap(piece, mark, macro)]
            position = mark.end
        if rest := token.text[position:]:
            parts.append(Part(DiffKind.SAME, rest))
            marked.append(rest)
        return MathSegment(kind, token.text, token.display, tuple(parts), "".join(marked))


def _wrap(piece: str, mark: Mark, macro: str) -> str:
    """The piece in its macro, with what keeps the formula valid and its spacing as it was."""
    opening = "{}" if mark.open_start else ""
    closing = "{}" if mark.open_end else ""
    wrapped = f"{macro}{{{opening}{piece}{closing}}}"
    if mark.wrap is Wrap.BRACES:
        return "{" + wrapped + "}"
    if mark.wrap is Wrap.RELATION:
        return "\\mathrel{" + wrapped + "}"
    if mark.wrap is Wrap.BINARY:
        return "\\mathbin{" + wrapped + "}"
    return wrapped


def _compare_formulas_of_gap(
    left: _Side, right: _Side, before: Sequence[int], after: Sequence[int]
) -> None:
    """Look inside the formulas that stand in the same place on both sides."""
    formulas_before = left.formulas_among(before)
    formulas_after = right.formulas_among(after)
    # Any two in the same place may belong together; how much differs is for the marks to say.
    pairs = pair_alike(
        list(formulas_before.values()),
        list(formulas_after.values()),
        similarity=measure_likeness,
        least=0.01,
    )
    indices_before, indices_after = list(formulas_before), list(formulas_after)
    for pair in pairs:
        one, other = indices_before[pair.original], indices_after[pair.modified]
        marks = _compare_unforged(formulas_before[one], formulas_after[other])
        if marks is not None:
            left.mark_inside(one, marks.original)
            right.mark_inside(other, marks.modified)


def _compare_unforged(original: Formula, modified: Formula) -> FormulaMarks | None:
    """The marks of two formulas, unless one writes our macros itself and so would forge marks."""
    for formula in (original, modified):
        if REMOVED_MACRO in formula.source or ADDED_MACRO in formula.source:
            return None
    return compare_formulas(original, modified)


def _is_slight(token: Token) -> bool:
    """Is it a sign or a word too short to carry the meaning of a sentence?"""
    return token.formula is None and len(token.key) <= 3 and not token.key[0].isdigit()
