r"""Where the mathematics stands in a text that mixes prose and LaTeX.

One reader for all: rendering, differences and lints cut a text in the same places. The JavaScript
of the pages follows the same rules and is tested against the same vectors.

The rules, in the order in which they are tried at each position:

1. `$$...$$` is a display formula. No blank line inside, and not empty.
2. `$...$` is an inline formula by Pandoc's rules (extension tex_math_dollars): the opening dollar
   has a character other than space to its right; the closing one has such a character to its left
   and no digit to its right; no blank line inside. The first dollar that is reached must be able
   to close, else the opening one is text: so `$1.24 ... cost $1.82` is money. Guards of our own:
   an amount that runs into Han characters (`$5元`) or that ends in an equals sign (`$15*13=$195`,
   with GSM8K's `<<15*13=195>>` too) is money, and a dollar before a full stop or comma and a
   space (`5$. Then 7$.`) opens nothing. What a box holds is passed over: `$\boxed{$72}$`. And a
   pair with space inside (`$ \sin x $`) is a formula if it stands in one line, has a command, `^`
   or `_` in it, and no word of two letters beside the commands.
3. `\(...\)` is an inline formula, `\[...\]` a display formula; neither is empty. A second opener
   before the closing one means that the first was never closed.
4. `\begin{name}...\end{name}` of a mathematical environment is a display formula with its
   `\begin` and `\end`; environments of the same name nest.
5. `\boxed{...}` in prose, as models write a final answer, is an inline formula with its command. No
   dollar inside but that of an amount or in a text command, no blank line, and not empty.
6. `\$` is a dollar sign. Any other backslash takes the next character with it, as text: in
   `\\(x\\)` the backslashes are line breaks and nothing opens.
7. Whatever is not closed is text: the opener (both dollars of a pair); reading goes on after it.

Inside a formula a backslash takes the next character with it, and the group of a text command
(`\text{if $x$ is even}`) is passed over whole. Space is SPACE, digits are 0 to 9, letters A to Z
in both cases: nothing here depends on what a language calls a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Environments that stand on their own outside dollars: those of amsmath, and the inner ones
# (matrices, cases) which people write bare all the same.
_ENVIRONMENTS = """
    align align* alignat alignat* aligned alignedat array bmatrix bmatrix* Bmatrix Bmatrix* cases
    CD darray dcases displaymath drcases eqnarray eqnarray* equation equation* flalign flalign*
    gather gather* gathered math matrix matrix* multline multline* pmatrix pmatrix* rcases
    smallmatrix split subarray vmatrix vmatrix* Vmatrix Vmatrix*
"""
MATH_ENVIRONMENTS = frozenset(_ENVIRONMENTS.split())

# Commands whose argument is prose again, in which a dollar may open a formula of its own.
_TEXT_COMMANDS = """
    emph fbox hbox intertext mbox shortintertext tag text textbf textit textmd textnormal textrm
    textsf texttt textup
"""
TEXT_COMMANDS = frozenset(_TEXT_COMMANDS.split())


@dataclass(frozen=True, slots=True)
class TextRun:
    r"""Prose. `text` is what a reader sees (`\$` is a dollar), `source` what was written."""

    text: str
    source: str

    @property
    def kind(self) -> str:
        return "text"


@dataclass(frozen=True, slots=True)
class MathRun:
    """A formula. `text` is its LaTeX without the delimiters, `source` the same with them."""

    text: str
    source: str
    display: bool

    @property
    def kind(self) -> str:
        return "display" if self.display else "inline"


Run = TextRun | MathRun

SPACE = " \t\n\r\f\v\u00a0\u3000"

BOX = "\\boxed"
# In their groups a dollar closes nothing.
_PASSED_OVER = TEXT_COMMANDS | {"boxed"}
_OPENER = re.compile(r"\$\$?|\\begin\{([A-Za-z]+\*?)\}|\\boxed(?=\{)|\\.", re.DOTALL)
_BLANK_LINE = r"\n[ \t\r]*\n"
_IN_DOLLARS = re.compile(r"\$\$?|\\([A-Za-z]+)|\\.|" + _BLANK_LINE, re.DOTALL)
_IN_BRACKETS = re.compile(r"\\([A-Za-z]+)|\\.", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]+\*?)\}|\\.", re.DOTALL)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_DIGIT = re.compile(r"[0-9]")
_AMOUNT_IN_HAN = re.compile(r"[0-9][0-9.,]*[ ]?[" + _HAN + "]")
_ENDS_CLAUSE = re.compile(r"[.,;:!?)][ \t\n]|<<")
# One line and no other dollar.
_TO_NEXT_DOLLAR = re.compile(r"((?:[^$\\\n]|\\[^\n])+)\$(?![0-9])")
_TEX = re.compile(r"\\[A-Za-z]|[\^_]")
_COMMAND = re.compile(r"\\(?:text|mathrm|mbox|operatorname)\{[^{}]*\}|\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{2}")
_AMOUNT = re.compile(r"[0-9.]")


def split_math(text: str) -> list[Run]:
    """The text as runs of prose and formulas, in order. Their sources joined give it again."""
    runs: list[Run] = []
    prose_from = 0
    for start, end, content_start, content_end, display in _formulas(text):
        if start > prose_from:
            runs.append(_text_run(text[prose_from:start]))
        runs.append(MathRun(text[content_start:content_end], text[start:end], display))
        prose_from = end
    if prose_from < len(text):
        runs.append(_text_run(text[prose_from:]))
    return runs


def _text_run(source: str) -> TextRun:
    # Escapes go in pairs: in `\\$` the dollar is not escaped.
    shown = re.sub(
        r"\\(.)", lambda pair: "$" if pair[1] == "$" else pair[0], source, flags=re.DOTALL
    )
    return TextRun(shown, source)


def _formulas(text: str) -> Iterator[tuple[int, int, int, int, bool]]:
    """Start, end, start and end of the content, display or not, of each formula in order."""
    if "$" not in text and "\\" not in text:
        return
    groups = _TextGroups(text)
    environments: dict[int, int] | None = None
    position = 0
    while opener := _OPENER.search(text, position):
        start, after = opener.span()
        symbol = opener[0]
        closing: tuple[int, int] | None = None
        if symbol == "$$":
            closing = _close_display_dollars(text, after, groups)
        elif symbol == "$":
            closing = _close_inline_dollars(text, after, groups) or _close_spaced_dollars(
                text, after
            )
        elif symbol in ("\\(", "\\["):
            closing = _close_brackets(text, after, symbol, groups)
        elif symbol == BOX:
            if end := _close_box(text, after, groups):
                yield start, end, start, end, False
                position = end
                continue
        elif opener[1] in MATH_ENVIRONMENTS:
            if environments is None:
                environments = _match_environments(text)
            if start in environments:
                end = environments[start]
                yield start, end, start, end, True
                position = end
                continue
        if closing is None:
            position = after
            continue
        content_end, end = closing
        yield start, end, after, content_end, symbol in ("$$", "\\[")
        position = end


def _close_display_dollars(text: str, start: int, groups: _TextGroups) -> tuple[int, int] | None:
    position = start
    while token := _IN_DOLLARS.search(text, position):
        if token[0] == "$$":
            filled = bool(text[start : token.start()].strip(SPACE))
            return (token.start(), token.end()) if filled else None
        if token[0].startswith("\n"):
            return None
        position = groups.skip(token)
    return None


def _close_inline_dollars(text: str, start: int, groups: _TextGroups) -> tuple[int, int] | None:
    if start >= len(text) or text[start] in SPACE or _ENDS_CLAUSE.match(text, start):
        return None
    if _AMOUNT_IN_HAN.match(text, start):
        return None
    position = start
    while token := _IN_DOLLARS.search(text, position):
        if token[0].startswith("$"):
            close = token.start()
            if text[close - 1] == "=" and _AMOUNT.match(text, start):
                return None
            if text[close - 1] in SPACE or _DIGIT.match(text, close + 1):
                return None
            return close, close + 1
        if token[0].startswith("\n"):
            return None
        position = groups.skip(token)
    return None


def _close_brackets(
    text: str, start: int, opener: str, groups: _TextGroups
) -> tuple[int, int] | None:
    closer = "\\)" if opener == "\\(" else "\\]"
    position = start
    while token := _IN_BRACKETS.search(text, position):
        if token[0] == closer:
            filled = bool(text[start : token.start()].strip(SPACE))
            return (token.start(), token.end()) if filled else None
        if token[0] == opener:
            return None
        position = groups.skip(token)
    return None


def _close_spaced_dollars(text: str, start: int) -> tuple[int, int] | None:
    """The end of a pair with space inside, by what stands between: TeX, and nothing like prose."""
    found = _TO_NEXT_DOLLAR.match(text, start)
    if found is None:
        return None
    content = found[1]
    is_spaced = content[0] in SPACE or content[-1] in SPACE
    if not is_spaced or not _TEX.search(content) or _WORD.search(_COMMAND.sub(" ", content)):
        return None
    return found.end() - 1, found.end()


def _close_box(text: str, start: int, groups: _TextGroups) -> int | None:
    """The end of the box whose brace stands at `start`, if what is in it can be a formula."""
    end = groups.find_end(start)
    if end is None or not text[start + 1 : end - 1].strip(SPACE):
        return None
    position = start
    while token := _IN_DOLLARS.search(text, position, end):
        is_amount = token[0] == "$" and _DIGIT.match(text, token.end())
        if token[0].startswith(("$", "\n")) and not is_amount:
            return None
        position = groups.skip(token)
    return end


def _match_environments(text: str) -> dict[int, int]:
    """Where each mathematical environment that begins at a position ends."""
    open_by_name: dict[str, list[int]] = {}
    ends: dict[int, int] = {}
    for token in _ENVIRONMENT.finditer(text):
        name = token[2]
        if name not in MATH_ENVIRONMENTS:
            continue
        if token[1] == "begin":
            open_by_name.setdefault(name, []).append(token.start())
        elif opened := open_by_name.get(name):
            ends[opened.pop()] = token.end()
    return ends


class _TextGroups:
    """Finds the ends of groups; braces are matched once, when first needed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: dict[int, int] | None = None

    def skip(self, token: re.Match[str]) -> int:
        """Where to read on after the token: past the group of a text command or of a box."""
        after = token.end()
        if token[1] in _PASSED_OVER and self._text[after : after + 1] == "{":
            return self.find_end(after) or after
        return after

    def find_end(self, brace: int) -> int | None:
        """The position after the brace that closes the one at this position."""
        if self._ends is None:
            self._ends = match_braces(self._text)
        return self._ends.get(brace)


def match_braces(text: str) -> dict[int, int]:
    """For each `{` that is closed, the position after its `}`. Escaped braces do not count."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for token in _BRACE.finditer(text):
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}" and opened:
            ends[opened.pop()] = token.end()
    return ends
