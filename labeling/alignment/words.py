"""A text as the tokens that a reader compares: words, numbers, signs, and whole formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from labeling.alignment.commands import KNOWN, SYNONYMS, UNSEEN
from labeling.alignment.latex import parse_formula, parse_piece, undouble
from labeling.alignment.tree import Formula
from labeling.mathtext import MathRun, split_math


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text as it is shown. Tokens with the same key are the same to a reader.

    An empty key says that the piece never counts: space, and the number before a step.
    """

    text: str
    key: str
    formula: Formula | None = None
    display: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What the token adds to measures of similarity."""
        if self.formula is not None:
            return self.formula.words
        return (self.key,) if self.key else ()


_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(
    rf"(?P<space>\s+)|(?P<command>\\[A-Za-z]+)|\\.|[{_HAN}]"
    rf"|[0-9]+(?:\.[0-9]+)?|(?:(?![{_HAN}])[^\W\d_])+(?:['’](?:(?![{_HAN}])[^\W\d_])+)*|.",
    re.DOTALL,
)

# "Step 3." and "3." before a step, which some generators write and the others do not; PRMBench's
# evaluation strips both. A number alone is no prefix: it may be the step.
_PREFIX = re.compile(
    r"\s*(?:\*\*|\#+\s*)?"
    r"(?:step\s*[0-9]+\s*[.:)：]|第\s*[0-9]+\s*步\s*[.:：、，]?|步骤\s*[0-9]+\s*[.:：、]?|[0-9]+\.(?=\s))"
    r"(?:\*\*)?\s*(?=\S)",
    re.IGNORECASE,
)


# Longer texts are not kept: a step has 70 characters in the median, and a few hundred at most.
LONGEST_KEPT = 2_000


def normalise_text(text: str) -> str:
    r"""The text with all that never counts taken away; equal results mean the same step.

    Space, the number before a step, the delimiters of formulas, sizes (`\left`, `\dfrac`), braces
    around one token and doubled or needless backslashes (`\$`) do not count. Words, signs and
    letter case do.
    """
    return _normalise_short(text) if len(text) <= LONGEST_KEPT else _normalise(text)


def _normalise(text: str) -> str:
    return " ".join(token.key for token in read_tokens(undouble(text)) if token.key)


# The lints, the links and the page of one injection ask for the same texts.
_normalise_short = lru_cache(maxsize=16_384)(_normalise)


def read_tokens(text: str) -> list[Token]:
    """The tokens of a text; joined, their texts are the text as it is shown."""
    tokens: list[Token] = []
    prefix = _PREFIX.match(text)
    if prefix:
        tokens.append(Token(text[: prefix.end()], ""))
        text = text[prefix.end() :]
    for run in split_math(text):
        if isinstance(run, MathRun):
            formula = parse_formula(run.text)
            tokens.append(Token(run.text, formula.key, formula, run.display))
        else:
            tokens.extend(_read_prose(run.text))
    return tokens


def _read_prose(text: str) -> Iterator[Token]:
    position = 0
    while piece := _PIECE.match(text, position):
        position = piece.end()
        shown = piece[0]
        if piece["space"]:
            yield Token(shown, "")
        elif piece["command"]:
            position, token = _read_command(text, piece)
            yield token
        else:
            key = SYNONYMS.get(shown, shown).replace("’", "'")
            yield Token(shown, "" if key in UNSEEN else key)


def _read_command(text: str, piece: re.Match[str]) -> tuple[int, Token]:
    """A formula that nobody put between dollars, with its arguments, as one token."""
    start = piece.start()
    if piece[0].startswith("\\n") and piece[0] not in KNOWN:
        return start + 2, Token("\\n", "")
    node = parse_piece(text, start)
    if node is None:
        key = SYNONYMS.get(piece[0], piece[0])
        return piece.end(), Token(piece[0], "" if key in UNSEEN else key)
    return node.end, Token(text[start : node.end], node.key)
