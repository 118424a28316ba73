"""A text as its tokens come, and where it ends by a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# A tokenizer's decoding of some tokens; special tokens spell nothing.
Decode = Callable[[Sequence[int]], str]

# How many tokens of the prompt stand before the first new one when it is decoded: some tokenizers
# drop the space in front of what they take for the beginning of a text.
CONTEXT_TOKENS = 6
# What a decoder writes for the first bytes of a character whose others are still to come.
UNFINISHED = "\ufffd"
# No character has more bytes, and no byte more than one token: after so many, nothing will come.
MOST_PENDING = 4


class TextStream:
    """The text that tokens spell, one token after the other, at a cost that does not grow.

    `text` never holds a stop string: it ends where the first one begins, and `is_stopped` is true.
    """

    def __init__(self, decode: Decode, *, prompt: Sequence[int], stop: Sequence[str] = ()) -> None:
        self.text = ""
        self.is_stopped = False
        self._decode = decode
        self._stops = tuple(one for one in stop if one)
        self._longest = max((len(one) for one in self._stops), default=0)
        self._ids = list(prompt[-CONTEXT_TOKENS:])
        # Tokens before `_read` are in the text; those from `_from` on are decoded together with
        # the next one, so that what merges across tokens merges here as well.
        self._from = 0
        self._read = len(self._ids)

    def push(self, token: int) -> bool:
        """Add a token; True where a stop string is complete now."""
        self._ids.append(token)
        before = self._decode(self._ids[self._from : self._read])
        now = self._decode(self._ids[self._from :])
        may_come = now.endswith(UNFINISHED) and len(self._ids) - self._read < MOST_PENDING
        if len(now) > len(before) and not may_come:
            self._add(now[len(before) :])
            self._from, self._read = self._read, len(self._ids)
        return self.is_stopped

    def finish(self) -> str:
        """The whole text, with what was held back for tokens that never came."""
        if not self.is_stopped and self._read < len(self._ids):
            before = self._decode(self._ids[self._from : self._read])
            self._add(self._decode(self._ids[self._from :])[len(before) :])
            self._read = len(self._ids)
        return self.text

    def _add(self, new: str) -> None:
        searched = max(0, len(self.text) - self._longest + 1)
        self.text += new
        found = [place for one in self._stops if (place := self.text.find(one, searched)) >= 0]
        if found:
            self.text = self.text[: min(found)]
            self.is_stopped = True
