"""Which step of a modified solution stands for which of the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from labeling.alignment.latex import undouble
from labeling.alignment.lcs import find_matches, list_gaps, pair_alike
from labeling.alignment.words import normalise_text, read_tokens

# Two steps are an edit of one another when this share of their tokens is common (Dice); below it
# one was taken out and another put in.
LEAST_SIMILARITY = 0.5


class PairKind(StrEnum):
    SAME = "same"
    EDITED = "edited"
    INSERTED = "inserted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class StepPair:
    """One row of two aligned solutions; positions are 0-based, None where a side has no step."""

    kind: PairKind
    original: int | None
    modified: int | None


def align_steps(original: Sequence[str], modified: Sequence[str]) -> list[StepPair]:
    """Two solutions step by step: every step stands once, in its order, alone or in a pair.

    Steps that are the same but for what never counts are matched first (longest common
    subsequence); between two matches the most similar are paired as edits. What was deleted
    stands before what was put in its place.
    """
    matches = find_matches(
        [normalise_text(text) for text in original], [normalise_text(text) for text in modified]
    )
    pairs: list[StepPair] = []
    for index, gap in enumerate(list_gaps(matches, len(original), len(modified))):
        edits = pair_alike(
            [_count_words(text) for text in original[gap.original_start : gap.original_end]],
            [_count_words(text) for text in modified[gap.modified_start : gap.modified_end]],
            similarity=_measure_overlap,
            least=LEAST_SIMILARITY,
        )
        n_original = gap.original_end - gap.original_start
        n_modified = gap.modified_end - gap.modified_start
        for place, lonely in enumerate(list_gaps(edits, n_original, n_modified)):
            for position in range(lonely.original_start, lonely.original_end):
                pairs.append(StepPair(PairKind.DELETED, gap.original_start + position, None))
            for position in range(lonely.modified_start, lonely.modified_end):
                pairs.append(StepPair(PairKind.INSERTED, None, gap.modified_start + position))
            if place < len(edits):
                edit = edits[place]
                pairs.append(
                    StepPair(
                        PairKind.EDITED,
                        gap.original_start + edit.original,
                        gap.modified_start + edit.modified,
                    )
                )
        if index < len(matches):
            pairs.append(StepPair(PairKind.SAME, *matches[index]))
    return pairs


def changed_positions(original: Sequence[str], modified: Sequence[str]) -> tuple[int, ...]:
    """Positions in the modified solution of the steps that are new or edited, in order."""
    return positions_changed_in(align_steps(original, modified))


def positions_changed_in(pairs: Sequence[StepPair]) -> tuple[int, ...]:
    """The same for steps that are aligned already."""
    return tuple(
        pair.modified
        for pair in pairs
        if pair.modified is not None and pair.kind is not PairKind.SAME
    )


def measure_similarity(original: str, modified: str) -> float:
    """The share of tokens that two texts have in common, 0 to 1 (Dice 1945); 1 for two empty ones.

    Formulas count token by token; order does not count.
    """
    return _measure_overlap(_count_words(original), _count_words(modified))


# The texts of a page are compared with several others each, and the same page is asked for again.
@lru_cache(maxsize=2_048)
def _count_words(text: str) -> Counter[str]:
    return Counter(word for token in read_tokens(undouble(text)) for word in token.words)


def _measure_overlap(original: Counter[str], modified: Counter[str]) -> float:
    total = original.total() + modified.total()
    return 2 * (original & modified).total() / total if total else 1.0
