"""One way for each lint of corrupting a claim that has none: what each must find.

The corruptions are written after what people and models get wrong (the audit of PRMBench), not
after what the lints look for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labeling.alignment import align_steps, changed_positions, normalise_text
from labeling.formats.lint import LINTS, LintContext, lint_injection
from labeling.mathtext import MathRun, split_math
from labeling.records import Injection, Solution, Step

NO_ERROR = "multi_solutions"
KEEPS_ANSWER = ("redundency", "circular", NO_ERROR)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A corrupted injection, what else the batch holds, and the sources of the originals."""

    solution: Solution
    others: tuple[Solution, ...] = ()
    sources: dict[str, tuple[str, ...]] | None = None

    @property
    def codes(self) -> set[str]:
        context = LintContext.build([self.solution, *self.others], sources=self.sources)
        return {lint.code for lint in lint_injection(self.solution, context=context)}


Mutator = Callable[[Solution, random.Random], Mutant | None]


@dataclass(slots=True)
class Tally:
    """How often a lint was to be found, how often it was, and what escaped."""

    tried: int = 0
    found: int = 0
    escaped: list[Solution] | None = None

    @property
    def rate(self) -> float:
        return self.found / self.tried


def measure(bases: Sequence[Solution], *, most: int, seed: int = 0) -> dict[str, Tally]:
    """Each lint's tally over at most so many of the bases, in an order of its own."""
    tallies = {}
    for code in LINTS:
        tally = tallies[code] = Tally(escaped=[])
        rng = random.Random(f"{seed}:{code}")
        for base in rng.sample(bases, len(bases)):
            if tally.tried == most:
                break
            mutant = MUTATORS[code](base, rng)
            if mutant is None:
                continue
            tally.tried += 1
            if code in mutant.codes:
                tally.found += 1
            elif tally.escaped is not None:
                tally.escaped.append(mutant.solution)
    return tallies


# Parts


def claim_of(base: Solution) -> Injection:
    assert base.injection is not None
    return base.injection


def texts_of(base: Solution) -> list[str]:
    return [step.text for step in base.steps]


def with_claim(base: Solution, **changes: Any) -> Solution:
    return replace(base, injection=replace(claim_of(base), **changes))


def with_steps(base: Solution, texts: Sequence[str]) -> Solution:
    return replace(base, steps=tuple(Step(text) for text in texts))


def with_question(base: Solution, text: str) -> Solution:
    return replace(base, problem=replace(base.problem, text=text))


def has_question_of_its_own(base: Solution) -> bool:
    return normalise_text(base.problem.text) != normalise_text(claim_of(base).original_problem)


def changed_of(base: Solution) -> set[int]:
    return set(changed_positions(claim_of(base).original_steps, texts_of(base)))


def put(texts: Sequence[str], position: int, text: str) -> list[str]:
    return [*texts[:position], text, *texts[position + 1 :]]


def change_number(text: str, rng: random.Random) -> str | None:
    """The text with one of its numbers greater by one to nine."""
    found = list(re.finditer(r"(?<![\w.])\d{1,6}(?![\w.])", text))
    if not found:
        return None
    match = rng.choice(found)
    other = int(match.group()) + rng.randint(1, 9)
    return text[: match.start()] + str(other) + text[match.end() :]


def change_word(text: str, rng: random.Random) -> str | None:
    """The text with one of its longer words exchanged for another."""
    found = list(re.finditer(r"(?<![\w\\{$])[a-z]{4,}(?![\w}])", text))
    if not found:
        return None
    match = rng.choice(found)
    return text[: match.start()] + rng.choice(["other", "seven", "lonely"]) + text[match.end() :]


def try_each(
    ways: Sequence[Callable[[str, random.Random], str | None]], text: str, rng: random.Random
) -> str | None:
    """What the first of the ways that fits makes of the text, tried in any order."""
    for way in rng.sample(ways, len(ways)):
        made = way(text, rng)
        if made is not None and made != text:
            return made
    return None


# The claim and its form


def lose_part(base: Solution, rng: random.Random) -> Mutant:
    blank = rng.choice(["", " ", "\n"])
    return Mutant(
        rng.choice(
            [
                with_claim(base, error_type=blank),
                with_question(base, blank),
                replace(base, steps=()),
                with_claim(base, original_steps=()),
                replace(base, injection=None),
            ]
        )
    )


def write_number_as_text(base: Solution, rng: random.Random) -> Mutant:
    position = rng.randrange(len(base.steps))
    strange = rng.choice([str(position), float(position), None, True, f"Step {position}", "two"])
    field = rng.choice(["claimed_error_positions", "claimed_changed_positions"])
    return Mutant(with_claim(base, **{field: (*getattr(claim_of(base), field), strange)}))


def point_outside(field: str) -> Mutator:
    def mutate(base: Solution, rng: random.Random) -> Mutant:
        given = list(getattr(claim_of(base), field))
        outside = rng.choice([len(base.steps), len(base.steps) + rng.randint(1, 9), -1, -2])
        if given and rng.random() < 0.5:
            given[rng.randrange(len(given))] = outside
        else:
            given.append(outside)
        return Mutant(with_claim(base, **{field: tuple(given)}))

    return mutate


def drop_errors(base: Solution, rng: random.Random) -> Mutant | None:
    if claim_of(base).error_type == NO_ERROR:
        return None
    return Mutant(with_claim(base, claimed_error_positions=()))


def undo_changes(base: Solution, rng: random.Random) -> Mutant:
    return Mutant(with_steps(base, claim_of(base).original_steps))


def blank_step(base: Solution, rng: random.Random) -> Mutant:
    texts = texts_of(base)
    number = rng.randrange(len(texts))
    blank = rng.choice(
        ["", " ", "\n\n", "\t", "\u00a0", "\u3000", "\u200b", "\ufeff", f"Step {number + 1}.", "**"]
    )
    if rng.random() < 0.5:
        return Mutant(with_steps(base, put(texts, number, blank)))
    return Mutant(with_steps(base, [*texts[:number], blank, *texts[number:]]))


def repeat_name(base: Solution, rng: random.Random) -> Mutant:
    other = with_steps(base, [*texts_of(base), "This is another one."])
    return Mutant(base, others=(replace(other, source_id="another"),))


def flag_second_solution(base: Solution, rng: random.Random) -> Mutant:
    count = rng.randint(1, min(3, len(base.steps)))
    flags = tuple(sorted(rng.sample(range(len(base.steps)), count)))
    return Mutant(with_claim(base, error_type=NO_ERROR, claimed_error_positions=flags))


# The claim against what differs


def leave_undeclared(base: Solution, rng: random.Random) -> Mutant | None:
    claim = claim_of(base)
    if not claim.claimed_error_positions:
        return None
    gone = rng.choice(claim.claimed_error_positions)
    declared = tuple(one for one in claim.claimed_changed_positions if one != gone)
    return Mutant(with_claim(base, claimed_changed_positions=declared))


def misdeclare(base: Solution, rng: random.Random) -> Mutant | None:
    claim = claim_of(base)
    if claim.error_type == NO_ERROR:
        return None
    changed = changed_of(base)
    unchanged = sorted(set(range(len(base.steps))) - changed)
    if rng.random() < 0.5 and unchanged:
        declared = sorted({*changed, rng.choice(unchanged)})
    else:
        declared = sorted(changed - {rng.choice(sorted(changed))})
    return Mutant(with_claim(base, claimed_changed_positions=tuple(declared)))


def flag_unchanged(base: Solution, rng: random.Random) -> Mutant | None:
    claim = claim_of(base)
    # A changed question or a contradiction may make an old step wrong.
    if claim.error_type in (NO_ERROR, "step_contradiction") or has_question_of_its_own(base):
        return None
    texts = [normalise_text(text) for text in texts_of(base)]
    unchanged = sorted(set(range(len(base.steps))) - changed_of(base))
    # Of two copies of one step nobody can say which is the new one.
    unchanged = [one for one in unchanged if texts.count(texts[one]) == 1]
    if not unchanged:
        return None
    given = claim.claimed_error_positions if rng.random() < 0.5 else ()
    flags = tuple(sorted({*given, rng.choice(unchanged)}))
    return Mutant(with_claim(base, claimed_error_positions=flags))


def shift_flags(base: Solution, rng: random.Random) -> Mutant | None:
    claim = claim_of(base)
    if not claim.claimed_error_positions:
        return None
    by = rng.choice([1, -1])
    shifted = tuple(one + by for one in claim.claimed_error_positions)
    # Flags that still fall on changed steps alone are as good as any others.
    if set(shifted) <= changed_of(base):
        return None
    return Mutant(with_claim(base, claimed_error_positions=shifted))


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def name_other_steps(base: Solution, rng: random.Random) -> Mutant | None:
    flags = set(claim_of(base).claimed_error_positions)
    free = [n + 1 for n in range(len(base.steps)) if n not in flags]
    if not flags or not free:
        return None
    n = rng.choice(free)
    ways = [
        f"Step {n} is where it goes off the rails.",
        f"In step {n}, the sign is lost.",
        f"The value in step #{n} is too large.",
        f"Step no. {n} takes the wrong root.",
        f"Step number {n} takes the wrong root.",
        f"A wrong rule is used (step {n}).",
        f"STEP {n} TAKES THE WRONG ROOT.",
        f"In step ({n}) the rule is used where it does not hold.",
        f"Look at step-{n}: it does not follow.",
        f"第{n}步是错的。",
    ]
    if n <= len(ORDINALS):
        ways += [
            f"The {ORDINALS[n - 1]} step does not follow.",
            f"Step {WORDS[n - 1]} does not follow.",
        ]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(n if n < 20 else n % 10, "th")
    ways.append(f"The {n}{suffix} step does not follow.")
    if len(free) > 1:
        first, second = sorted(rng.sample(free, 2))
        ways += [
            f"Steps {first} and {second} do not go together.",
            f"Step {first} and step {second} do not go together.",
            f"Steps {first}, {second} are new.",
            f"Steps {first} & {second} do not go together.",
        ]
        if all(one in free for one in range(first, second + 1)):
            ways += [f"Steps {first}-{second} are wrong.", f"Steps {first} to {second} are wrong."]
    return Mutant(with_claim(base, reason=rng.choice(ways)))


def flag_all(base: Solution, rng: random.Random) -> Mutant | None:
    if len(base.steps) < 2:
        return None
    return Mutant(with_claim(base, claimed_error_positions=tuple(range(len(base.steps)))))


def change_question(base: Solution, rng: random.Random) -> Mutant | None:
    if has_question_of_its_own(base):
        return None

    def add_sentence(text: str, rng: random.Random) -> str:
        return rng.choice([f"{text} Give all of them.", f"Assume that $k$ is even. {text}"])

    def drop_word(text: str, rng: random.Random) -> str | None:
        words = text.split(" ")
        places = [at for at, word in enumerate(words) if re.fullmatch(r"[a-z]{3,}", word)]
        if not places:
            return None
        at = rng.choice(places)
        return " ".join([*words[:at], *words[at + 1 :]])

    def turn_relation(text: str, rng: random.Random) -> str:
        for old, new in (("+", "-"), (r"\le", r"\ge"), (" more ", " fewer "), ("<", ">")):
            if old in text:
                return text.replace(old, new, 1)
        return text

    made = try_each(
        [change_number, change_word, add_sentence, drop_word, turn_relation],
        base.problem.text,
        rng,
    )
    return None if made is None else Mutant(with_question(base, made))


def drift(base: Solution, rng: random.Random) -> Mutant | None:
    """The original is no true copy: of its source, or of what all others copied."""
    claim = claim_of(base)
    original = list(claim.original_steps)
    k = rng.randrange(len(original))

    def drop(rng: random.Random) -> list[str]:
        return [*original[:k], *original[k + 1 :]]

    def join(rng: random.Random) -> list[str]:
        return [*original[:k], " ".join(original[k : k + 2]), *original[k + 2 :]]

    def alter(rng: random.Random) -> list[str]:
        return put(original, k, try_each([change_number, change_word], original[k], rng) or "")

    def add(rng: random.Random) -> list[str]:
        return put(original, k, f"{original[k]} Hence the claim.")

    made = rng.choice([drop, join, alter, add])(rng)
    if (
        not made
        or not all(made)
        or [*map(normalise_text, made)] == [*map(normalise_text, original)]
    ):
        return None
    drifted = with_claim(base, original_steps=tuple(made))
    family = base.problem.family or base.problem.source_id
    if rng.random() < 0.5 or claim.error_type == NO_ERROR:
        return Mutant(drifted, sources={family: tuple(original)})
    others = [
        replace(with_claim(base, error_type=kind), source_id=kind)
        for kind in ("circular", "deception", "confidence", "counterfactual")
        if kind != claim.error_type
    ]
    return Mutant(drifted, others=tuple(others[:3]))


# The texts


def leave_heading(base: Solution, rng: random.Random) -> Mutant:
    texts = texts_of(base)
    heading = rng.choice(
        [
            "# Answer",
            "## Answer",
            "# answer",
            "# ANSWER",
            "### Final Answer",
            "# Answer:",
            "#Answer",
        ]
    )
    gap = rng.choice(["\n\n", "\n", " ", "\\n\\n"])
    k = rng.randrange(len(texts))
    way = rng.randrange(3)
    if way == 0:
        return Mutant(with_steps(base, put(texts, k, f"{heading}{gap}{texts[k]}")))
    if way == 1:
        return Mutant(with_steps(base, put(texts, k, f"{texts[k]}{gap}{heading}{gap}12")))
    return Mutant(with_steps(base, [*texts, heading]))


# Escapes that JSON and Python read as one character, and what they leave of a command.
SWALLOWED = {
    r"\f": "\f",
    r"\b": "\b",
    r"\t": "\t",
    r"\r": "\r",
    r"\v": "\v",
    r"\a": "\a",
    r"\n": "\n",
}


def break_latex(base: Solution, rng: random.Random) -> Mutant | None:
    texts = texts_of(base)
    places = [k for k, text in enumerate(texts) if "\\" in text or has_formula(text)]
    in_question = rng.random() < 0.2 and has_formula(base.problem.text)
    if not places and not in_question:
        return None
    k = rng.choice(places or [0])
    text = base.problem.text if in_question else texts[k]
    made = try_each(
        [lose_delimiter, lose_brace, lose_backslash, swallow_escape, lose_partner], text, rng
    )
    if made is None:
        return None
    if in_question:
        return Mutant(with_question(base, made))
    return Mutant(with_steps(base, put(texts, k, made)))


def has_formula(text: str) -> bool:
    return any(isinstance(run, MathRun) for run in split_math(text))


def list_formulas(text: str) -> list[tuple[int, str]]:
    """Each formula with its delimiters, and where it begins."""
    found, at = [], 0
    for run in split_math(text):
        if isinstance(run, MathRun):
            found.append((at, run.source))
        at += len(run.source)
    return found


def lose_delimiter(text: str, rng: random.Random) -> str | None:
    """One of the two signs around a formula is gone."""
    formulas = [
        (at, source) for at, source in list_formulas(text) if source.startswith(("$", r"\(", r"\["))
    ]
    if not formulas:
        return None
    at, source = rng.choice(formulas)
    size = 1 if source.startswith("$") and not source.startswith("$$") else 2
    if rng.random() < 0.5:
        return text[:at] + text[at + size :]
    end = at + len(source)
    return text[: end - size] + text[end:]


def lose_brace(text: str, rng: random.Random) -> str | None:
    places = [found.start() for found in re.finditer(r"(?<!\\)[{}]", text)]
    if not places:
        return None
    at = rng.choice(places)
    return text[:at] + text[at + 1 :]


# Commands whose names are words or letters of their own: without a backslash they might be meant.
_AMBIGUOUS = """
    in to text le ge ne mid max min log sin cos tan ln gcd mod ll gg pm mp deg dim det not sum int
    pi mu nu xi tau rho phi psi chi eta bar hat vec dot dots
"""
AMBIGUOUS = frozenset(_AMBIGUOUS.split())


def lose_backslash(text: str, rng: random.Random) -> str | None:
    """A command in a formula without its backslash."""
    places = [
        at + found.start()
        for at, source in list_formulas(text)
        for found in re.finditer(r"\\([A-Za-z]{2,})", source)
        if found[1] not in AMBIGUOUS and not source[: found.start()].endswith("\\")
    ]
    if not places:
        return None
    at = rng.choice(places)
    return text[:at] + text[at + 1 :]


def swallow_escape(text: str, rng: random.Random) -> str | None:
    """A command whose backslash and first letter were read as one control character."""
    places = [
        found.start()
        for found in re.finditer(
            r"(?<!\\)\\(?:frac|forall|beta|binom|boxed|bar|begin|times|theta|text|tan|triangle|"
            r"right|rangle|rho|vec|varphi|alpha|approx|angle|neq|ne|nu|nabla)(?![A-Za-z])",
            text,
        )
    ]
    if not places:
        return None
    at = rng.choice(places)
    return text[:at] + SWALLOWED[text[at : at + 2]] + text[at + 2 :]


def lose_partner(text: str, rng: random.Random) -> str | None:
    """A \\left without its \\right, a \\begin without its \\end, or the other way round."""
    places = list(re.finditer(r"\\(?:left|right)(?![A-Za-z])|\\(?:begin|end)\{[a-z*]+\}", text))
    if not places:
        return None
    match = rng.choice(places)
    return text[: match.start()] + text[match.end() :]


ANNOUNCEMENTS = (
    "This step is wrong.",
    "This is incorrect.",
    "which is not correct",
    "(this is an error)",
    "[error introduced here]",
    "Here is the mistake.",
    "which is false",
    "This is not true, of course.",
    "This contradicts the step before.",
    "in contradiction to what was said",
    "This is inconsistent with the step before.",
    "in conflict with the step before",
    "Here we mistakenly take the wrong sign.",
    "We erroneously add the two.",
    "This is a deliberate mistake.",
    "Here a flaw is introduced.",
    "This reasoning is flawed.",
    "This is circular reasoning.",
    "This argument is circular.",
    "This step is redundant.",
    "This step is unnecessary.",
    "This step is superfluous.",
    "This rule is misapplied.",
    "We misuse the theorem here.",
    "Here we miscalculate on purpose.",
    "a common misconception",
    "an invalid conclusion",
    "This is not valid here.",
    "an unjustified assumption",
    "which is a fallacy",
    "This is misleading.",
    "This deceptive step looks right.",
    "This was hallucinated.",
    "We forget the condition here.",
    "We overlook the second case.",
    "We falsely conclude this.",
    "This is untrue.",
    "This violates the condition.",
    "This is the injected error.",
)


def announce(base: Solution, rng: random.Random) -> Mutant | None:
    claim = claim_of(base)
    if claim.error_type == NO_ERROR or not claim.claimed_error_positions:
        return None
    known = " ".join([base.problem.text, *claim.original_steps]).lower()
    said = rng.choice(ANNOUNCEMENTS)
    # A word that the problem itself speaks in announces nothing.
    if any(word in known for word in re.findall(r"[a-z]{5,}", said.lower()) if word not in COMMON):
        return None
    texts = texts_of(base)
    k = rng.choice(claim.claimed_error_positions)
    text = texts[k]
    made = rng.choice([f"{text} {said}", f"{said} {text}", f"{text.rstrip('.')}, {said}"])
    return Mutant(with_steps(base, put(texts, k, made)))


COMMON = frozenset(["which", "before", "second", "course"])


def change_answer(base: Solution, rng: random.Random) -> Mutant | None:
    """The end states another answer; what led there is as it was."""
    claim = claim_of(base)
    if claim.error_type not in KEEPS_ANSWER or has_question_of_its_own(base):
        return None
    texts = texts_of(base)
    last = texts[-1]
    # What is boxed is the answer; elsewhere the last number is.
    boxed = r"(?<=\\boxed\{)" if r"\boxed" in last else ""
    numbers = list(re.finditer(boxed + FIGURE.pattern, last))
    original = list_numbers(claim.original_steps[-1])
    if not numbers or not original or numbers[-1].group() != original[-1]:
        return None
    answer = numbers[-1].group()
    other = str(int(float(answer)) + rng.randint(1, 50))
    rest = normalise_text(" ".join(texts[-3:-1])).split()
    if rng.random() < 0.3 and len(texts) > 1 and answer not in rest:
        # The conclusion is left out altogether.
        return Mutant(with_steps(base, [*texts[:-1], "So we are done."]))
    pattern = rf"(?<![\w.]){re.escape(answer)}(?![\w.]*\d)"
    return Mutant(with_steps(base, put(texts, len(texts) - 1, re.sub(pattern, other, last))))


def inherit(base: Solution, rng: random.Random) -> Mutant | None:
    """A later step goes on with a number that a flagged step brought in, and is not flagged."""
    claim = claim_of(base)
    if claim.error_type in KEEPS_ANSWER:
        return None
    texts = texts_of(base)
    flags = [one for one in claim.claimed_error_positions if 0 <= one < len(texts)]
    if not flags:
        return None
    k = rng.choice(flags)
    # An edited step brings in what it did not say before; a new one what nothing else says.
    came_from = {pair.modified: pair.original for pair in align_steps(claim.original_steps, texts)}
    origin = came_from[k]
    before = [base.problem.text, *claim.original_steps] if origin is None else []
    known = list_numbers(" ".join(before) if origin is None else claim.original_steps[origin])
    brought = [number for number in list_numbers(texts[k]) if number not in known]
    brought = [number for number in brought if number not in ("0", "1", "2")]
    later = [
        j
        for j in range(k + 1, len(texts))
        if j not in flags and came_from[j] is not None and set(list_numbers(texts[j])) - {*brought}
    ]
    if not brought or not later:
        return None
    j = rng.choice(later)
    number = rng.choice(brought)
    places = [found for found in FIGURE.finditer(texts[j]) if found.group() != number]
    if number in list_numbers(texts[j]):
        return None
    found = rng.choice(places)
    made = texts[j][: found.start()] + number + texts[j][found.end() :]
    return Mutant(with_steps(base, put(texts, j, made)))


# Not an exponent or an index: without braces `x^11` is another thing than eleven.
FIGURE = re.compile(r"(?<![\w.^\\])\d+(?:\.\d+)?(?![\w.]*\d)")


def list_numbers(text: str) -> list[str]:
    return FIGURE.findall(text)


def copy_nearly(base: Solution, rng: random.Random) -> Mutant | None:
    """The same changes again under another type, in other dress: space, signs, a word or two."""
    claim = claim_of(base)
    changed = sorted(changed_of(base))
    if not changed:
        return None
    texts = texts_of(base)

    def respace(text: str, rng: random.Random) -> str:
        return text.replace(" ", "  ", 1) + " "

    def rewrite_formulas(text: str, rng: random.Random) -> str:
        for at, source in reversed(list_formulas(text)):
            if source.startswith("$") and not source.startswith("$$"):
                new = rf"\({source[1:-1]}\)"
                text = text[:at] + new + text[at + len(source) :]
        return text

    def number(text: str, rng: random.Random) -> str:
        return f"Step {rng.randint(1, 9)}. {text}"

    def is_long(text: str) -> bool:
        # One word in ten, not counting what ends and parts sentences, is a small change.
        return len([one for one in normalise_text(text).split() if one not in ".,;:!?"]) >= 10

    def change_one_word(text: str, rng: random.Random) -> str | None:
        return change_word(text, rng) if is_long(text) else None

    def add_word(text: str, rng: random.Random) -> str | None:
        return f"{text} Indeed." if is_long(text) else None

    def change_end(text: str, rng: random.Random) -> str:
        return text.rstrip(".") + rng.choice(["!", ";", ""])

    ways = [respace, rewrite_formulas, number, change_one_word, add_word, change_end]
    made = list(texts)
    for k in changed:
        made[k] = try_each(ways, texts[k], rng) or texts[k]
    if rng.random() < 0.2:
        made = texts
    kind = rng.choice([kind for kind in ("deception", "confidence") if kind != claim.error_type])
    other = replace(with_claim(base, error_type=kind), source_id=f"{kind}_copy")
    return Mutant(with_steps(base, made), others=(other,))


MUTATORS: dict[str, Mutator] = {
    "E01": lose_part,
    "E02": write_number_as_text,
    "E03a": point_outside("claimed_error_positions"),
    "E03b": point_outside("claimed_changed_positions"),
    "E04": drop_errors,
    "E05": undo_changes,
    "E06": blank_step,
    "E07": repeat_name,
    "E08": flag_second_solution,
    "W11": leave_undeclared,
    "W12": misdeclare,
    "W13": flag_unchanged,
    "W14": shift_flags,
    "W15": name_other_steps,
    "W16": flag_all,
    "W17": change_question,
    "W18": drift,
    "W19": leave_heading,
    "W20": break_latex,
    "W21": announce,
    "W22": change_answer,
    "W23": inherit,
    "W24": copy_nearly,
}
