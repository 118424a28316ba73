"""Texts to tokens as reward models want them: tags are ids, and no text can pass for a tag.

A tag that is looked for in the tokens of the whole text is found in problems that mention it, and
merges with what stands beside it. Here every part is encoded by itself and tags are put between as
ids, so that the place of each is known and never searched for.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from modeljobs.engines.base import EnginePermanent, Piece

Encode = Callable[[str], Awaitable[tuple[int, ...] | None]]

# What looks like a token of a tokenizer's own. Whether it is one, only the tokenizer knows.
SPECIAL_LIKE = re.compile(r"<[^<>\s]{1,60}>|\[[A-Z_/]{2,20}\]")
# Behind it a text is encoded as in the middle of a line's end: see `Bench.follow`.
ANCHOR = "\n"
WORD = "a"


class Bench:
    """The tokenizer of the engine's model, and what it is asked for."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    async def plain(self, text: str) -> tuple[int, ...]:
        """The text's tokens; special tokens that it spells are special. For our own strings."""
        found = await self._encode(text)
        if found is None:
            raise EnginePermanent(
                "The engine does not say what tokens a text is made of, and without them nobody "
                "knows which scores belong to which step: use a server with /tokenize, or a model "
                "in this process.",
                code="no_pooling",
            )
        return found

    async def token(self, *spellings: str) -> int:
        """The one token that a spelling makes, the first that does so counts.

        EnginePermanent where none does: the model is of another family.
        """
        counts = []
        for spelling in spellings:
            ids = await self.plain(spelling)
            if len(ids) == 1:
                return ids[0]
            counts.append(f"{spelling!r} is {len(ids)} tokens")
        raise _refuse_tokenizer(" and ".join(counts))

    async def tag(self, spelling: str) -> tuple[int, ...]:
        """The tokens of a tag behind a word and a space: the last is the tag, and one before it is
        the space, where the tokenizer has them apart. EnginePermanent where there are more.
        """
        word = await self.plain(WORD)
        space = (await self.plain(f"{WORD} "))[len(word) :]
        whole = await self.plain(f"{WORD} {spelling}")
        found = whole[len(word) :]
        is_behind = whole[: len(word)] == word
        if is_behind and (len(found) == 1 or (found and found[:-1] == space)):
            return found
        raise _refuse_tokenizer(f"{spelling!r} is {len(found)} tokens")

    async def follow(self, text: str) -> tuple[int, ...]:
        """The text's tokens behind other text.

        Tokenizers of the SentencePiece kind put a space before whatever they are given. Behind a
        line's end the text is without it; where the two merge, the text is taken by itself.
        """
        anchor = await self.plain(ANCHOR)
        both = await self.plain(ANCHOR + text)
        if both[: len(anchor)] == anchor:
            return both[len(anchor) :]
        return await self.plain(text)

    async def free(
        self,
        text: str,
        *,
        before: str = "",
        tag: str = "",
        tag_id: int | None = None,
        follows: bool = False,
    ) -> tuple[int, ...]:
        """The tokens of somebody else's text, with our own `before` it in one.

        Where it spells a special token, or `tag` and its id comes out, the spelling is encoded in
        two halves: the text is the same, and its tokens are ordinary ones. A tag of one character
        cannot be halved; it is told apart by its place alone.
        """
        cuts = await self._find_cuts(text)
        ids = await self._encode_cut(text, cuts, before, follows)
        if tag_id is not None and tag_id in ids and len(tag) > 1:
            cuts = sorted({*cuts, *_find_halves(text, tag)})
            ids = await self._encode_cut(text, cuts, before, follows)
        return ids

    async def _find_cuts(self, text: str) -> list[int]:
        """Behind the first character of each spelling of one token."""
        cuts = []
        for match in SPECIAL_LIKE.finditer(text):
            if len(await self.plain(match[0])) == 1:
                cuts.append(match.start() + 1)
        return cuts

    async def _encode_cut(
        self, text: str, cuts: list[int], before: str, follows: bool
    ) -> tuple[int, ...]:
        edges = [0, *cuts, len(text)]
        parts = [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]
        first = before + parts[0]
        ids = [*(await self.follow(first) if follows else await self.plain(first))] if first else []
        for part in parts[1:]:
            ids += await self.follow(part)
        return tuple(ids)


def _refuse_tokenizer(counted: str) -> EnginePermanent:
    return EnginePermanent(
        f"To this model's tokenizer {counted}, where this kind of reward model has one: choose the "
        "kind that the model is of.",
        code="unsupported_model",
    )


def _find_halves(text: str, tag: str) -> list[int]:
    """The middle of each occurrence of the tag, and of what overlaps with one."""
    found = []
    start = text.find(tag)
    while start >= 0:
        found.append(start + len(tag) // 2)
        start = text.find(tag, start + 1)
    return found


@dataclass(frozen=True, slots=True)
class Laid:
    """A solution as the model reads it, and where its scores are.

    `positions` has the scored token of each step, counted over all pieces; None for a step that has
    no token of its own. `columns` and `reduce` are those of `engines.pooling.PoolingRequest`.
    """

    pieces: tuple[Piece, ...]
    positions: tuple[int | None, ...]
    columns: tuple[int, ...] | None = None
    reduce_mean: bool = False

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple([one for piece in self.pieces for one in piece.token_ids or ()])

    @property
    def scored(self) -> tuple[int, ...]:
        """The positions that there are, in the order of the steps."""
        return tuple([one for one in self.positions if one is not None])


@dataclass(slots=True)
class Line:
    """Pieces put one behind the other, with their tokens counted."""

    pieces: list[Piece] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, ids: tuple[int, ...]) -> int:
        """Put a piece at the end; where its first token stands."""
        start = self.length
        self.pieces.append(Piece(text, token_ids=ids))
        self.length += len(ids)
        return start
