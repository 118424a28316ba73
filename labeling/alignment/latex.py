"""LaTeX formulas as trees: enough of the grammar to compare two of them and to mark a part of one.

This is not TeX: macros are not expanded. What matters here is that every node covers a piece of
the source that is a valid formula of its own, and that two writings of the same formula (`\\dfrac`
and `\\frac`, `x^2` and `x^{2}`, any spacing) get the same key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labeling.alignment.commands import (
    ARGUMENTS,
    BINARY,
    BREAKS,
    DELIMITER_SIZES,
    INFIX,
    KNOWN,
    LITERAL_ARGUMENTS,
    RELATIONS,
    SYNONYMS,
    UNSEEN,
)
from labeling.alignment.grouping import enclose, put_together
from labeling.alignment.tree import (
    Formula,
    Node,
    Role,
    Slot,
    count_tokens,
    join_keys,
    key_of_argument,
)
from labeling.mathtext import TEXT_COMMANDS, match_braces

# Deeper nesting than this is nobody's formula; such a text is compared as a whole.
DEEPEST = 40

# A formula with more tokens than this is compared as a whole.
MOST_TOKENS = 5_000


class _Unreadable(Exception):
    """The text is not a formula as this module knows them."""


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str


# A doubled backslash before a name that LaTeX knows is a command that was escaped once too often;
# before anything else it ends a row.
_TOKEN = re.compile(
    r"(?P<doubled>(?:\\\\)+(?=(?P<name>[A-Za-z]+)))"
    r"|\\(?:operatorname|hspace|tag)\*"
    r"|\\[A-Za-z]+|\\.|[ \t\r\n\f\v\u00a0\u3000~]+|.",
    re.DOTALL,
)
_SPACE = frozenset(" \t\r\n\f\v\u00a0\u3000~")
_PUNCTUATION = frozenset(",;.:!?")


def parse_formula(source: str) -> Formula:
    """The formula as a tree; where it cannot be read, as one piece with its tokens for a key."""
    tokens, doubled = _tokenize(source)
    if len(tokens) > MOST_TOKENS:
        return Formula(source, None, _join_tokens(tokens))
    try:
        nodes = _Parser(source, tokens).parse_all()
    except _Unreadable:
        return Formula(source, None, _join_tokens(tokens))
    key = join_keys(nodes)
    # Marking a part is for formulas whose source means what the tree says.
    readable = not doubled and not any(token.text in INFIX for token in tokens)
    return Formula(source, nodes if readable else None, key)


def parse_piece(text: str, start: int) -> Node | None:
    """The node that begins at a position of a longer text, or None: for LaTeX without dollars."""
    # A piece of prose is short; its end is found by matching braces, not by reading all the text.
    window = text[start : start + 500]
    ends = match_braces(window)
    stop = _COMMAND_HEAD.match(window)
    if stop is None:
        return None
    end = stop.end()
    while end < len(window) and (
        window[end] == "{" or (window[end] == "[" and stop[0] == "\\sqrt")
    ):
        closing = ends.get(end) if window[end] == "{" else window.find("]", end) + 1
        if not closing:
            break
        end = closing
    formula = parse_formula(window[:end])
    if formula.nodes is None or len(formula.nodes) != 1:
        return None
    node = formula.nodes[0]
    return Node(start + node.start, start + node.end, node.key, size=node.size)


_COMMAND_HEAD = re.compile(r"\\[A-Za-z]+")


def undouble(text: str) -> str:
    """The text with `\\\\frac` as `\\frac` and `\\\\$` as `\\$`: escaped once too often."""

    def repair(match: re.Match[str]) -> str:
        name = match["name"]
        return "\\" if name is None or "\\" + name in KNOWN else match[0]

    return _DOUBLED.sub(repair, text)


_DOUBLED = re.compile(r"(?<!\\)(?:\\\\)+(?=(?P<name>[A-Za-z]+)|[$()\[\]{}%&#_,!;])")


def _tokenize(source: str) -> tuple[list[_Token], bool]:
    """The tokens that are not space, and whether a command was escaped twice."""
    tokens = []
    found_doubled = False
    position = 0
    while match := _TOKEN.match(source, position):
        position = match.end()
        if match["doubled"]:
            if "\\" + match["name"] in KNOWN:
                found_doubled = True
                position = match.end() + len(match["name"])
                text = "\\" + match["name"]
            else:
                position = match.start() + 2
                text = "\\\\"
            tokens.append(_Token(match.start(), position, text))
        elif match[0][0] not in _SPACE:
            tokens.append(_Token(match.start(), match.end(), match[0]))
    return tokens, found_doubled


def _canonical(text: str) -> str:
    return SYNONYMS.get(text, text)


def _join_tokens(tokens: Sequence[_Token]) -> str:
    keys = (_canonical(token.text) for token in tokens)
    return " ".join(key for key in keys if key not in UNSEEN)


class _Parser:
    def __init__(self, source: str, tokens: Sequence[_Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def parse_all(self) -> tuple[Node, ...]:
        nodes = self._sequence(frozenset())
        if self._at != len(self._tokens):
            raise _Unreadable
        return nodes

    # -- tokens ------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _Unreadable
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str) -> _Token:
        token = self._take()
        if token.text != text:
            raise _Unreadable
        return token

    # -- sequences ---------------------------------------------------------------------------

    def _sequence(self, stops: frozenset[str]) -> tuple[Node, ...]:
        """Nodes up to a stop (left standing) or the end, with numbers and words put together."""
        nodes: list[Node] = []
        while self._at < len(self._tokens) and self._peek() not in stops:
            nodes.append(self._scripted())
        return tuple(enclose(put_together(nodes)))

    def _scripted(self) -> Node:
        """One nucleus with its scripts and primes: `x`, `x_1^2`, `\\sum\\limits_{i}`, `^\\circ`."""
        base = None if self._peek() in ("^", "_", "'") else self._nucleus()
        if base is not None and base.role is Role.BREAK:
            return base
        start = self._tokens[self._at].start if base is None else base.start
        end = start if base is None else base.end
        scripts: list[tuple[str, Slot]] = []
        primes = 0
        while (mark := self._peek()) in ("^", "_", "'", "\\limits", "\\nolimits"):
            end = self._take().end
            if mark == "'":
                primes += 1
            elif mark in ("^", "_"):
                slot, end = self._argument()
                scripts.append((mark, slot))
            elif scripts or base is None:
                raise _Unreadable
            else:
                base = Node(base.start, end, base.key, base.role, size=base.size)
        if not scripts and not primes:
            assert base is not None  # noqa: S101 - a script or a prime stood there otherwise
            return base
        scripts.sort(key=lambda script: script[0])
        # A number carries a script as a whole, whatever TeX takes for the nucleus.
        slots = [slot for _, slot in scripts]
        key = "" if base is None else base.key
        key += " '" * primes
        for mark, slot in scripts:
            key += f" {mark} {key_of_argument(slot.nodes)}"
        shape = "script:" + "".join(mark for mark, _ in scripts) + "'" * primes
        if base is not None:
            slots.insert(0, Slot((base,), braced=False))
            shape += "x"
        size = primes + sum(count_tokens(slot.nodes) for slot in slots)
        return Node(start, end, key.strip(), shape=shape, slots=tuple(slots), size=size)

    def _argument(self) -> tuple[Slot, int]:
        """What follows a command or a script mark, braced or not, and where it ends."""
        if self._peek() in ("}", "^", "_", "'", "&", "\\\\", "\\right", "\\end", ""):
            raise _Unreadable
        if self._peek() == "{":
            self._take()
            nodes = self._sequence(frozenset("}"))
            return Slot(nodes, braced=True), self._expect("}").end
        node = self._nucleus()
        return Slot((node,), braced=False), node.end

    # -- nuclei ------------------------------------------------------------------------------

    def _nucleus(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Unreadable
        node = self._read_nucleus()
        self._depth -= 1
        return node

    def _read_nucleus(self) -> Node:
        token = self._take()
        text = token.text
        if text == "{":
            nodes = self._sequence(frozenset("}"))
            end = self._expect("}").end
            size = count_tokens(nodes)
            slot = Slot(nodes, braced=True)
            return Node(
                token.start, end, key_of_argument(nodes), shape="{}", slots=(slot,), size=size
            )
        if text in ("}", "\\right", "\\end"):
            raise _Unreadable
        if text == "\\left":
            return self._delimited(token)
        if text == "\\begin":
            return self._environment(token)
        if text == "\\not":
            negated = self._take()
            key = f"\\not {_canonical(negated.text)}"
            return Node(token.start, negated.end, SYNONYMS.get(key, key), Role.RELATION)
        if text in DELIMITER_SIZES:
            delimiter = self._take()
            return Node(token.start, delimiter.end, _canonical(delimiter.text))
        if text in BREAKS:
            return self._break(token)
        if text.startswith("\\") and text[1:].rstrip("*").isalpha():
            return self._command(token)
        key = _canonical(text)
        if key in UNSEEN:
            return Node(token.start, token.end, "", size=0)
        return Node(token.start, token.end, key, _role(key))

    def _command(self, token: _Token) -> Node:
        name = token.text
        key = _canonical(name)
        if key in UNSEEN:
            return Node(token.start, token.end, "", size=0)
        if name[1:] in TEXT_COMMANDS or name in LITERAL_ARGUMENTS:
            return self._literal(token, LITERAL_ARGUMENTS.get(name, 1))
        if key in ARGUMENTS:
            slots = []
            end = token.end
            if key == "\\sqrt" and self._peek() == "[":
                self._take()
                nodes = self._sequence(frozenset("]"))
                end = self._expect("]").end
                slots.append(Slot(nodes, braced=True))
            shape = f"{key}/{len(slots)}"
            for _ in range(ARGUMENTS[key]):
                slot, end = self._argument()
                slots.append(slot)
            key += "".join(f" {key_of_argument(slot.nodes)}" for slot in slots)
            size = 1 + sum(count_tokens(slot.nodes) for slot in slots)
            return Node(token.start, end, key, shape=shape, slots=tuple(slots), size=size)
        if name in KNOWN:
            return Node(token.start, token.end, key, _role(key))
        # A command nobody told us of: the groups behind it may be its arguments.
        return self._literal(token, 0)

    def _literal(self, token: _Token, count: int) -> Node:
        """A command whose arguments are not formulas, as one piece."""
        end = token.end
        pieces = [_canonical(token.text)]
        size = 1
        taken = 0
        while self._peek() in ("{", "["):
            opened = self._take()
            closing = "}" if opened.text == "{" else "]"
            inner = self._skip_to(closing)
            end = self._expect(closing).end
            source = self._source[opened.end : end - 1]
            pieces.append("{" + " ".join(source.split()) + "}")
            size += inner
            taken += opened.text == "{"
            if count and taken == count:
                break
        if count and taken < count:
            raise _Unreadable
        return Node(token.start, end, " ".join(pieces), size=size)

    def _skip_to(self, closing: str) -> int:
        """Pass over tokens up to a closing bracket of this level; how many they were."""
        depth = 0
        count = 0
        while depth or self._peek() != closing:
            text = self._take().text
            depth += (text == "{") - (text == "}")
            count += 1
            if depth < 0:
                raise _Unreadable
        return count

    def _delimited(self, token: _Token) -> Node:
        opening = _canonical(self._take().text)
        nodes = self._sequence(frozenset(["\\right"]))
        self._expect("\\right")
        last = self._take()
        closing = _canonical(last.text)
        slot = Slot(nodes, braced=True)
        shown = [opening, join_keys(nodes), closing]
        key = " ".join(part for part in shown if part not in ("", "."))
        size = count_tokens(nodes) + (opening != ".") + (closing != ".")
        return Node(
            token.start, last.end, key, shape=f"{opening}{closing}", slots=(slot,), size=size
        )

    def _environment(self, token: _Token) -> Node:
        name = self._name()
        head = ""
        if self._peek() == "[":
            self._take()
            self._skip_to("]")
            self._expect("]")
        if name in ("array", "darray", "alignat", "alignat*", "alignedat", "subarray"):
            opened = self._expect("{")
            self._skip_to("}")
            head = self._source[opened.end : self._expect("}").start].replace(" ", "")
        nodes = self._sequence(frozenset(["\\end"]))
        self._expect("\\end")
        if self._name() != name:
            raise _Unreadable
        end = self._tokens[self._at - 1].end
        key = f"\\begin {name} {head} {join_keys(nodes)} \\end {name}"
        size = 1 + count_tokens(nodes)
        slot = Slot(nodes, braced=True)
        shape = f"{name}{{{head}}}"
        return Node(token.start, end, key, shape=shape, slots=(slot,), size=size)

    def _name(self) -> str:
        opened = self._expect("{")
        while self._peek() != "}":
            self._take()
        return self._source[opened.end : self._take().start].strip()

    def _break(self, token: _Token) -> Node:
        end = token.end
        if token.text == "\\middle":
            end = self._take().end
        elif token.text == "\\\\" and self._peek() == "[":
            # `\\[2pt]`: the distance to the next row.
            self._take()
            self._skip_to("]")
            end = self._expect("]").end
        elif token.text in ("\\tag", "\\tag*", "\\label", "\\cline") and self._peek() == "{":
            self._take()
            self._skip_to("}")
            end = self._expect("}").end
        key = self._source[token.start : end] if token.text != "\\\\" else "\\\\"
        size = 0 if key in ("&", "\\\\") else 1
        return Node(token.start, end, "".join(key.split()), Role.BREAK, size=size)


def _role(key: str) -> Role:
    if key in RELATIONS:
        return Role.RELATION
    if key in BINARY:
        return Role.BINARY
    return Role.PUNCTUATION if key in _PUNCTUATION else Role.ORDINARY
