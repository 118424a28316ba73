"""Longest common subsequences, fast enough to run on every page view."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")

# Beyond this many unlike items on a side the middle is taken as changed from end to end: the bit
# matrix of a pair has (items x items) bits, 2 MB here.
LONGEST_MIDDLE = 4_000

# Comparisons that pairing what is alike may cost; a larger table is cut into parts.
MOST_CELLS = 40_000


class Match(NamedTuple):
    """The same item on both sides: its index in the original and in the modified sequence."""

    original: int
    modified: int


class Gap(NamedTuple):
    """What stands between two matches: half-open ranges of both sides, either may be empty."""

    original_start: int
    original_end: int
    modified_start: int
    modified_end: int


def find_matches(original: Sequence[Hashable], modified: Sequence[Hashable]) -> list[Match]:
    """The matches of one longest common subsequence, in order.

    Bit-parallel dynamic programming (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"):
    a row of the table is one integer, in which a zero bit says that the length grows there. The
    rows are kept and read backwards. A common start and end are matched first: that never costs a
    match, and leaves little to compare in two texts that are nearly the same.
    """
    start, original_end, modified_end = 0, len(original), len(modified)
    while start < min(original_end, modified_end) and original[start] == modified[start]:
        start += 1
    while min(original_end, modified_end) > start and (
        original[original_end - 1] == modified[modified_end - 1]
    ):
        original_end -= 1
        modified_end -= 1

    matches = [Match(index, index) for index in range(start)]
    matches += _match_middle(original[start:original_end], modified[start:modified_end], start)
    matches += [
        Match(original_end + index, modified_end + index)
        for index in range(len(original) - original_end)
    ]
    return matches


def _match_middle(
    original: Sequence[Hashable], modified: Sequence[Hashable], offset: int
) -> list[Match]:
    if not original or not modified:
        return []
    if len(original) > LONGEST_MIDDLE or len(modified) > LONGEST_MIDDLE:
        return []
    occurrences: dict[Hashable, int] = {}
    for index, item in enumerate(modified):
        occurrences[item] = occurrences.get(item, 0) | 1 << index

    full = (1 << len(modified)) - 1
    row = full
    rows = []
    for item in original:
        both = row & occurrences.get(item, 0)
        row = ((row + both) | (row - both)) & full
        rows.append(row)

    matches = []
    line, column = len(original) - 1, len(modified) - 1
    while line >= 0 and column >= 0:
        if rows[line] >> column & 1:
            column -= 1
        elif line > 0 and not rows[line - 1] >> column & 1:
            line -= 1
        else:
            matches.append(Match(offset + line, offset + column))
            line -= 1
            column -= 1
    matches.reverse()
    return matches


def list_gaps(matches: Sequence[Match], n_original: int, n_modified: int) -> list[Gap]:
    """The gap before each match and the one after the last: always one more than the matches."""
    gaps = []
    original, modified = 0, 0
    for match in matches:
        gaps.append(Gap(original, match.original, modified, match.modified))
        original, modified = match.original + 1, match.modified + 1
    gaps.append(Gap(original, n_original, modified, n_modified))
    return gaps


def measure_gap(gap: Gap) -> int:
    """The length of the longer side."""
    return max(gap.original_end - gap.original_start, gap.modified_end - gap.modified_start)


def drop_confetti(
    matches: Sequence[Match],
    n_original: int,
    n_modified: int,
    *,
    may_go: Callable[[Match], bool],
    length: Callable[[Gap], int] = measure_gap,
) -> list[Match]:
    """The matches without those that stand lost between two changes and say nothing by themselves.

    A stretch of matches that all may go is dropped when what changes before it and what changes
    after it are each at least as long as it is: "semantic cleanup" as in Fraser's
    diff-match-patch, counted in tokens. `length` says how long the change of a gap is.
    """
    stretches: list[list[Match]] = []
    for match in matches:
        if stretches and match == Match(*(place + 1 for place in stretches[-1][-1])):
            stretches[-1].append(match)
        else:
            stretches.append([match])
    changes = [length(gap) for gap in list_gaps(matches, n_original, n_modified)]
    kept: list[Match] = []
    passed = 0
    for stretch in stretches:
        before, after = changes[passed], changes[passed + len(stretch)]
        passed += len(stretch)
        if len(stretch) > min(before, after) or not all(may_go(match) for match in stretch):
            kept += stretch
    return kept


def pair_alike(
    original: Sequence[Item],
    modified: Sequence[Item],
    *,
    similarity: Callable[[Item, Item], float],
    least: float,
) -> list[Match]:
    """Pairs of items at least so alike, order kept, with the greatest similarity in sum.

    Where the table would have more than MOST_CELLS cells, both sides are cut into as many parts of
    even length as bring it down to that, and each part is paired with its counterpart.
    """
    n, m = len(original), len(modified)
    if not n or not m:
        return []
    parts = min(-(-n * m // MOST_CELLS), n, m)
    pairs = []
    for part in range(parts):
        original_start, original_end = part * n // parts, (part + 1) * n // parts
        modified_start, modified_end = part * m // parts, (part + 1) * m // parts
        pairs += [
            Match(original_start + pair.original, modified_start + pair.modified)
            for pair in _pair_part(
                original[original_start:original_end],
                modified[modified_start:modified_end],
                similarity,
                least,
            )
        ]
    return pairs


def _pair_part(
    original: Sequence[Item],
    modified: Sequence[Item],
    similarity: Callable[[Item, Item], float],
    least: float,
) -> list[Match]:
    """Needleman and Wunsch (1970), with no penalty for gaps."""
    # best[i][j]: the greatest sum for original[:i] and modified[:j].
    best = [[0.0] * (len(modified) + 1)]
    for item in original:
        above, row = best[-1], [0.0]
        for j, other in enumerate(modified):
            value = similarity(item, other)
            paired = above[j] + value if value >= least else 0.0
            row.append(max(above[j + 1], row[j], paired))
        best.append(row)

    pairs = []
    i, j = len(original), len(modified)
    while i > 0 and j > 0:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i -= 1
            j -= 1
            pairs.append(Match(i, j))
    pairs.reverse()
    return pairs
