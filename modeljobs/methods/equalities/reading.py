"""Reads an equality as people write it, in LaTeX, as plain text or in between, into trees.

What can be read in two ways is read in the way asked for (`Style`), and the reading says that it
met such a place; what is no formula is refused with a reason. Nothing is computed here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from modeljobs.methods.equalities.trees import (
    Applied,
    Call,
    Constant,
    Infinity,
    Integral,
    Limit,
    Mixed,
    Negative,
    Node,
    Number,
    Percent,
    Power,
    Product,
    Quotient,
    Repeated,
    Sum,
    Symbol,
    Unit,
    Word,
)

MOST_CHARACTERS: Final = 2_000
MOST_TOKENS: Final = 800
MOST_DEPTH: Final = 40
MOST_SIDES: Final = 8
MOST_DIGITS: Final = 400

# name -> (what it measures, how many of the base unit)
UNITS: Final[dict[str, tuple[str, Fraction]]] = {
    "mm": ("m", Fraction(1, 1000)),
    "cm": ("m", Fraction(1, 100)),
    "dm": ("m", Fraction(1, 10)),
    "m": ("m", Fraction(1)),
    "km": ("m", Fraction(1000)),
    "inch": ("m", Fraction(254, 10_000)),
    "foot": ("m", Fraction(3048, 10_000)),
    "yard": ("m", Fraction(9144, 10_000)),
    "mile": ("m", Fraction(1_609_344, 1000)),
    "mg": ("kg", Fraction(1, 1_000_000)),
    "g": ("kg", Fraction(1, 1000)),
    "kg": ("kg", Fraction(1)),
    "pound": ("kg", Fraction(45_359_237, 100_000_000)),
    "ounce": ("kg", Fraction(45_359_237, 1_600_000_000)),
    "second": ("s", Fraction(1)),
    "minute": ("s", Fraction(60)),
    "hour": ("s", Fraction(3600)),
    "day": ("s", Fraction(86_400)),
    "week": ("s", Fraction(604_800)),
    # A litre is a cubic decimetre: three lengths.
    "ml": ("m^3", Fraction(1, 1_000_000)),
    "litre": ("m^3", Fraction(1, 1000)),
    "dollar": ("$", Fraction(1)),
    "cent": ("$", Fraction(1, 100)),
    "degree": ("degree", Fraction(1)),
}
_UNIT_WORDS: Final[dict[str, str]] = {
    **{name: name for name in UNITS},
    **{f"{name}s": name for name in UNITS if len(name) > 2},
    "in": "inch",
    "inches": "inch",
    "ft": "foot",
    "feet": "foot",
    "yd": "yard",
    "mi": "mile",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "s": "second",
    "sec": "second",
    "secs": "second",
    "min": "minute",
    "mins": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "L": "litre",
    "l": "litre",
    "liter": "litre",
    "liters": "litre",
    "litres": "litre",
    "mL": "ml",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "metres": "m",
    "gram": "g",
    "grams": "g",
}
# What may follow a numeral without \text: the rest are letters, words or functions.
_PLAIN_UNITS: Final = frozenset(_UNIT_WORDS) - {*"mgshLl", "in", "min", "mins", "degree", "degrees"}

_FUNCTIONS: Final = frozenset(
    {
        *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan"),
        *("sinh", "cosh", "tanh", "exp", "ln", "log", "lg"),
    }
)
# These take a list in brackets.
_LISTS: Final = frozenset({"min", "max", "gcd", "lcm"})
_INVERSE: Final = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_PLAIN_WORDS: Final = _FUNCTIONS | _LISTS | {"sqrt", "abs", "floor", "ceil", "pi", "mod"}
# Short words of prose that could be taken for a product of letters.
_PROSE: Final = frozenset(
    {
        *("so", "is", "we", "of", "or", "an", "if", "to", "as", "at", "by", "in", "it", "us", "on"),
        *("the", "and", "for", "let", "are", "get", "has", "not", "now", "all", "any", "but"),
        *("can", "how", "its", "one", "our", "out", "per", "see", "two", "was", "who", "you"),
    }
)
# Letters that name a function where a bracket follows.
_FUNCTION_LETTERS: Final = frozenset("fghFGHPQ")
_GREEK: Final = frozenset(
    {
        *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta"),
        *("vartheta", "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "phi"),
        *("varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma"),
        *("Phi", "Psi", "Omega", "ell"),
    }
)
_RELATIONS: Final = {
    "=": "=",
    "<": "<",
    ">": ">",
    "\\ne": "!=",
    "\\le": "<=",
    "\\ge": ">=",
    "\\approx": "~",
    "\\equiv": "==",
}
_RELATION_NAMES: Final = frozenset(_RELATIONS)
# Between two statements.
_LINKS: Final = frozenset(
    {
        *("\\Rightarrow", "\\implies", "\\iff", "\\Leftrightarrow", "\\Longrightarrow", "\\to"),
        *("\\rightarrow", "\\therefore", "\\because", "\\land", "\\lor", ";"),
    }
)
_MONEY: Final = frozenset("$€£¥₹¢")

# --- One way of writing ---------------------------------------------------------------------------

_SIGNS: Final = {
    **dict.fromkeys("−–—﹣－", "-"),
    **dict.fromkeys("×✕⨯∗⋅·∙", "*"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("≤⩽≦", "\\le "),
    **dict.fromkeys("≥⩾≧", "\\ge "),
    **dict.fromkeys("≈≃≅", "\\approx "),
    "≠": "\\ne ",
    "≡": "\\equiv ",
    "π": "\\pi ",
    "∞": "\\infty ",
    "°": "^\\circ ",
    "√": "\\surd ",
    "∑": "\\sum ",
    "∏": "\\prod ",
    "∫": "\\int ",
    "′": "'",
    "’": "'",
    "⌊": "\\lfloor ",
    "⌋": "\\rfloor ",
    "⌈": "\\lceil ",
    "⌉": "\\rceil ",
    "∣": "|",
}
_GREEK_LETTERS: Final = {
    **dict(zip("αβγδεζηθικλμνξρστφχψω", (
        *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
        *("lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
    ), strict=True)),
    **dict(zip("ΓΔΘΛΞΣΦΨΩ", (
        *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega"),
    ), strict=True)),
}  # fmt: skip
_RAISED: Final = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED: Final = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
# Marks that nobody sees and nobody means.
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NOISE: Final = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|nolimits|thinspace|quad|qquad"
    r"|notag|nonumber|hfill)(?![A-Za-z])|\\[,;:> ]|~|&"
)
_SAME: Final = (
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\(?:begin|end)\s*\{(?:align|aligned|gather|gathered|split|equation)\*?\}"), " "),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![A-Za-z])"), r"\\binom"),
    (re.compile(r"\\(?:cdot|times|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\(?:leqslant|leqq|leq)(?![A-Za-z])"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geqq|geq)(?![A-Za-z])"), r"\\ge "),
    (re.compile(r"\\(?:neq|not\s*=)"), r"\\ne "),
    (re.compile(r"\\(?:simeq|cong|doteq)(?![A-Za-z])"), r"\\approx "),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\degree(?![A-Za-z])"), r"^\\circ "),
    (re.compile(r"\\[lr]?vert(?![A-Za-z])"), "|"),
    (re.compile(r"\\(?:mod|bmod)(?![A-Za-z])"), r"\\bmod "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"<="), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"=="), "="),
    # `5!=120` is a factorial; only what stands apart is the programmers' sign.
    (re.compile(r"(?<=\s)!="), r"\\ne "),
)
_DOLLARS: Final = re.compile(
    r"\$\$(?P<display>[^$]+)\$\$|(?<!\\)\$(?P<inline>[^$]+)\$"
    r"|\\\((?P<round>.+?)\\\)|\\\[(?P<square>.+?)\\\]",
    re.DOTALL,
)
_HAS_RELATION: Final = re.compile(r"[=<>≤≥≠≈]|\\(?:le|ge|ne|lt|gt|approx|equiv)")


class Unreadable(Exception):
    """The text is no equality that can be read. `code` and `values` say why."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


class Style(NamedTuple):
    """How to read what can be read in two ways.

    `slash_left`: 1/2x is half of x, and not one over two x. `functions`: f(x) is a function, and
    not f times x.
    """

    slash_left: bool = False
    functions: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """Sides with a relation between each two. `modulus` is that of a congruence.

    `met` names the places that can be read in two ways: "slash", "function".
    """

    sides: tuple[Node, ...]
    relations: tuple[str, ...]
    modulus: Node | None
    met: frozenset[str]


def read_statement(text: str, style: Style) -> Statement:
    """The chain of sides and relations in a text; Unreadable, with the reason, where it is none."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable("too_long")
    formula = normalise(find_formula(text))
    if not formula:
        raise Unreadable("empty")
    tokens = list(_tokenize(formula))
    if len(tokens) > MOST_TOKENS:
        raise Unreadable("too_long")
    return _Reader(tokens, style).read()


def find_formula(text: str) -> str:
    """The one formula with a relation in a text with dollars; the text itself without dollars."""
    stripped = text.strip()
    found = [
        next(part for part in match.groups() if part is not None)
        for match in _DOLLARS.finditer(stripped)
    ]
    # "$5 + $3 = $8" is no formula "5 + " and a rest: an amount begins with its sign.
    is_money = re.search(r"\$\s*\d", stripped) and not _is_balanced(stripped)
    if not found or is_money:
        return stripped
    related = [formula for formula in found if _HAS_RELATION.search(formula)]
    if len(related) == 1:
        return related[0]
    if len(found) == 1 and not related:
        # The relation may stand beside it: "$x$ = 5".
        return _DOLLARS.sub(lambda match: next(part for part in match.groups() if part), stripped)
    raise Unreadable("several" if related else "no_relation")


def _is_balanced(text: str) -> bool:
    """Do the dollars of the text enclose formulas? Those of amounts stand before digits."""
    outside = _DOLLARS.sub(" ", text)
    return "$" not in outside and not re.search(r"(?:^|\s)[-+*/=]|[-+*/=](?:\s|$)", outside)


def normalise(text: str) -> str:
    """The formula with one way of writing each sign, and without what only sets it in type."""
    text = _UNSEEN.sub("", text)
    text = re.sub(r"\\\\(?:\[[^\]]*\])?", " ", text)
    text = "".join(_write_plainly(text))
    for pattern, plain in _SAME:
        text = pattern.sub(plain, text)
    text = _NOISE.sub(" ", text).strip()
    text = re.sub(r"^(?:\\(?:therefore|because|Rightarrow|implies)\s*)+", "", text)
    text = re.sub(r"(?:[\s.,;:。，；]|\\blacksquare|\\square)+$", "", text)  # noqa: RUF001
    return text


def _write_plainly(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        character = text[position]
        for table, sign in ((_RAISED, "^"), (_LOWERED, "_")):
            end = position
            while end < len(text) and text[end] in table:
                end += 1
            if end > position:
                yield f"{sign}{{{''.join(table[one] for one in text[position:end])}}}"
                break
        else:
            end = position + 1
            yield _write_character(character)
        position = end


def _write_character(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if character in _GREEK_LETTERS:
        return f"\\{_GREEK_LETTERS[character]} "
    if character.isascii():
        return character
    plain = unicodedata.normalize("NFKC", character)
    if "\u2044" in plain and len(plain) >= 3:
        # A vulgar fraction: 2½ is a mixed number.
        top, bottom = plain.split("\u2044", 1)
        return f"\\frac{{{top}}}{{{bottom}}}" if top and bottom else character
    if plain.isspace():
        return " "
    if len(plain) == 1 and plain != character:
        # Letters of Unicode's mathematical alphabets, and signs of full width.
        return _write_character(plain)
    return plain if plain.isascii() else character


# --- Tokens ---------------------------------------------------------------------------------------


class _Token(NamedTuple):
    """`kind` is "number", "letter", "word", "text" (of \\text), "command" or "sign"."""

    kind: str
    text: str
    spaced: bool = False


_NUMERAL: Final = r"\d{1,3}(?:(?:\{,\}|,)\d{3})+(?!\d)(?:\.\d+)?|\d+\.\d+|\d+|\.\d+"
_TOKEN: Final = re.compile(
    rf"(?P<space>\s+)|(?P<repeating>\d*\.\d*\\(?:overline|bar|dot)\s*\{{\d+\}})"
    rf"|(?P<number>{_NUMERAL})"
    r"|\\(?:text|textbf|textit|textrm|textup|mathrm|mathbf|mathit|mathsf|mbox|operatorname)\*?"
    r"\s*\{(?P<text>[^{}]*)\}"
    r"|(?P<command>\\[A-Za-z]+|\\.)|(?P<word>[A-Za-z]+)|(?P<sign>.)",
    re.DOTALL,
)


def _tokenize(formula: str) -> Iterator[_Token]:
    spaced = False
    for match in _TOKEN.finditer(formula):
        kind, text = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "space":
            spaced = True
            continue
        if kind == "word":
            yield from _split_word(text, spaced)
        elif kind == "text":
            yield from _read_text(text, spaced)
        else:
            yield _Token(kind, text, spaced)
        spaced = False


def _split_word(text: str, spaced: bool) -> Iterator[_Token]:
    """Letters side by side are a product, unless they are a word that is known."""
    if len(text) == 1:
        yield _Token("letter", text, spaced)
    elif text in _PLAIN_WORDS or text in _PLAIN_UNITS:
        yield _Token("word", text, spaced)
    elif text.lower() in _PROSE:
        raise Unreadable("words", what=text)
    elif text[:-1] in _FUNCTIONS:
        yield _Token("word", text[:-1], spaced)
        yield _Token("letter", text[-1])
    elif len(text) <= 3:
        for position, letter in enumerate(text):
            yield _Token("letter", letter, spaced and not position)
    else:
        yield _Token("word", text, spaced)


def _read_text(text: str, spaced: bool) -> Iterator[_Token]:
    """What stands in \\text: a function, a letter, or units and words with slashes between."""
    stripped = text.strip()
    if stripped in (_FUNCTIONS | _LISTS) - {"sec"}:
        yield _Token("word", stripped, spaced)
        return
    if stripped in ("d", "e", "i"):
        yield _Token("letter", stripped, spaced)
        return
    if len(stripped) > 40:
        raise Unreadable("words", what=f"{stripped[:40]}…")
    parts = re.split(r"\s*(/|\bper\b)\s*", stripped)
    for number, part in enumerate(parts):
        if number % 2:
            yield _Token("sign", "/", True)
        elif part:
            if not re.fullmatch(r"[^\W\d_]+(?:[ -][^\W\d_]+)*\.?", part):
                raise Unreadable("words", what=part)
            if part.lower() in ("and", "or", "so", "if", "then", "where", "is", "for", "to"):
                raise Unreadable("words", what=part)
            yield _Token("text", part.rstrip("."), True)


# --- Trees ----------------------------------------------------------------------------------------

_TWO: Final = Number(Fraction(2), "2")


class _Reader:
    """Recursive descent over the tokens; `deep` counts brackets, `bars` absolute values."""

    def __init__(self, tokens: list[_Token], style: Style) -> None:
        self._tokens = tokens
        self._style = style
        self._at = 0
        self._deep = 0
        self._bars = 0
        self._in_integral = 0
        self._bound: list[str] = []
        self._met: set[str] = set()

    def read(self) -> Statement:
        sides = [self._read_sum()]
        relations: list[str] = []
        while (token := self._peek()) is not None and token.text in _RELATION_NAMES:
            self._at += 1
            relations.append(_RELATIONS[token.text])
            if len(relations) == MOST_SIDES:
                raise Unreadable("too_long")
            sides.append(self._read_sum())
        modulus = self._read_modulus() if relations else None
        if (token := self._peek()) is not None:
            self._refuse(token)
        if not relations:
            raise Unreadable("no_relation")
        return Statement(tuple(sides), tuple(relations), modulus, frozenset(self._met))

    # --- Tokens -----------------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> _Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def _next(self) -> _Token:
        token = self._peek()
        if token is None:
            raise Unreadable("ends")
        self._at += 1
        return token

    def _is_next(self, *texts: str) -> bool:
        token = self._peek()
        return token is not None and token.kind != "text" and token.text in texts

    def _take(self, *texts: str) -> bool:
        if self._is_next(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if self._take(text):
            return
        token = self._peek()
        if token is None or token.text in _RELATION_NAMES:
            raise Unreadable("unclosed", what=text)
        self._refuse(token)

    def _refuse(self, token: _Token) -> None:
        if token.text == ",":
            raise Unreadable("list")
        if token.text in _LINKS:
            raise Unreadable("several")
        if token.text in (")", "]", "}", "\\}"):
            raise Unreadable("unopened", what=token.text)
        if token.text in ("\\pm", "\\mp"):
            raise Unreadable("both_signs")
        raise Unreadable("sign", what=token.text)

    def _inside(self, read: Callable[[], Node]) -> Node:
        """What stands in a bracket of whatever kind."""
        self._deep += 1
        if self._deep > MOST_DEPTH:
            raise Unreadable("too_deep")
        bars, self._bars = self._bars, 0
        found = read()
        self._bars = bars
        self._deep -= 1
        return found

    # --- Sums and products ------------------------------------------------------------------------

    def _read_sum(self) -> Node:
        terms: list[Node] = []
        while True:
            sign = "+"
            while self._is_next("+", "-"):
                sign = "-" if (self._next().text == "-") == (sign == "+") else "+"
            term = self._read_term()
            terms.append(Negative(term) if sign == "-" else term)
            if not self._is_next("+", "-"):
                break
        if self._take("\\bmod", "mod"):
            if len(terms) > 1:
                # 7 + 10 mod 3: of the sum, or of its last term?
                raise Unreadable("two_ways", what="mod")
            return Call("mod", (terms[0], self._read_factor()))
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def _read_term(self) -> Node:
        """Groups of factors side by side, with signs between the groups."""
        found = self._read_group()
        while self._is_next("*", "/", ":"):
            sign = self._next().text
            if sign == "*":
                found = _multiply(found, *self._read_signed_group())
                continue
            group = self._read_signed_group()
            if len(group) > 1 and not _is_measured(group):
                self._met.add("slash")
                if self._style.slash_left:
                    found = _multiply(Quotient(found, group[0]), *group[1:])
                    continue
            elif len(group) > 1:
                # 60/2 km: the unit is that of the whole.
                found = _multiply(Quotient(found, group[0]), *group[1:])
                continue
            found = Quotient(found, _multiply(*group))
        return found

    def _read_group(self) -> Node:
        return _multiply(*self._read_factors())

    def _read_signed_group(self) -> list[Node]:
        if self._take("-"):
            first, *rest = self._read_factors()
            return [Negative(_multiply(first, *rest))]
        self._take("+")
        return self._read_factors()

    def _read_factors(self) -> list[Node]:
        """Factors with no sign between them."""
        factors = [self._read_factor()]
        while self._begins_factor():
            token = self._peek()
            is_numeral = token is not None and token.kind in ("number", "repeating")
            if is_numeral and factors[-1] != Unit("dollar", "$"):
                raise Unreadable("side_by_side", what=token.text if token else "")
            factors.append(self._read_factor())
        return factors

    def _begins_factor(self) -> bool:
        token = self._peek()
        if token is None:
            return False
        if token.kind == "letter":
            return not self._is_differential()
        if token.kind in ("number", "repeating", "text"):
            return True
        if token.kind == "word":
            return token.text != "mod"
        if token.text == "|":
            return not self._bars
        if token.text in _MONEY or token.text == "\\$":
            return True
        if token.kind == "command":
            return token.text[1:] in _BEGINNINGS
        return token.text in "([{" and not self._is_modulus()

    def _is_modulus(self) -> bool:
        second = self._peek(1)
        return self._is_next("(") and second is not None and second.text in ("mod", "\\bmod")

    def _is_differential(self) -> bool:
        token, following = self._peek(), self._peek(1)
        if not self._in_integral or token is None or token.text != "d":
            return False
        return following is not None and following.kind == "letter"

    # --- Factors ----------------------------------------------------------------------------------

    def _read_factor(self) -> Node:
        """A base with what stands behind it: powers, factorials, percent, degrees."""
        return self._read_behind(self._read_base())

    def _read_behind(self, found: Node) -> Node:
        is_raised = False
        while True:
            if self._take("^"):
                if self._take_circle():
                    found = _multiply(found, Unit("degree", "°"))
                    continue
                if is_raised:
                    # x^{2}^{3} is set by no TeX.
                    raise Unreadable("two_ways", what="^")
                found = Power(found, self._read_exponent())
                is_raised = True
            elif self._take("!"):
                if self._is_next("!"):
                    raise Unreadable("sign", what="!!")
                found = Call("factorial", (found,))
            elif self._take("%", "\\%"):
                found = Percent(found)
            else:
                return found

    def _take_circle(self) -> bool:
        if self._take("\\circ"):
            return True
        group = "".join(token.text for token in self._tokens[self._at : self._at + 3])
        if group == "{\\circ}":
            self._at += 3
            return True
        return False

    def _read_exponent(self) -> Node:
        if self._is_next("{", "("):
            return self._read_bracket()
        sign = self._take("-")
        if not sign:
            self._take("+")
        base = self._read_base()
        # 2^3^2 in plain text is 2^(3^2), as everywhere.
        if self._take("^"):
            base = Power(base, self._read_exponent())
        return Negative(base) if sign else base

    def _read_base(self) -> Node:
        token = self._next()
        match token.kind:
            case "number":
                return self._read_number(token)
            case "repeating":
                return _read_repeating(token.text)
            case "letter":
                return self._read_letter(token)
            case "text":
                return _read_named(token.text)
            case "word":
                return self._read_word(token)
        if token.text in ("(", "[", "{"):
            self._at -= 1
            return self._read_bracket()
        if token.text == "|":
            return self._read_bars()
        if token.text in _MONEY or token.text == "\\$":
            return Unit("cent" if token.text == "¢" else "dollar", "$")
        if token.kind == "command":
            return self._read_command(token)
        if token.text in ("+", "-"):
            self._at -= 1
            raise Unreadable("sign", what=token.text)
        self._refuse(token)
        raise AssertionError("unreachable")

    def _read_bracket(self) -> Node:
        opening = self._next().text
        closing = {"(": ")", "[": "]", "{": "}"}[opening]
        found = self._inside(self._read_sum)
        if opening == "{" and self._take("\\choose"):
            found = Call("binom", (found, self._inside(self._read_sum)))
        self._expect(closing)
        return found

    def _read_bars(self) -> Node:
        def read() -> Node:
            self._bars = 1
            return self._read_sum()

        found = self._inside(read)
        self._expect("|")
        return Call("abs", (found,))

    def _read_number(self, token: _Token) -> Node:
        number = _read_numeral(token.text)
        following = self._peek()
        if number.decimals or following is None or following.text != "\\frac":
            return number
        start = self._at
        self._at += 1
        part = self._read_fraction()
        if isinstance(part, Quotient) and _is_proper(part):
            return Mixed(number, part)
        self._at = start
        return number

    def _read_letter(self, token: _Token) -> Node:
        name = token.text
        if name in ("e", "i") and name not in self._bound and not self._is_next("_", "'"):
            return Constant(name)
        return self._read_symbol(name, is_letter=True)

    def _read_symbol(self, name: str, *, is_letter: bool) -> Node:
        letter = name
        while self._take("'"):
            name += "'"
        if self._take("_"):
            name += f"_{{{self._read_subscript()}}}"
            if letter in "CAP" and is_letter and self._is_next("^"):
                # C_n^k is a binomial to some and a power to others.
                raise Unreadable("two_ways", what=name)
        may_apply = is_letter and (letter in _FUNCTION_LETTERS or "'" in name)
        following = self._peek()
        if may_apply and following is not None and following.text == "(" and not following.spaced:
            self._met.add("function")
            if self._style.functions:
                return Applied(name, self._read_arguments())
        return Symbol(name)

    def _read_subscript(self) -> str:
        if not self._take("{"):
            return self._next().text
        parts: list[str] = []
        while not self._take("}"):
            token = self._next()
            if token.kind not in ("letter", "number", "word", "text") and token.text not in "+-,'":
                raise Unreadable("sign", what=token.text)
            is_word = token.kind in ("text", "word")
            parts.append(f"\\text{{{token.text}}}" if is_word else token.text)
        return "".join(parts)

    def _read_arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        found = [self._inside(self._read_sum)]
        while self._take(","):
            found.append(self._inside(self._read_sum))
        self._expect(")")
        return tuple(found)

    def _read_list(self, name: str) -> Node:
        arguments = self._read_arguments()
        if len(arguments) < 2:
            # max(1,200): a numeral with a comma, or two?
            raise Unreadable("two_ways", what=name)
        return Call(name, arguments)

    def _read_word(self, token: _Token) -> Node:
        name = token.text
        if name in _LISTS and self._is_next("("):
            return self._read_list(name)
        if name in _FUNCTIONS:
            return self._read_function(name)
        if name in ("sqrt", "abs", "floor", "ceil"):
            if not self._is_next("("):
                raise Unreadable("no_bracket", what=name)
            of = self._read_bracket()
            return Call("root", (of, _TWO)) if name == "sqrt" else Call(name, (of,))
        if name == "pi":
            return Constant("pi")
        return _read_named(name)

    # --- Commands ---------------------------------------------------------------------------------

    def _read_command(self, token: _Token) -> Node:
        name = token.text[1:]
        if name == "frac":
            return self._read_fraction()
        if name in ("sqrt", "surd"):
            return self._read_root(name)
        if name == "binom":
            return Call("binom", (self._read_argument(), self._read_argument()))
        if name in _FUNCTIONS:
            return self._read_function(name)
        if name in _LISTS:
            return self._read_list(name)
        if name == "pi":
            return Constant("pi")
        if name == "infty":
            return Infinity()
        if name in _GREEK:
            return self._read_symbol(f"\\{name} ", is_letter=False)
        if name == "boxed":
            return self._read_argument()
        if name in ("lfloor", "lceil"):
            found = self._inside(self._read_sum)
            self._expect("\\rfloor" if name == "lfloor" else "\\rceil")
            return Call("floor" if name == "lfloor" else "ceil", (found,))
        if name in ("sum", "prod"):
            return self._read_repeated(name)
        if name == "int":
            return self._read_integral()
        if name == "lim":
            return self._read_limit()
        self._refuse(token)
        raise AssertionError("unreachable")

    def _read_argument(self) -> Node:
        """What TeX takes as an argument: a group, or one token, of a numeral one digit."""
        if self._is_next("{"):
            return self._read_bracket()
        token = self._next()
        if token.kind == "number" and token.text.isdigit():
            digit, rest = token.text[0], token.text[1:]
            if rest:
                self._at -= 1
                self._tokens[self._at] = _Token("number", rest)
            return Number(Fraction(digit), digit)
        if token.kind in ("letter", "command"):
            self._at -= 1
            return self._read_base()
        raise Unreadable("sign", what=token.text)

    def _read_fraction(self) -> Node:
        return Quotient(self._read_argument(), self._read_argument())

    def _read_root(self, name: str) -> Node:
        degree: Node = _TWO
        if name == "sqrt" and self._take("["):
            degree = self._inside(self._read_sum)
            self._expect("]")
        if name == "surd" or self._is_next("("):
            # √16 goes as far as the next numeral, letter or bracket.
            return Call("root", (self._read_base(), degree))
        return Call("root", (self._read_argument(), degree))

    def _read_function(self, name: str) -> Node:
        base: Node | None = None
        if name in ("log", "lg") and self._take("_"):
            base = self._read_argument() if self._is_next("{") else self._read_base()
        elif name == "lg":
            base = Number(Fraction(10), "10")
        name = "log" if name == "lg" else name
        exponent = self._read_exponent() if self._take("^") else None
        if exponent is not None and _is_minus_one(exponent):
            if name not in _INVERSE:
                raise Unreadable("two_ways", what=f"{name}^-1")
            name, exponent = _INVERSE[name], None
        of = self._read_function_argument(name)
        found: Node = Call(name, (of,) if base is None else (of, base))
        return found if exponent is None else Power(found, exponent)

    def _read_function_argument(self, name: str) -> Node:
        if self._is_next("(", "[", "{"):
            found = self._read_bracket()
            if self._is_next("^", "!"):
                # sin(x)^2: of the sine or of x?
                raise Unreadable("two_ways", what=name)
            return found
        factors: list[Node] = []
        while self._begins_factor():
            token = self._peek()
            is_call = token is not None and token.text.removeprefix("\\") in _FUNCTIONS
            if factors and (is_call or (token is not None and token.text in "([")):
                break
            factors.append(self._read_factor())
        if not factors:
            raise Unreadable("ends")
        return _multiply(*factors)

    def _read_repeated(self, name: str) -> Node:
        self._expect("_")
        self._expect("{")
        index = self._next()
        if index.kind != "letter":
            raise Unreadable("sign", what=index.text)
        self._expect("=")
        low = self._inside(self._read_sum)
        self._expect("}")
        self._expect("^")
        high = self._read_argument()
        self._bound.append(index.text)
        body = self._inside(self._read_term)
        self._bound.pop()
        return Repeated(name, index.text, low, high, body)

    def _read_integral(self) -> Node:
        self._expect("_")
        low = self._read_signed_argument()
        self._expect("^")
        high = self._read_signed_argument()
        self._in_integral += 1
        body = Number(Fraction(1), "1") if self._is_differential() else self._read_sum()
        self._in_integral -= 1
        self._expect("d")
        variable = self._next()
        if variable.kind != "letter":
            raise Unreadable("sign", what=variable.text)
        return Integral(variable.text, low, high, body)

    def _read_signed_argument(self) -> Node:
        return Negative(self._read_argument()) if self._take("-") else self._read_argument()

    def _read_limit(self) -> Node:
        self._expect("_")
        self._expect("{")
        variable = self._next()
        if variable.kind != "letter" or not self._take("\\to", "\\rightarrow"):
            raise Unreadable("sign", what=variable.text)
        to = self._inside(self._read_sum)
        self._expect("}")
        return Limit(variable.text, to, self._inside(self._read_term))

    def _read_modulus(self) -> Node | None:
        """The (mod n) behind a congruence."""
        if self._take("\\pmod"):
            return self._read_argument()
        if self._is_modulus():
            self._at += 2
            found = self._inside(self._read_sum)
            self._expect(")")
            return found
        return None


_BEGINNINGS: Final = frozenset(
    {
        *_FUNCTIONS,
        *_LISTS,
        *_GREEK,
        *("frac", "sqrt", "surd", "binom", "pi", "infty", "boxed", "lfloor", "lceil"),
        *("sum", "prod", "int", "lim"),
    }
)


def _multiply(*factors: Node) -> Node:
    flat: list[Node] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) else (factor,)
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _is_measured(group: list[Node]) -> bool:
    """One factor, and behind it nothing but units and words."""
    return all(isinstance(one, Unit | Word) for one in group[1:])


def _is_minus_one(node: Node) -> bool:
    return isinstance(node, Negative) and isinstance(node.of, Number) and node.of.value == 1


def _is_proper(part: Quotient) -> bool:
    """Two whole numerals, the smaller on top: what makes a mixed number."""
    top, bottom = part.top, part.bottom
    if not (isinstance(top, Number) and isinstance(bottom, Number)):
        return False
    return top.text.isdigit() and bottom.text.isdigit() and 0 < top.value < bottom.value


def _read_numeral(text: str) -> Number:
    plain = text.replace("{,}", "").replace(",", "")
    if len(plain) > MOST_DIGITS:
        raise Unreadable("too_large")
    decimals = len(plain.partition(".")[2])
    return Number(Fraction(plain), plain if not plain.startswith(".") else f"0{plain}", decimals)


def _read_repeating(text: str) -> Number:
    """0.1\\overline{6} is one sixth, exactly."""
    match = re.fullmatch(r"(\d*)\.(\d*)\\(?:overline|bar|dot)\s*\{(\d+)\}", text)
    if match is None or len(text) > MOST_DIGITS:
        raise Unreadable("too_large")
    whole, fixed, again = match[1] or "0", match[2], match[3]
    part = Fraction(int(again), 10 ** len(fixed) * (10 ** len(again) - 1))
    value = Fraction(f"{whole}.{fixed or '0'}") + part
    return Number(value, f"{whole}.{fixed}\\overline{{{again}}}")


def _read_named(text: str) -> Node:
    unit = _UNIT_WORDS.get(text) or _UNIT_WORDS.get(text.lower())
    return Unit(unit, text) if unit else Word(text)
