"""When is an item settled, and how do reviewers differ: pure rules over packed contents.

Strategies: `single` (one reviewer decides), `double` (two, an adjudicator where they differ),
`majority` (more than half say the same, an adjudicator where none do) and `k_agree` (ProcessBench,
Zheng et al. 2024: ask until k say the same, at most `max_overlap` people, else discard).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from labeling.content import (
    Content,
    Outcome,
    RatingContent,
    VerdictContent,
    VerdictValue,
    ratings_of,
)
from labeling.records import At, NoError, Validity

Strategy = Literal["single", "double", "majority", "k_agree"]
DisagreementKind = Literal["existence", "location", "type", "severity", "verdict", "unsure"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not enough reviewers yet. `overlap` is how many the item now wants in all."""

    overlap: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """Settled: `index` is the first of the contents that say the agreed thing."""

    index: int
    support: int
    asked: int


@dataclass(frozen=True, slots=True)
class Disputed:
    """For an adjudicator; `kinds` says how the reviewers differ."""

    kinds: tuple[DisagreementKind, ...]


@dataclass(frozen=True, slots=True)
class Discarded:
    """Nobody could agree within the overlap that the protocol allows."""

    asked: int


Resolution = Waiting | Agreed | Disputed | Discarded


def resolve_item(
    contents: Sequence[Content],
    *,
    n_steps: int,
    strategy: Strategy,
    overlap: int,
    agree_target: int = 3,
    max_overlap: int = 5,
    binary: bool = False,
    first_error_only: bool = False,
) -> Resolution:
    """Where an item stands, given the current revision of every reviewer in order of submission."""
    asked = len(contents)
    wanted = 1 if strategy == "single" else overlap
    if strategy == "k_agree":
        wanted = max(overlap, agree_target)
    if asked < wanted:
        return Waiting(wanted)
    keys = [
        agreement_key(content, n_steps=n_steps, binary=binary, first_error_only=first_error_only)
        for content in contents
    ]
    # A reviewer who is unsure agrees with nobody, not even with another who is unsure.
    counted = Counter(key for key in keys if key is not None)
    best, support = counted.most_common(1)[0] if counted else (None, 0)
    if strategy == "single":
        return Agreed(0, 1, asked) if keys[0] is not None else Disputed(("unsure",))
    if strategy == "double":
        if best is not None and support == asked:
            return Agreed(keys.index(best), support, asked)
        return Disputed(find_disagreements(contents, n_steps=n_steps, binary=binary))
    if strategy == "majority":
        if best is not None and 2 * support > asked:
            return Agreed(keys.index(best), support, asked)
        return Disputed(find_disagreements(contents, n_steps=n_steps, binary=binary))
    if best is not None and support >= agree_target:
        return Agreed(keys.index(best), support, asked)
    if asked >= max_overlap:
        return Discarded(asked)
    return Waiting(asked + 1)


def agreement_key(
    content: Content, *, n_steps: int, binary: bool = False, first_error_only: bool = False
) -> Hashable | None:
    """What two reviewers must share to agree; None where the reviewer could not decide.

    Ratings of steps: every step's rating in the project's view (or the first error alone).
    Verdicts: the verdict, and where the injection is accepted the error steps and the type.
    """
    if isinstance(content, VerdictContent):
        if content.verdict is VerdictValue.UNSURE:
            return None
        accepts = content.verdict in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS)
        if not accepts:
            return ("verdict", content.verdict)
        edits = tuple(
            (edit.op, edit.position, edit.text.strip())
            for edit in content.edits
            if edit.op in ("replace", "insert_after", "delete")
        )
        return ("accept", content.error_positions, content.error_type, edits)
    if content.outcome is Outcome.BAD_PROBLEM:
        return ("bad_problem",)
    if content.outcome is Outcome.GAVE_UP:
        return None
    first = content.first_error(n_steps)
    if first_error_only:
        if isinstance(first, At):
            return ("first_error", first.position)
        return ("first_error", None) if isinstance(first, NoError) else None
    if any(judgement.label.unsure for judgement in content.steps):
        return None
    return ("ratings", tuple(_view(ratings_of(content, n_steps), binary=binary)))


def find_disagreements(
    contents: Sequence[Content], *, n_steps: int, binary: bool = False
) -> tuple[DisagreementKind, ...]:
    """How the reviewers differ, most fundamental first."""
    kinds: list[DisagreementKind] = []
    verdicts = {content.verdict for content in contents if isinstance(content, VerdictContent)}
    accepting = {VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS}
    if len({verdict in accepting or verdict for verdict in verdicts}) > 1:
        kinds.append("verdict")
    firsts = [content.first_error(n_steps) for content in contents]
    located = {first.position for first in firsts if isinstance(first, At)}
    if located and any(isinstance(first, NoError) for first in firsts):
        kinds.append("existence")
    if len(located) > 1:
        kinds.append("location")
    if _types_differ(contents):
        kinds.append("type")
    ratings = [
        _view(ratings_of(content, n_steps), binary=binary)
        for content in contents
        if isinstance(content, RatingContent)
    ]
    if not kinds and any(
        len({row[position] for row in ratings if row[position] is not None}) > 1
        for position in range(n_steps if ratings else 0)
    ):
        kinds.append("severity")
    if not kinds and len({_error_set(content) for content in contents}) > 1:
        kinds.append("location")
    if any(agreement_key(content, n_steps=n_steps) is None for content in contents):
        kinds.append("unsure")
    return tuple(kinds) or ("severity",)


def _view(ratings: Sequence[int | None], *, binary: bool) -> list[int | None]:
    if not binary:
        return list(ratings)
    return [None if rating is None else (-1 if rating < 0 else 1) for rating in ratings]


def _error_set(content: Content) -> tuple[int, ...]:
    if isinstance(content, VerdictContent):
        return content.error_positions
    return tuple(
        judgement.position
        for judgement in content.steps
        if judgement.label.validity in (Validity.WRONG, Validity.PARTLY)
    )


def _types_differ(contents: Sequence[Content]) -> bool:
    verdict_types = {
        content.error_type
        for content in contents
        if isinstance(content, VerdictContent) and content.error_type
    }
    if len(verdict_types) > 1:
        return True
    primary: dict[int, set[str]] = {}
    for content in contents:
        if isinstance(content, RatingContent):
            for judgement in content.steps:
                if judgement.label.error_types:
                    primary.setdefault(judgement.position, set()).add(
                        judgement.label.error_types[0]
                    )
    return any(len(types) > 1 for types in primary.values())
