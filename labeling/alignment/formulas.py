"""What differs between two formulas: the smallest pieces that are formulas themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

from labeling.alignment.latex import DEEPEST
from labeling.alignment.lcs import (
    Gap,
    Match,
    drop_confetti,
    find_matches,
    list_gaps,
    measure_gap,
    pair_alike,
)
from labeling.alignment.tree import Formula, Node, Role, Slot, count_tokens

# Above this share of differing tokens the whole formula is marked: confetti explains nothing.
MOST_MARKED = 0.6

# Two nodes of one shape are compared inside when half of their tokens are common.
LEAST_SIMILARITY = 0.5


class Wrap(Enum):
    """What a mark needs around it so that the formula still reads and is spaced as before."""

    NOTHING = auto()
    # `x^2`: the mark must stay the argument of `^`.
    BRACES = auto()
    RELATION = auto()
    BINARY = auto()


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked piece of a formula's source. `open_start` and `open_end` say that an operator
    stands at that end, which needs something (`{}`) to stand against."""

    start: int
    end: int
    wrap: Wrap = Wrap.NOTHING
    open_start: bool = False
    open_end: bool = False


@dataclass(frozen=True, slots=True)
class FormulaMarks:
    """The marks of both sides, in order and apart from one another."""

    original: tuple[Mark, ...]
    modified: tuple[Mark, ...]


@dataclass(slots=True)
class _Side:
    marks: list[Mark] = field(default_factory=list)
    marked: int = 0


def compare_formulas(original: Formula, modified: Formula) -> FormulaMarks | None:
    """The marks of two formulas that differ, or None where both are to be marked as a whole.

    That is so when one cannot be read as a tree, when more than MOST_MARKED of their tokens
    differ, and when what differs (a row more) is no formula of its own.
    """
    if original.nodes is None or modified.nodes is None:
        return None
    left, right = _Side(), _Side()
    _compare(original.nodes, modified.nodes, left, right, DEEPEST)
    if not left.marks and not right.marks:
        return None
    if left.marked + right.marked > MOST_MARKED * (original.size + modified.size):
        return None
    return FormulaMarks(
        tuple(sorted(left.marks, key=_start)), tuple(sorted(right.marks, key=_start))
    )


def measure_likeness(original: Formula, modified: Formula) -> float:
    """The share of tokens that two formulas have in common, 0 to 1 (Dice)."""
    return _overlap(Counter(original.words), Counter(modified.words))


def _start(mark: Mark) -> int:
    return mark.start


def _compare(
    original: Sequence[Node], modified: Sequence[Node], left: _Side, right: _Side, depth: int
) -> None:
    original = [node for node in original if node.key]
    modified = [node for node in modified if node.key]
    matches = find_matches([node.key for node in original], [node.key for node in modified])

    def pair(gap: Gap) -> list[Match]:
        return _pair_inside(original, modified, gap) if depth > 0 else []

    # `a+b` to `c+d` is one change, not two around a plus; but a sign between two fractions that
    # differ only inside stays as it is.
    matches = drop_confetti(
        matches,
        len(original),
        len(modified),
        may_go=lambda match: _is_sign(original[match.original]),
        length=lambda gap: 0 if pair(gap) else measure_gap(gap),
    )
    for gap in list_gaps(matches, len(original), len(modified)):
        before = original[gap.original_start : gap.original_end]
        after = modified[gap.modified_start : gap.modified_end]
        pairs = pair(gap)
        for index, rest in enumerate(list_gaps(pairs, len(before), len(after))):
            _mark(before[rest.original_start : rest.original_end], left)
            _mark(after[rest.modified_start : rest.modified_end], right)
            if index < len(pairs):
                alike = before[pairs[index].original], after[pairs[index].modified]
                _compare_slots(alike[0].slots, alike[1].slots, left, right, depth - 1)


def _pair_inside(original: Sequence[Node], modified: Sequence[Node], gap: Gap) -> list[Match]:
    """The nodes of a gap that are to be compared slot by slot."""
    return pair_alike(
        original[gap.original_start : gap.original_end],
        modified[gap.modified_start : gap.modified_end],
        similarity=_likeness,
        least=LEAST_SIMILARITY,
    )


def _is_sign(node: Node) -> bool:
    return node.role in (Role.BINARY, Role.RELATION, Role.PUNCTUATION)


def _compare_slots(
    original: Sequence[Slot], modified: Sequence[Slot], left: _Side, right: _Side, depth: int
) -> None:
    for before, after in zip(original, modified, strict=True):
        inner_left, inner_right = _Side(), _Side()
        _compare(before.nodes, after.nodes, inner_left, inner_right, depth)
        for slot, inner, side in ((before, inner_left, left), (after, inner_right, right)):
            side.marked += inner.marked
            side.marks += [_within(slot, mark) for mark in inner.marks]


def _within(slot: Slot, mark: Mark) -> Mark:
    """The mark as it must be written in the slot: an argument of one token gets braces."""
    if slot.braced or not slot.nodes:
        return mark
    if mark.start > slot.nodes[0].start or mark.end < slot.nodes[-1].end:
        return mark
    return Mark(mark.start, mark.end, Wrap.BRACES)


def _mark(nodes: Sequence[Node], side: _Side) -> None:
    """Mark neighbours together, but never across a separator of cells or rows."""
    run: list[Node] = []
    for node in [*nodes, None]:
        if node is not None and node.role is not Role.BREAK:
            run.append(node)
        elif run:
            side.marks.append(_mark_run(run))
            side.marked += count_tokens(run)
            run = []


def _mark_run(run: Sequence[Node]) -> Mark:
    first, last = run[0], run[-1]
    if all(node.role is Role.RELATION for node in run):
        wrap = Wrap.RELATION
    elif all(node.role is Role.BINARY for node in run):
        wrap = Wrap.BINARY
    else:
        signs = (Role.BINARY, Role.RELATION)
        return Mark(
            first.start,
            last.end,
            open_start=first.role in signs,
            open_end=last.role in signs,
        )
    return Mark(first.start, last.end, wrap)


def _likeness(original: Node, modified: Node) -> float:
    """How alike two nodes are inside, 0 where they are not of one shape."""
    if not original.shape or original.shape != modified.shape:
        return 0.0
    return _overlap(_count_words(original.key), _count_words(modified.key))


# A node is compared with all others of its gap, and again when the sign beside it is judged.
@lru_cache(maxsize=4_096)
def _count_words(key: str) -> Counter[str]:
    return Counter(key.split())


def _overlap(original: Counter[str], modified: Counter[str]) -> float:
    total = original.total() + modified.total()
    return 2 * (original & modified).total() / total if total else 1.0
