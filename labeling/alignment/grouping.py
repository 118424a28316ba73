"""What a reader sees as one thing in a row of LaTeX tokens: numbers, words and brackets."""

from __future__ import annotations

from collections.abc import Sequence

from labeling.alignment.tree import Node, Role, Slot, count_tokens, join_keys

# Brackets that stand deeper than this in one row of tokens are left as they are.
DEEPEST_BRACKETS = 40

_CLOSING = {"(": ")", "[": "]", "\\{": "\\}"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}


def put_together(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with digits made numbers, and three letters or more made words; TeX sees no space.

    A number that carries a script stays apart from the digits before it only in TeX's eyes: `12^2`
    is read as twelve squared.
    """
    result: list[Node] = []
    index = 0
    while index < len(nodes):
        end = _run_end(nodes, index)
        run = nodes[index:end]
        follower = nodes[end] if end < len(nodes) else None
        if _is_digit(run[0]) and follower is not None:
            carried = _carry_number(run, follower)
            if carried is not None:
                result.append(carried)
                index = end + 1
                continue
        if len(run) > 1:
            result.append(Node(run[0].start, run[-1].end, "".join(node.key for node in run)))
        else:
            result.append(run[0])
        index = end
    return result


def _run_end(nodes: Sequence[Node], index: int) -> int:
    """Where the number or the word that begins here ends; index + 1 where none does."""
    end = index + 1
    if _is_digit(nodes[index]):
        while end < len(nodes):
            if _is_digit(nodes[end]) or nodes[end].key == "." and _digit_follows(nodes, end):
                end += 1
            else:
                break
        return end
    while end < len(nodes) and _is_letter(nodes[end]):
        end += 1
    return end if end - index >= 3 and _is_letter(nodes[index]) else index + 1


def _digit_follows(nodes: Sequence[Node], index: int) -> bool:
    if index + 1 >= len(nodes):
        return False
    return _is_digit(nodes[index + 1]) or _is_digit(_base_of(nodes[index + 1]))


def _base_of(node: Node) -> Node:
    """What carries the scripts of a scripted node; any other node itself."""
    if node.shape.startswith("script:") and node.shape.endswith("x"):
        return node.slots[0].nodes[0]
    return node


def _is_digit(node: Node) -> bool:
    return len(node.key) == 1 and node.key in "0123456789" and not node.slots


def _is_letter(node: Node) -> bool:
    return len(node.key) == 1 and node.key.isalpha() and node.end - node.start == 1


def _carry_number(run: Sequence[Node], follower: Node) -> Node | None:
    """Digits and the scripted digit after them as one scripted number, or None."""
    base = _base_of(follower)
    if (
        base is follower
        or not _is_digit(base)
        or not all(_is_digit(node) or node.key == "." for node in run)
    ):
        return None
    digits = "".join(node.key for node in run) + base.key
    return _with_base(follower, Node(run[0].start, base.end, digits))


def enclose(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with balanced brackets of one kind made nodes of their own.

    So `(x)` and `\\left(x\\right)` are the same. Brackets around a cell or row separator stay as
    they are, for a mark must never enclose one.
    """
    result: list[Node] = []
    opened: list[int] = []
    for node in nodes:
        result.append(node)
        # `(x)^2`: the closing bracket carries the exponent.
        bracket = _base_of(node)
        if bracket.slots or bracket.size != 1:
            continue
        if node.key in _CLOSING and len(opened) < DEEPEST_BRACKETS:
            opened.append(len(result) - 1)
        elif bracket.key in _OPENING and opened:
            start = opened.pop()
            first, inner = result[start], tuple(result[start + 1 : -1])
            if first.key != _OPENING[bracket.key]:
                # Half-open intervals and slips: nothing before this bracket encloses anything.
                opened.clear()
            elif all(piece.role is not Role.BREAK for piece in inner):
                del result[start:]
                pair = _enclosed(first, inner, bracket)
                result.append(pair if bracket is node else _with_base(node, pair))
    return result


def _enclosed(first: Node, inner: tuple[Node, ...], last: Node) -> Node:
    return Node(
        first.start,
        last.end,
        " ".join(part for part in (first.key, join_keys(inner), last.key) if part),
        shape=first.key + last.key,
        slots=(Slot(inner, braced=True),),
        size=2 + count_tokens(inner),
    )


def _with_base(scripted: Node, base: Node) -> Node:
    """The scripted node with another base before its scripts."""
    old = scripted.slots[0].nodes[0]
    return Node(
        base.start,
        scripted.end,
        base.key + scripted.key[len(old.key) :],
        shape=scripted.shape,
        slots=(Slot((base,), braced=False), *scripted.slots[1:]),
        size=scripted.size - old.size + base.size,
    )
