"""What can be read off a single text by rule: leftovers, broken LaTeX, answers, step numbers.

None of this understands mathematics. Each finder errs on the side of silence, and the rates at
which they speak on real data are in the tests that run there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from labeling.alignment import normalise_text
from labeling.mathtext import MathRun, match_braces, split_math


class Fault(StrEnum):
    DOLLAR = "dollar"
    BRACE = "brace"
    PAIR = "pair"
    BACKSLASH = "backslash"


class FoundFault(NamedTuple):
    """A fault of a text's LaTeX, what shows it, and the text repaired where that is certain."""

    fault: Fault
    found: str = ""
    repaired: str | None = None


# -- Leftovers of a prompt -------------------------------------------------------------------------

# A heading of its own line; some generators wrote the line breaks as backslash and n, which are not
# to be taken for the beginning of a command.
_WRITTEN_BREAK = (
    r"\\n(?!(?:abla|e|earrow|eg|eq|ewline|exists|i|mid|olimits|onumber|ot|otag|otin|u)(?![a-z]))"
)
_RESIDUE = re.compile(
    rf"(?:^|(?<=\n)|(?<=\\n)|(?<=[.!?] ))[ \t]*(?P<heading>\#{{1,4}}\s*(?:final\s+)?answer)\b:?"
    rf"(?:\s|{_WRITTEN_BREAK})*",
    re.IGNORECASE,
)


class Residue(NamedTuple):
    """A heading left in a step, and the step without it."""

    heading: str
    rest: str


def find_residue(text: str) -> Residue | None:
    """The heading of an answer section in a step, or None."""
    match = _RESIDUE.search(text)
    if match is None:
        return None
    return Residue(match["heading"], (text[: match.start()] + text[match.end() :]).strip())


# -- Broken LaTeX ----------------------------------------------------------------------------------

# JSON and Python read \f, \b, \t, \r, \v and \a as control characters: \frac, \beta, \times.
_SWALLOWED = {"\f": "f", "\b": "b", "\t": "t", "\r": "r", "\v": "v", "\a": "a"}
_AFTER_SWALLOWED = re.compile(
    r"\f(?=rac|orall|box)|\x08(?=eta|inom|oxed|ar\b|ar\{|egin|ecause|igl|igr|mod)"
    r"|\t(?=imes|heta|ext|frac|an\b|o\b|au\b|riangle)|\r(?=ight|angle|ho\b|angle)"
    r"|\v(?=ec|arepsilon|arphi|ee)|\x07(?=lpha|pprox|ngle)"
)
# A name that is only ever a command, standing without its backslash before an argument.
_BARE = re.compile(r"(?<![\\A-Za-z])(?:[dt]?frac|sqrt|boxed|binom|overline|mathbb|mathrm)(?=\{)")
_PAIRED = re.compile(r"\\\\|\\(left|right|begin|end)(?![A-Za-z])")
_UNESCAPED = re.compile(r"\\.|[{}]", re.DOTALL)
# An amount that a letter, a bracket or a script follows is the beginning of a formula: `$4s`.
_DOLLAR_OF_MONEY = re.compile(
    r"\$[ ]?[0-9][0-9.,]*(?![0-9.,A-Za-z\\^_{(])|[0-9][ ]?\$(?![\\A-Za-z])"
)


def find_faults(text: str) -> list[FoundFault]:
    """What is broken in the LaTeX of a text, each kind once."""
    faults = []
    if _has_lonely_dollar(text):
        faults.append(FoundFault(Fault.DOLLAR))
    if not _braces_match(text):
        faults.append(FoundFault(Fault.BRACE))
    counts = dict.fromkeys(("left", "right", "begin", "end"), 0)
    for pair in _PAIRED.finditer(text):
        if pair[1]:
            counts[pair[1]] += 1
    if counts["left"] != counts["right"] or counts["begin"] != counts["end"]:
        faults.append(FoundFault(Fault.PAIR))
    if swallowed := _AFTER_SWALLOWED.search(text):
        name = re.match(r"[A-Za-z]+", text[swallowed.end() :])
        shown = _SWALLOWED[swallowed[0]] + (name[0] if name else "")
        repaired = _AFTER_SWALLOWED.sub(lambda found: "\\" + _SWALLOWED[found[0]], text)
        faults.append(FoundFault(Fault.BACKSLASH, shown, repaired))
    elif bare := _BARE.search(text):
        faults.append(FoundFault(Fault.BACKSLASH, bare[0], _BARE.sub(r"\\\g<0>", text)))
    return faults


def _has_lonely_dollar(text: str) -> bool:
    """Is there an odd number of dollars, and one in the prose that is not an amount of money?"""
    if len(re.findall(r"\$", re.sub(r"\\.", "", text, flags=re.DOTALL))) % 2 == 0:
        return False
    prose = " ".join(run.source for run in split_math(text) if not isinstance(run, MathRun))
    prose = re.sub(r"\\.", "", prose, flags=re.DOTALL)
    return "$" in _DOLLAR_OF_MONEY.sub("", prose)


def _braces_match(text: str) -> bool:
    depth = 0
    for match in _UNESCAPED.finditer(text):
        depth += (match[0] == "{") - (match[0] == "}")
        if depth < 0:
            return False
    return depth == 0


# -- Words that give an error away -----------------------------------------------------------------

_ANNOUNCEMENT = re.compile(
    r"""
    \b(?:
        incorrect(?:ly)? | mistaken(?:ly)? | mistakes? | erroneous(?:ly)? | wrong(?:ly)?
      | contradict(?:s|ed|ing|ion|ory)? | hallucinat\w+ | inconsisten(?:t|tly|cy)
      | fallac(?:y|ious) | flawed | false(?:ly)? | invalid(?:ly)? | misappl\w+ | misinterpret\w*
      | inadvertently | accidentally | unjustified | unwarranted | redundan(?:t|tly|cy)
      | circular\ (?:reasoning|logic|argument) | deceptive(?:ly)? | misleading(?:ly)?
      | (?:an|the|this|introduc\w+|with)\ errors?
    )\b
    | 错误地? | 矛盾 | 误以为 | 循环论证 | 多余
    """,
    re.IGNORECASE | re.VERBOSE,
)


def find_announcement(text: str, *, also_in: str = "") -> str | None:
    """The first word by which a step calls itself wrong, or None.

    A word that the other text uses too, which is to be in lower case, announces nothing: a proof by
    contradiction, a question about a false statement.
    """
    for match in _ANNOUNCEMENT.finditer(text):
        if match[0].lower()[:8] not in also_in:
            return match[0]
    return None


# -- Step numbers in a reason ----------------------------------------------------------------------

_NUMBER = r"\#?[0-9]{1,4}"
_JOIN = r"(?:\s*(?:,|、|和|及|与|至|到|&|-|–|—|to|through|and|or))+\s*(?:steps?\s+)?"
_LIST = rf"{_NUMBER}(?:{_JOIN}{_NUMBER})*"
_NAMED = re.compile(rf"\bsteps?\s*({_LIST})|(?:第|步骤)\s*({_LIST})\s*步?", re.IGNORECASE)
_RANGE = re.compile(
    r"([0-9]+)\s*(?:-|–|—|to|through|至|到)\s*(?:steps?\s*)?\#?([0-9]+)", re.IGNORECASE
)


def find_named_steps(reason: str) -> set[int]:
    """The step numbers (from 1, as people write them) that a text names, ranges filled."""
    named: set[int] = set()
    for match in _NAMED.finditer(reason):
        listed = match[1] or match[2]
        for bounds in _RANGE.finditer(listed):
            first, last = int(bounds[1]), int(bounds[2])
            # "Steps 3 - 2000" is a slip, not a range.
            if first <= last <= first + 200:
                named.update(range(first, last + 1))
        named.update(int(number) for number in re.findall(r"[0-9]+", listed))
    return named


# -- Answers and results ---------------------------------------------------------------------------

_BOXED = re.compile(r"\\boxed\s*(?=\{)")
_NUMBER_WORD = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Numbers so common that to meet them again means nothing.
_COMMON_NUMBERS = frozenset({"0", "1", "2"})
_EQUATION = re.compile(
    r"(?<!\S)([A-Za-z]) = (-? ?[0-9]+(?:\.[0-9]+)?)(?= (?:[.,;:!?)]|[a-z]{2})|$)"
)


def find_final_answer(steps: Sequence[str]) -> str | None:
    """The answer a solution ends with, in canonical writing, or None where no rule finds one.

    In this order: what is boxed in the last three steps; what follows the heading of an answer;
    the last formula, or else the last number, of the last step, after its last equals sign.
    """
    for text in reversed(steps[-3:]):
        ends = match_braces(text)
        boxed = [
            text[match.end() + 1 : ends[match.end()] - 1]
            for match in _BOXED.finditer(text)
            if match.end() in ends
        ]
        if boxed:
            return normalise_text(f"${boxed[-1]}$") or None
    if not steps:
        return None
    last = steps[-1]
    residue = find_residue(last)
    if residue is not None and residue.rest:
        last = residue.rest.rsplit("\n", 1)[-1]
    formulas = [run.text for run in split_math(last) if isinstance(run, MathRun)]
    if formulas:
        words = normalise_text(f"${formulas[-1]}$").rsplit(" = ", 1)[-1]
        return words or None
    numbers = _NUMBER_WORD.findall(normalise_text(last))
    return numbers[-1] if numbers else None


def contains_answer(text: str, answer: str) -> bool:
    """Does the text contain the answer (as `find_final_answer` gives it), as whole tokens?"""
    return f" {answer} " in f" {normalise_text(text)} "


def list_results(text: str) -> set[str]:
    """Numbers (but the commonest) and equations `x = number` of a text, in canonical writing."""
    words = normalise_text(text)
    numbers = {word for word in words.split() if _NUMBER_WORD.fullmatch(word)}
    equations = {f"{symbol} = {value}" for symbol, value in _EQUATION.findall(words)}
    return (numbers - _COMMON_NUMBERS) | equations
