"""What can be read off a single text by rule: leftovers, broken LaTeX, answers, step numbers.

None of this understands mathematics. Each finder errs on the side of silence, and the rates at
which they speak on real data are in the tests that run there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from labeling.alignment import normalise_text
from labeling.alignment.commands import KNOWN
from labeling.mathtext import MathRun, Run, match_braces, split_math


class Fault(StrEnum):
    DOLLAR = "dollar"
    BRACE = "brace"
    BRACKET = "bracket"
    PAIR = "pair"
    BACKSLASH = "backslash"


class FoundFault(NamedTuple):
    """A fault of a text's LaTeX, what shows it, and the text repaired where that is certain."""

    fault: Fault
    found: str = ""
    repaired: str | None = None


# -- Blank steps -----------------------------------------------------------------------------------

_HEAD_ONLY = re.compile(
    r"(?:step\s*[0-9]+|第\s*[0-9]+\s*步|步骤\s*[0-9]+)\s*[.:)：]?", re.IGNORECASE
)
_LONGEST_HEAD = 20
_SEEN = re.compile(r"[A-Za-z0-9]")
# Signs of Markdown and empty formulas leave no mark on the page.
_BARE_SIGNS = "*_#`$ "


def is_blank(text: str) -> bool:
    """Does the step show nothing? White space, invisible characters and a bare "Step 3." do not."""
    if len(text) > _LONGEST_HEAD and _SEEN.search(text):
        return False
    # Categories C and Z of Unicode: controls, formats such as the zero-width space, separators.
    seen = "".join(sign if unicodedata.category(sign)[0] not in "CZ" else " " for sign in text)
    seen = seen.strip(_BARE_SIGNS)
    return not seen or _HEAD_ONLY.fullmatch(seen) is not None


# -- Leftovers of a prompt -------------------------------------------------------------------------

# A heading of its own line; some generators wrote the line breaks as backslash and n, which are not
# to be taken for the beginning of a command.
_WRITTEN_BREAK = (
    r"\\n(?!(?:abla|e|earrow|eg|eq|ewline|exists|i|mid|olimits|onumber|ot|otag|otin|u)(?![a-z]))"
)
_RESIDUE = re.compile(
    rf"(?:^|(?<=\s)|(?<=\\n))(?P<heading>\#{{1,4}}\s*(?:final\s+)?answer)\b:?"
    rf"(?:\s|{_WRITTEN_BREAK})*",
    re.IGNORECASE,
)


class Residue(NamedTuple):
    """A heading left in a step, and the step without it."""

    heading: str
    rest: str


def find_residue(text: str) -> Residue | None:
    """The heading of an answer section in a step, or None."""
    if "#" not in text:
        return None
    match = _RESIDUE.search(text)
    if match is None:
        return None
    return Residue(match["heading"], (text[: match.start()] + text[match.end() :]).strip())


# -- Broken LaTeX ----------------------------------------------------------------------------------

# JSON and Python read \f, \b, \t, \r, \v, \a and \n as control characters: \frac, \beta, \times.
_SWALLOWED = {"\f": "f", "\b": "b", "\t": "t", "\r": "r", "\v": "v", "\a": "a", "\n": "n"}
_AFTER_SWALLOWED = re.compile(
    r"\f(?=rac|orall|box)|\x08(?=eta|inom|oxed|ar(?![A-Za-z])|egin|ecause|igl|igr|mod)"
    r"|\t(?=imes|heta|ext|frac|an(?![A-Za-z])|o\b|au\b|riangle)|\r(?=ight|angle|ho\b|angle)"
    r"|\v(?=ec|arepsilon|arphi|ee)|\x07(?=lpha|pprox|ngle)|\n(?=abla|eq(?![A-Za-z]))"
)
# A line of a formula between dollars does not begin with a lone letter: it was \ne, \nu, \ni.
_BROKEN_LINE = re.compile(r"\n(?=[eui](?![A-Za-z]))")
# A name that is only ever a command, standing without its backslash before an argument.
_BARE = re.compile(
    r"(?<![\\A-Za-z])(?:[dt]?frac|sqrt|boxed|binom|overline|underline|math(?:bb|rm|bf|cal)|text|tag"
    r"|operatorname|pmod)(?=\{)"
)
_PAIRED = re.compile(r"\\\\|\\(left|right|begin|end)(?![A-Za-z])")
_UNESCAPED = re.compile(r"\\.|[{}]", re.DOTALL)
_BRACKETS = re.compile(r"\\\\|\\[()\[\]]")
# GSM8K notes a calculation between the dollar and its amount: `$<<9*2=18>>18`.
# An amount that a letter, a bracket or a script follows is the beginning of a formula: `$4s`.
_DOLLAR_OF_MONEY = re.compile(
    r"\$[ ]?(?:<<[^<>]*>>)?\.?[0-9][0-9.,]*(?![0-9.,A-Za-z\\^_{(]|\s*[<>])"
    r"|[0-9][ ]?\$(?![\\A-Za-z])"
)

# Names that mean something else without a backslash: words, and letters side by side.
_MEANT_OTHERWISE = """
    in to text le ge ne mid max min log sin cos tan sec csc cot exp lim sup inf ln lg gcd lcm mod ll
    gg pm mp deg dim det ker arg hom not neg sum prod int pi mu nu xi tau rho phi psi chi eta bar
    hat vec dot dots top bot Pr Re Im rm bf it sf tt cal cr atop over choose brace brack tag label
    mm cap cup star square degree line rule url color middle prime amalg models because therefore
"""
_COMMANDS = frozenset(
    name[1:] for name in KNOWN if name[1:].isalpha() and len(name) > 3
) - frozenset(_MEANT_OTHERWISE.split())
_LETTERS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
# Names long enough to be told at the end of a run of letters: `2acdot b`.
_TOLD = "cdot|cdots|ldots|times|frac|sqrt|boxed|leq|geq|neq|equiv|approx|infty|alpha|beta|theta"
_ENDS_TOLD = re.compile(rf"[A-Za-z]{{1,3}}?({_TOLD})")
# Two commands grown together: `\\picdot`.
_GROWN_TOGETHER = re.compile(rf"\\([A-Za-z]+?)({_TOLD})(?![A-Za-z])")
# In these no name is a command's.
_WORDS_IN_FORMULA = re.compile(
    r"\\(?:text[a-z]*|mbox|hbox|mathrm|mathit|mathsf|mathbf|operatorname\*?|begin|end|color|label"
    r"|tag)\s*\{[^{}]*\}"
)


# An injection has most of its steps in common with its original, and with its like.
_remember = lru_cache(maxsize=16_384)


def find_faults(text: str, *, speaks_of_money: bool = True) -> list[FoundFault]:
    """What is broken in the LaTeX of a text, each kind once.

    Where nothing speaks of money, a dollar beside a number is no amount but half a formula.
    """
    return list(_find_faults(text, speaks_of_money))


@_remember
def _find_faults(text: str, speaks_of_money: bool) -> Sequence[FoundFault]:
    if "$" not in text and "\\" not in text and not _MAY_BE_BROKEN.search(text):
        return []
    faults = []
    runs = split_math(text)
    prose = "".join(run.source if not isinstance(run, MathRun) else " " for run in runs)
    if _has_lonely_dollar(text, prose, speaks_of_money=speaks_of_money):
        faults.append(FoundFault(Fault.DOLLAR))
    if not _braces_match(text):
        faults.append(FoundFault(Fault.BRACE))
    # Those that found their partners are in formulas.
    if any(sign != r"\\" for sign in _BRACKETS.findall(prose)):
        faults.append(FoundFault(Fault.BRACKET))
    counts = dict.fromkeys(("left", "right", "begin", "end"), 0)
    for pair in _PAIRED.finditer(text):
        if pair[1]:
            counts[pair[1]] += 1
    if counts["left"] != counts["right"] or counts["begin"] != counts["end"]:
        faults.append(FoundFault(Fault.PAIR))
    if lost := _find_lost_backslash(text, runs):
        faults.append(lost)
    return faults


_MAY_BE_BROKEN = re.compile(r"[{}\x07\x08\t\n\v\f\r]")


def _find_lost_backslash(text: str, runs: Sequence[Run]) -> FoundFault | None:
    """The first command without its backslash; repaired where it is certain what was meant."""
    if swallowed := _AFTER_SWALLOWED.search(text):
        name = re.match(r"[A-Za-z]+", text[swallowed.end() :])
        shown = _SWALLOWED[swallowed[0]] + (name[0] if name else "")
        repaired = _AFTER_SWALLOWED.sub(lambda found: "\\" + _SWALLOWED[found[0]], text)
        return FoundFault(Fault.BACKSLASH, shown, repaired)
    if bare := _BARE.search(text):
        return FoundFault(Fault.BACKSLASH, bare[0], _BARE.sub(r"\\\g<0>", text))
    for run in runs:
        if not isinstance(run, MathRun):
            continue
        if broken := _BROKEN_LINE.search(run.source):
            letter = run.source[broken.end()]
            return FoundFault(Fault.BACKSLASH, f"n{letter}")
        formula = run.source
        if "{" in formula:
            formula = _WORDS_IN_FORMULA.sub(" ", formula)
        for letters in _LETTERS.findall(formula):
            if letters in _COMMANDS:
                return FoundFault(Fault.BACKSLASH, letters)
            if told := _ENDS_TOLD.fullmatch(letters):
                return FoundFault(Fault.BACKSLASH, told[1])
        for grown in _GROWN_TOGETHER.finditer(formula):
            if grown[0] not in KNOWN and f"\\{grown[1]}" in KNOWN:
                return FoundFault(Fault.BACKSLASH, grown[2])
    return None


def speaks_of_money(texts: Iterable[str]) -> bool:
    """May a dollar in texts like these be an amount? Not where dollars stand around formulas alone.

    Texts without any dollar tell nothing: then it may.
    """
    has_formulas = False
    for text in texts:
        if "$" not in text:
            continue
        for run in split_math(text):
            if isinstance(run, MathRun):
                has_formulas = has_formulas or run.source.startswith("$")
            elif "$" in re.sub(r"\\.", "", run.source, flags=re.DOTALL):
                return True
    return not has_formulas


def _has_lonely_dollar(text: str, prose: str, *, speaks_of_money: bool) -> bool:
    """Is there a dollar in the prose that should stand at an end of a formula?"""
    bare = re.sub(r"\\.", "", prose, flags=re.DOTALL)
    if "$$" in bare:
        return True
    if len(re.findall(r"\$", re.sub(r"\\.", "", text, flags=re.DOTALL))) % 2 == 0:
        return False
    # What only formulas have, outside of one: a dollar is lost, whatever the other looks like.
    if not speaks_of_money or re.search(r"\\[A-Za-z]{2,}|\^[0-9{(]", prose):
        return "$" in bare
    return "$" in _DOLLAR_OF_MONEY.sub("", bare)


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
      | (?:is|are|was|be|of\ course|actually)\ not\ (?:correct|true|valid|right)
      | not\ (?:correct|true|valid)\ (?:here|in\ general|of\ course)
      | fallac(?:y|ious) | flaw(?:s|ed)? | false(?:ly)? | untrue | invalid(?:ly)?
      | misappl\w+ | misinterpret\w* | mis(?:us\w+|read\w*|understand\w*|calculat\w+|conception\w*)
      | inadvertently | accidentally | deliberate(?:ly)? | intentional(?:ly)? | on\ purpose
      | unjustified | unwarranted | unfounded
      | redundan(?:t|tly|cy) | superfluous(?:ly)?
      | (?:step|statement|line|calculation|this)\ is\ (?:unnecessary|needless|unneeded)
      | circular(?:ity|\ (?:reasoning|logic|argument)) | (?:argument|reasoning|this)\ is\ circular
      | deceptive(?:ly)? | misleading(?:ly)?
      | (?:we|it|this|step|here)\ (?:forg[eo]t\w*|overlook\w*|neglect\w*|violat\w+)
      | in\ conflict\ with | conflicts?\ with | injected
      | (?:an|the|this|introduc\w+|with)\ errors?
    )\b
    | [\[(]\s*errors?\b
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

_NUMBER = r"(?:\#|no\.?\ ?|number\ )?\(?[0-9]{1,4}\)?"
_JOIN = r"(?:\s*(?:,|、|和|及|与|至|到|&|-|–|—|to|through|and|or))+\s*(?:steps?\s+)?"
_LIST = rf"{_NUMBER}(?:{_JOIN}{_NUMBER})*"
_NAMED = re.compile(rf"\bsteps?(?:\s+|-)?({_LIST})|(?:第|步骤)\s*({_LIST})\s*步?", re.IGNORECASE)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_IN_WORDS = re.compile(
    rf"\b(?P<ordinal>{'|'.join(_ORDINALS)})\s+step\b|\b(?P<count>[0-9]{{1,4}})(?:st|nd|rd|th)\s+step\b"
    rf"|\bstep\s+(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE,
)
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
    for match in _IN_WORDS.finditer(reason):
        if match["count"]:
            named.add(int(match["count"]))
        elif match["ordinal"]:
            named.add(_ORDINALS.index(match["ordinal"].lower()) + 1)
        else:
            named.add(_WORDS.index(match["word"].lower()) + 1)
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
    the last number in the prose after all formulas of the last step; its last formula, after its
    last equals sign.
    """
    boxed = find_boxed(steps)
    if boxed is not None:
        return boxed
    if not steps:
        return None
    last = steps[-1]
    residue = find_residue(last)
    if residue is not None and residue.rest:
        last = residue.rest.rsplit("\n", 1)[-1]
    runs = split_math(last)
    formulas = [index for index, run in enumerate(runs) if isinstance(run, MathRun)]
    after = "".join(run.source for run in runs[formulas[-1] + 1 :]) if formulas else last
    numbers = _NUMBER_WORD.findall(normalise_text(after))
    if numbers:
        return str(numbers[-1])
    if formulas:
        words = normalise_text(f"${runs[formulas[-1]].text.strip()}$").rsplit(" = ", 1)[-1]
        return words or None
    return None


def find_boxed(steps: Sequence[str]) -> str | None:
    """What the last three steps put into a box, in canonical writing; the last box counts."""
    for text in reversed(steps[-3:]):
        ends = match_braces(text)
        boxed = [
            text[match.end() + 1 : ends[match.end()] - 1]
            for match in _BOXED.finditer(text)
            if match.end() in ends
        ]
        if boxed:
            return normalise_text(f"${boxed[-1].strip()}$") or None
    return None


def is_number(answer: str | None) -> bool:
    """Is the answer (as `find_final_answer` gives it) a plain number?"""
    return answer is not None and _NUMBER_WORD.fullmatch(answer) is not None


def contains_answer(text: str, answer: str) -> bool:
    """Does the text contain the answer (as `find_final_answer` gives it), as whole tokens?"""
    return f" {answer} " in f" {normalise_text(text)} "


@_remember
def list_results(text: str) -> frozenset[str]:
    """Numbers (but the commonest) and equations `x = number` of a text, in canonical writing."""
    words = normalise_text(text)
    numbers = {word for word in words.split() if _NUMBER_WORD.fullmatch(word)}
    equations = {f"{symbol} = {value}" for symbol, value in _EQUATION.findall(words)}
    return frozenset((numbers - _COMMON_NUMBERS) | equations)
