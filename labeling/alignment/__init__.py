"""Step-aligned, LaTeX-aware differences of an original and a modified solution.

`steps` aligns solutions, `texts` compares two texts, `formulas` two formulas; `words`, `latex`,
`grouping`, `tree`, `commands` and `lcs` serve them.
"""

from labeling.alignment.steps import (
    PairKind,
    StepPair,
    align_steps,
    changed_positions,
    measure_similarity,
    positions_changed_in,
)
from labeling.alignment.texts import (
    DiffKind,
    MathSegment,
    Part,
    Segment,
    TextDiff,
    TextSegment,
    diff_text,
)
from labeling.alignment.words import normalise_text

__all__ = [
    "DiffKind",
    "MathSegment",
    "PairKind",
    "Part",
    "Segment",
    "StepPair",
    "TextDiff",
    "TextSegment",
    "align_steps",
    "changed_positions",
    "diff_text",
    "measure_similarity",
    "normalise_text",
    "positions_changed_in",
]
