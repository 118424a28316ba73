"""Formulas as trees of nodes, each of which covers a piece of the source that is a formula too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property


class Role(Enum):
    """What a node does in its sequence, as far as marking it is concerned."""

    ORDINARY = auto()
    BINARY = auto()
    RELATION = auto()
    PUNCTUATION = auto()
    # Cell and row separators and the like, which must not stand in braces.
    BREAK = auto()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of a node that holds a formula: a numerator, an exponent, what parentheses enclose.

    `braced` says that the content stands between delimiters of its own; where it does not (the 2
    of `x^2`), whoever marks it must add braces.
    """

    nodes: tuple[Node, ...]
    braced: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a formula, source[start:end].

    `key` is its canonical writing; an empty one says that it cannot be seen (space). Nodes of the
    same non-empty `shape` may be compared slot by slot. `size` counts the tokens that a reader
    sees.
    """

    start: int
    end: int
    key: str
    role: Role = Role.ORDINARY
    shape: str = ""
    slots: tuple[Slot, ...] = ()
    size: int = 1


@dataclass(frozen=True)
class Formula:
    """A formula with its tree. `nodes` is None where it could not be read as one."""

    source: str
    nodes: tuple[Node, ...] | None
    key: str

    @cached_property
    def size(self) -> int:
        return max(1, count_tokens(self.nodes)) if self.nodes is not None else 1

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The formula's tokens in canonical writing, for measures of similarity."""
        return tuple(self.key.split())


def count_tokens(nodes: Iterable[Node]) -> int:
    return sum(node.size for node in nodes)


def join_keys(nodes: Iterable[Node]) -> str:
    return " ".join(node.key for node in nodes if node.key)


def key_of_argument(nodes: Sequence[Node]) -> str:
    """The key of an argument: one token needs no braces, so `x^{2}` and `x^2` are the same."""
    key = join_keys(nodes)
    return key if " " not in key else "{ " + key + " }"
