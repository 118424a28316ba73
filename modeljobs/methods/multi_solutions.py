"""The ninth class: another correct solution to the same problem, with nothing wrong in it.

A model, best a reasoning one, is shown the problem and a correct solution and writes a second one
that goes another way (PRMBench's multi-solution consistency; Song et al. 2025, for which a
reasoning model wrote "Step n." texts). Nothing is flagged. What can be checked by rule is checked
here: that there are steps, that they are not the given ones again, and that the final answer is
the reference's. Whether the solution is right is for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labeling.alignment import normalise_text
from labeling.records import Injection, Solution, Step
from modeljobs.engines.base import CompletionRequest, Message, SamplingSettings
from modeljobs.methods.answer_checks import AnswerChecker
from modeljobs.methods.answers import extract_answer
from modeljobs.methods.injection_prompts import write_question
from modeljobs.methods.injection_replies import NOTES, STEP_CHARACTERS, STEPS_LIMIT
from modeljobs.methods.parsing import Unparsed, drop_thoughts, find_object
from modeljobs.methods.rule_injection import MULTI_SOLUTIONS
from modeljobs.methods.templates import ErrorClassPrompt, fill, load_error_class, load_prompt

PROMPT = MULTI_SOLUTIONS
# Fields under which models put a list of steps where they answer in JSON all the same.
STEP_FIELDS = ("steps", "solution", "modified_process")
SHINGLE = 3
# Solutions of which so much of the shorter is in the other are one solution.
SAME_SHARE = 0.8

NOTE_PREFACE = "The reply said something before its first step; it was left out."
NOTE_LAYOUT = "The reply ended with a section for its answer; the steps end before it."
NOTE_JSON = "The reply gave its steps as JSON."
NOTE_NO_ANSWER = "The solution states no final answer that could be read."
NOTE_NO_REFERENCE = "No reference answer is known to compare the final answer with."

HEADING = re.compile(
    r"^[ \t]*(?:\#{1,6}[ \t]*)?\*{0,2}step[ \t]+(?P<number>\d{1,4})[ \t]*[.:)]?\*{0,2}[.:]?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
NUMBERED = re.compile(r"^[ \t]*(?P<number>\d{1,4})[.)][ \t]+", re.MULTILINE)
ANSWER_SECTION = re.compile(
    r"^[ \t]*(?:\#{1,6}[ \t]*|\*{2}[ \t]*)(?:the[ \t]+)?(?:final[ \t]+)?answer\b", re.I | re.M
)


@dataclass(frozen=True, slots=True)
class OtherSolution:
    """A second solution as it was read. `text` is all of the reply but its thoughts."""

    steps: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """A final answer beside the reference. `is_equal` is None where that is not known.

    `checker` is the name and version of what compared them, "" where nothing could be compared.
    """

    answer: str | None
    reference: str | None
    is_equal: bool | None
    note: str = ""
    checker: str = ""

    def pack(self) -> dict[str, Any]:
        return {
            "answer": self.answer,
            "reference": self.reference,
            "is_equal": self.is_equal,
            "checker": self.checker,
        }


def build_solution_request(
    problem: str,
    steps: Sequence[str],
    settings: Mapping[str, Any],
    *,
    key: str = "",
    seed: int | None = None,
) -> CompletionRequest:
    """The request that asks for another correct solution."""
    kind = load_error_class(MULTI_SOLUTIONS)
    system = fill(
        load_prompt(PROMPT).sections["system"],
        {"title": kind.title, "definition": kind.definition, "instruction": kind.instruction},
    )
    return CompletionRequest(
        key=key,
        messages=(
            Message("system", system),
            *build_solution_examples(kind, count=settings["examples"]),
            Message("user", write_question(problem, steps, prompt=PROMPT)),
        ),
        sampling=SamplingSettings(
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            max_tokens=settings["max_tokens"],
            seed=seed,
        ),
        metadata={
            "task": "injection",
            "error_type": MULTI_SOLUTIONS,
            "question": problem,
            "steps": tuple(steps),
            "attempt": 1,
        },
    )


def build_solution_examples(kind: ErrorClassPrompt, *, count: int) -> list[Message]:
    """The first worked examples, each as a question and the reply wanted to it."""
    messages = []
    for example in kind.examples[:count]:
        question = write_question(example.question, example.steps, prompt=PROMPT)
        messages.append(Message("user", question))
        messages.append(Message("assistant", write_steps(example.modified_steps)))
    return messages


def write_steps(steps: Sequence[str]) -> str:
    """Steps as the contract has them."""
    return "\n".join(f"Step {number}. {text}" for number, text in enumerate(steps, 1))


def parse_other_solution(text: str, *, source: Solution) -> OtherSolution | Unparsed:
    """The steps of a reply, or why they cannot be used.

    1. Thoughts are left out. 2. A JSON object with a list of steps is read as one. 3. Else the
    lines that begin with "Step n." cut the text, or with "n." where none does. 4. Steps that are
    the given solution's again are refused.
    """
    rest = drop_thoughts(text)
    if isinstance(rest, Unparsed):
        return rest
    if not rest.strip():
        return Unparsed("empty", "The reply is empty.")
    read = _read_json(rest) or _cut_steps(rest)
    if isinstance(read, Unparsed):
        return read
    return _find_fault(read.steps, source) or read


def measure_overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """How much of the shorter of two solutions is in the other, from 0 to 1, whatever the order of
    the steps: the overlap coefficient of their runs of three tokens (Szymkiewicz-Simpson).
    """
    first, second = _cut_shingles(one), _cut_shingles(other)
    if not first or not second:
        return 0.0
    return len(first & second) / min(len(first), len(second))


async def check_answer(
    solution: OtherSolution, source: Solution, *, checker: AnswerChecker
) -> AnswerCheck:
    """Whether the second solution ends with the source's answer.

    Only an answer that is stated counts: the last number of a text may be half of a fraction.
    """
    reference = find_reference(source)
    found = extract_answer(solution.text, extraction="stated")
    answer = None if isinstance(found, Unparsed) else found.text
    if answer is None:
        return AnswerCheck(None, reference, None, NOTE_NO_ANSWER)
    if reference is None:
        return AnswerCheck(answer, None, None, NOTE_NO_REFERENCE)
    verdict = await checker.compare(answer, reference)
    note = ""
    if verdict.is_equal is None:
        note = f"Whether the final answer {answer!r} is {reference!r} could not be decided by rule."
    elif not verdict.is_equal:
        note = f"The final answer {answer!r} is not {reference!r}, which is known to be right."
    return AnswerCheck(answer, reference, verdict.is_equal, note, verdict.checker)


def find_reference(source: Solution) -> str | None:
    """The answer that is right: the problem's, or that of a source whose answer is known to be."""
    if source.problem.reference_answer:
        return source.problem.reference_answer
    if source.final_answer_correct is False:
        return None
    if source.final_answer:
        return source.final_answer
    found = extract_answer("\n".join(step.text for step in source.steps), extraction="stated")
    return None if isinstance(found, Unparsed) else found.text


def build_other_solution(source: Solution, read: OtherSolution, check: AnswerCheck) -> Solution:
    """The second solution, with a claim that flags nothing, for the source's problem family."""
    problem = source.problem
    own_id = source.source_id or problem.source_id
    notes = [*read.notes, *([check.note] if check.note else [])]
    return Solution(
        problem=replace(problem, family=problem.family or problem.source_id),
        steps=tuple(Step(text) for text in read.steps),
        source_id=f"{MULTI_SOLUTIONS}_{own_id}" if own_id else "",
        final_answer=check.answer,
        final_answer_correct=check.is_equal,
        injection=Injection(
            error_type=MULTI_SOLUTIONS,
            original_problem=problem.text,
            original_steps=tuple(step.text for step in source.steps),
            claimed_error_positions=(),
            claimed_changed_positions=(),
            extra={NOTES: notes} if notes else {},
        ),
    )


def _read_json(text: str) -> OtherSolution | Unparsed | None:
    """The steps of a JSON object; None where the reply has none with such a list."""
    if not any(f'"{name}"' in text for name in STEP_FIELDS):
        return None
    found = find_object(text, keys=frozenset(STEP_FIELDS))
    if isinstance(found, Unparsed):
        return found
    value = next(found.value[name] for name in STEP_FIELDS if name in found.value)
    if not isinstance(value, list) or not all(isinstance(step, str) for step in value):
        return Unparsed("wrong_type", "The steps in the reply's JSON are no list of strings.")
    if not value:
        return Unparsed("no_steps", "The list of steps in the reply's JSON is empty.")
    steps = tuple(HEADING.sub("", step, count=1).strip() for step in value)
    return _limit(OtherSolution(steps, "\n".join(steps), (*found.notes, NOTE_JSON)))


def _cut_steps(text: str) -> OtherSolution | Unparsed:
    marks = list(HEADING.finditer(text)) or list(NUMBERED.finditer(text))
    begin = max((i for i, mark in enumerate(marks) if int(mark["number"]) == 1), default=None)
    if begin is None:
        return Unparsed("no_steps", 'The reply has no line that begins with "Step 1.".')
    # Where a model writes its solution twice, the last time is what it means.
    marks = marks[begin:]
    for expected, mark in enumerate(marks, 1):
        if int(mark["number"]) != expected:
            return Unparsed(
                "bad_position",
                f"Behind step {expected - 1} of the reply comes step {int(mark['number'])}.",
            )
    notes = [NOTE_PREFACE] if text[: marks[0].start()].strip() else []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    steps = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    section = ANSWER_SECTION.search(steps[-1])
    if section is not None and steps[-1][: section.start()].strip():
        steps[-1] = steps[-1][: section.start()].strip()
        notes.append(NOTE_LAYOUT)
    return _limit(OtherSolution(tuple(steps), text[marks[0].start() :], tuple(notes)))


def _limit(read: OtherSolution) -> OtherSolution | Unparsed:
    if len(read.steps) > STEPS_LIMIT:
        return Unparsed(
            "too_long", f"The reply has {len(read.steps):,} steps; {STEPS_LIMIT} are allowed."
        )
    for number, text in enumerate(read.steps, 1):
        if not text:
            return Unparsed("no_steps", f"Step {number} of the reply is empty.")
        if len(text) > STEP_CHARACTERS:
            return Unparsed(
                "too_long", f"Step {number} of the reply has more than {STEP_CHARACTERS:,} letters."
            )
    return read


def _find_fault(steps: Sequence[str], source: Solution) -> Unparsed | None:
    """Why these steps are no other solution."""
    given = [step.text for step in source.steps]
    if [*map(normalise_text, steps)] == [*map(normalise_text, given)]:
        return Unparsed("same_as_source", "The reply is the given solution, step for step.")
    share = measure_overlap(steps, given)
    if share >= SAME_SHARE:
        return Unparsed(
            "same_as_source",
            f"The reply is nearly the given solution: {share:.0%} of the shorter one is in the "
            "other. Go another way.",
        )
    return None


def _cut_shingles(steps: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """All runs of SHINGLE tokens within a step; the whole of a step that is shorter."""
    found = set()
    for step in steps:
        tokens = normalise_text(step).split()
        ends = range(SHINGLE, max(len(tokens), SHINGLE) + 1)
        found |= {tuple(tokens[end - SHINGLE : end]) for end in ends if tokens}
    return frozenset(found)
