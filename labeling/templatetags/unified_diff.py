"""A difference of two texts as one text: what was taken out stands before what was put in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from labeling.alignment import DiffKind, MathSegment, Segment, TextDiff, TextSegment


def unify(diff: TextDiff) -> list[Segment] | None:
    """The segments of both sides in one order, or None where their common text does not line up.

    Common text is shown once, as the modified side writes it. Formulas that are marked inside stand
    as a whole, once as they were and once as they are.
    """
    if _count_shared(diff.original) != _count_shared(diff.modified):
        return None
    before, after = deque(diff.original), deque(diff.modified)
    unified: list[Segment] = []
    while before or after:
        if before and before[0].kind is DiffKind.REMOVED:
            unified.append(before.popleft())
        elif after and after[0].kind is DiffKind.ADDED:
            unified.append(after.popleft())
        elif not before or not after:
            # Only space can be left over: both sides share the same characters.
            unified.extend(after)
            break
        elif not _take_common(before, after, unified):
            return None
    return unified


def _take_common(before: deque[Segment], after: deque[Segment], unified: list[Segment]) -> bool:
    """Move what both sides start with to the unified text; False where they differ in kind."""
    one, other = before[0], after[0]
    if isinstance(one, MathSegment) and isinstance(other, MathSegment):
        before.popleft()
        after.popleft()
        if one.kind is other.kind is DiffKind.SAME:
            unified.append(other)
        else:
            unified += [_whole(one, DiffKind.REMOVED), _whole(other, DiffKind.ADDED)]
        return True
    if isinstance(one, TextSegment) and isinstance(other, TextSegment):
        shared = min(_count_ink(one.text), _count_ink(other.text))
        was, now = _drop_ink(before, one, shared), _drop_ink(after, other, shared)
        unified.append(TextSegment(DiffKind.SAME, now))
        if was[-1:].isspace() and not now[-1:].isspace():
            _keep_space(before)
        return True
    # Space may stand beside a formula on one side alone.
    if isinstance(one, TextSegment) and not one.text.strip():
        before.popleft()
        return True
    if isinstance(other, TextSegment) and not other.text.strip():
        unified.append(after.popleft())
        return True
    return False


def _keep_space(side: deque[Segment]) -> None:
    """Give removed words the space before them, which went with them: "parts" is not "partsand"."""
    first = side[0] if side else None
    if first is None or first.kind is not DiffKind.REMOVED:
        return
    if isinstance(first, TextSegment):
        side[0] = replace(first, text=f" {first.text}")
    else:
        side.appendleft(TextSegment(DiffKind.REMOVED, " "))


def _drop_ink(side: deque[Segment], segment: TextSegment, count: int) -> str:
    """Cut `count` visible characters, and the space after them, from the front of a side."""
    end = 0
    while end < len(segment.text) and (count or segment.text[end].isspace()):
        count -= not segment.text[end].isspace()
        end += 1
    taken, rest = segment.text[:end], segment.text[end:]
    side.popleft()
    if rest:
        side.appendleft(replace(segment, text=rest))
    return taken


def _whole(formula: MathSegment, kind: DiffKind) -> MathSegment:
    return replace(formula, kind=kind, marked=formula.latex)


def _count_shared(segments: Sequence[Segment]) -> int:
    """Visible characters of common prose; a formula that has a partner counts as one."""
    shared = (segment for segment in segments if segment.kind in (DiffKind.SAME, DiffKind.CHANGED))
    return sum(
        1 if isinstance(segment, MathSegment) else _count_ink(segment.text) for segment in shared
    )


def _count_ink(text: str) -> int:
    return sum(not character.isspace() for character in text)
