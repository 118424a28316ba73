"""Structured repairs of an injection, applied: pure.

Positions in edits are those of the modified solution as it was shown; nothing is renumbered while
a reviewer works. The result carries the new numbering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeling.content import Edit


@dataclass(frozen=True, slots=True)
class Repaired:
    """A modified solution after its edits: steps, erroneous positions in the new numbering, and
    for each new step the shown position it came from (None for an inserted one).
    """

    steps: tuple[str, ...]
    error_positions: tuple[int, ...]
    came_from: tuple[int | None, ...]


def apply_edits(
    steps: Sequence[str], error_positions: Sequence[int], edits: Sequence[Edit]
) -> Repaired:
    """The steps with replacements, insertions and deletions done.

    `error_positions` are the reviewer's final word on the steps as shown: flags and shifts are
    already in it. An inserted step is erroneous where an edit flags it, by a `flag` edit right
    after the insertion with the same position and the text "inserted". A deleted step takes its
    flag with it.
    """
    replaced: dict[int, str] = {}
    deleted: set[int] = set()
    inserted: dict[int, list[tuple[str, bool]]] = {}
    for edit in edits:
        if edit.position is None:
            continue
        if edit.op == "replace":
            replaced[edit.position] = edit.text
        elif edit.op == "delete":
            deleted.add(edit.position)
        elif edit.op == "insert_after":
            inserted.setdefault(edit.position, []).append((edit.text, False))
        elif edit.op == "flag" and edit.text == "inserted" and inserted.get(edit.position):
            text, _flagged = inserted[edit.position][-1]
            inserted[edit.position][-1] = (text, True)
    errors = set(error_positions)
    texts: list[str] = []
    came_from: list[int | None] = []
    wrong: list[int] = []

    def add(text: str, origin: int | None, *, flagged: bool) -> None:
        if flagged:
            wrong.append(len(texts))
        texts.append(text)
        came_from.append(origin)

    for text, flagged in inserted.get(-1, ()):
        add(text, None, flagged=flagged)
    for position, text in enumerate(steps):
        if position not in deleted:
            add(replaced.get(position, text), position, flagged=position in errors)
        for new_text, flagged in inserted.get(position, ()):
            add(new_text, None, flagged=flagged)
    return Repaired(tuple(texts), tuple(wrong), tuple(came_from))


def shift_positions(positions: Sequence[int], by: int) -> tuple[int, ...]:
    """All positions moved by the same amount: the repair of an off-by-one claim."""
    return tuple(position + by for position in positions)
