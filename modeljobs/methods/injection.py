"""Errors put into correct solutions by a language model: PRMBench's eight injected classes.

One request per solution and class, with a prompt of our own (`prompts/injection.md`); where the
reply cannot be read, one more that quotes the fault. What the model claims about its own work is
kept as it claims it, even where it points past the end: people verify it, and the lints say what
looks wrong (Song et al. 2025; claims are unreliable in half of the published data).

The model is not asked to copy the original solution, and a copy that it sends anyway is not
believed: in a third of PRMBench the copy differs from the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labeling.records import At, Injection, Solution, Step
from modeljobs.engines.base import CompletionRequest, Engine, Message, SamplingSettings
from modeljobs.engines.options import Option
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    Outcome,
    Produced,
    derive_seed,
)
from modeljobs.methods.parsing import (
    NOTE_BACKSLASHES,
    NOTE_ESCAPES,
    Unparsed,
    find_object,
)
from modeljobs.methods.rule_injection import INJECTED_CLASSES
from modeljobs.methods.templates import (
    ErrorClassPrompt,
    digest_texts,
    fill,
    load_error_class,
    load_prompt,
)

PROMPT = "injection"
REQUIRED_FIELDS = ("modified_process", "modified_steps", "error_steps")
STEPS_LIMIT = 500
STEP_CHARACTERS = 20_000
# Claims may point anywhere, but they have to fit into a column.
POSITION_LIMIT = 1_000_000
# What of an unreadable reply is shown to the model again.
REPAIR_CHARACTERS = 20_000

NOTE_QUESTION = "The reply gave no question; the source's question was kept."
NOTE_REASON = "The reply gave no reason."
NOTE_NUMBERS = "The reply numbered its steps; the numbers were taken off."
NOTE_TEXT_POSITIONS = "The reply gave positions as text; they were read as numbers."
NOTE_DRIFT = "The reply's copy of the original differs from the source; the source was kept."

STEP_NUMBER = re.compile(r"\s*(?:step\s+)?(\d{1,4})\s*[.:)]\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedInjection:
    """A reply as it was read. Positions are 0-based, as claimed, in the order claimed.

    A question of None means that the reply left it out. The original is what the reply repeated of
    it, if anything.
    """

    modified_question: str | None
    modified_steps: tuple[str, ...]
    claimed_changed: tuple[int, ...]
    claimed_errors: tuple[int, ...]
    reason: str
    original_question: str | None = None
    original_steps: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def build_injection_request(
    problem: str,
    steps: Sequence[str],
    error_type: str,
    settings: Mapping[str, Any],
    *,
    key: str = "",
    seed: int | None = None,
) -> CompletionRequest:
    """The request that asks for a flawed version of a correct solution."""
    if error_type not in INJECTED_CLASSES:
        known = ", ".join(INJECTED_CLASSES)
        raise ValueError(f"There is no prompt for the class {error_type!r}, only for {known}.")
    prompt, kind = load_prompt(PROMPT), load_error_class(error_type)
    system = fill(
        prompt.sections["system"],
        {
            "title": kind.title,
            "definition": kind.definition,
            "instruction": kind.instruction,
            "flagging": kind.flagging,
        },
    )
    messages = [Message("system", system)]
    messages += build_examples(kind, count=settings["examples"])
    messages.append(Message("user", _ask(problem, steps)))
    return CompletionRequest(
        key=key,
        messages=tuple(messages),
        sampling=SamplingSettings(
            temperature=settings["temperature"],
            top_p=settings["top_p"],
            max_tokens=settings["max_tokens"],
            seed=seed,
        ),
        metadata={
            "task": "injection",
            "error_type": error_type,
            "question": problem,
            "steps": tuple(steps),
            "attempt": 1,
        },
    )


def build_examples(kind: ErrorClassPrompt, *, count: int) -> list[Message]:
    """The first worked examples of a class, each as a question and the reply wanted to it."""
    messages = []
    for example in kind.examples[:count]:
        reply = {
            "modified_question": example.modified_question,
            "modified_process": example.modified_steps,
            "modified_steps": example.changed,
            "error_steps": example.errors,
            "reason": example.reason,
        }
        messages.append(Message("user", _ask(example.question, example.steps)))
        messages.append(Message("assistant", json.dumps(reply, ensure_ascii=False)))
    return messages


def build_repair_request(
    request: CompletionRequest, *, reply: str, problem: str, key: str = "", seed: int | None = None
) -> CompletionRequest:
    """The same request once more, with the reply to it and what is the matter with that."""
    asked = fill(load_prompt(PROMPT).sections["repair"], {"problem": problem})
    shown = reply[:REPAIR_CHARACTERS] or "(nothing)"
    attempt = request.metadata.get("attempt", 1) + 1
    return replace(
        request,
        key=key,
        messages=(*request.messages, Message("assistant", shown), Message("user", asked)),
        sampling=replace(request.sampling, seed=seed),
        metadata={**request.metadata, "attempt": attempt},
    )


def parse_injection_reply(text: str) -> ParsedInjection | Unparsed:
    """What the reply says, or why it cannot be read.

    Fences and talk around the JSON are passed over, and lost backslashes mended (see `parsing`).
    Types are checked; claims are not: whether a step exists, differs or is wrong is for the lints
    and for people.
    """
    found = find_object(text, keys=frozenset(REQUIRED_FIELDS))
    if isinstance(found, Unparsed):
        return found
    notes = list(found.notes)
    try:
        return _read_fields(found.value, notes)
    except _FieldProblem as problem:
        return Unparsed(problem.code, problem.sentence)


def build_solution(source: Solution, parsed: ParsedInjection, *, error_type: str) -> Solution:
    """The modified solution with its claim, for the source's problem family.

    The original comes from the source, whatever the reply repeats of it. Where the question was
    changed, the reference answer is no longer known to be its answer, and is left out.
    """
    original = tuple(step.text for step in source.steps)
    question = parsed.modified_question or source.problem.text
    notes = list(parsed.notes)
    steps = _take_numbers_off(parsed.modified_steps, original)
    if steps != parsed.modified_steps:
        notes.append(NOTE_NUMBERS)
    if NOTE_BACKSLASHES in notes or NOTE_ESCAPES in notes:
        # How many backslashes were meant is a guess there, except in what is a copy.
        known = {_strip_escapes(text): text for text in (*original, source.problem.text)}
        steps = tuple(known.get(_strip_escapes(text), text) for text in steps)
        question = known.get(_strip_escapes(question), question)
    if _has_drifted(parsed, source, original):
        notes.append(NOTE_DRIFT)
    problem = replace(
        source.problem, text=question, family=source.problem.family or source.problem.source_id
    )
    if _squeeze(question) != _squeeze(source.problem.text):
        problem = replace(problem, reference_answer=None, reference_solution=None)
    else:
        # The same question in other white space is the same question.
        problem = replace(problem, text=source.problem.text)
    own_id = source.source_id or source.problem.source_id
    return Solution(
        problem=problem,
        steps=tuple(Step(text) for text in steps),
        # As PRMBench's keys: a source has one modified solution per class.
        source_id=f"{error_type}_{own_id}" if own_id else "",
        injection=Injection(
            error_type=error_type,
            original_problem=source.problem.text,
            original_steps=original,
            claimed_error_positions=parsed.claimed_errors,
            claimed_changed_positions=parsed.claimed_changed,
            reason=parsed.reason,
            extra={"modeljobs.notes": notes} if notes else {},
        ),
    )


def find_unfit(source: Solution) -> str:
    """Why this solution cannot be the correct one that an error is put into; "" if it can."""
    if not source.problem.text.strip():
        return "The problem has no text."
    if not source.steps:
        return "The solution has no steps."
    if not all(step.text.strip() for step in source.steps):
        return "The solution has a step without text."
    if source.injection is not None:
        return "The solution carries an injected error already."
    if source.final_answer_correct is False:
        return "The solution's final answer is known to be wrong."
    if any(isinstance(labels.first_error, At) for labels in source.label_sets):
        return "A step of the solution was judged to be wrong."
    return ""


@dataclass(frozen=True, slots=True)
class InjectionMethod:
    """Asks a model to put an error of each chosen class into each solution."""

    name: str = "injection"
    version: str = "1"
    title: str = "Inject errors"
    description: str = (
        "A language model puts one error of a chosen class into a correct solution and says where; "
        "people verify what it claims."
    )

    @property
    def prompt_version(self) -> str:
        """The prompt's version, and a hash over it and the texts of all classes."""
        texts = (f"{PROMPT}.md", *(f"{PROMPT}/{kind}.toml" for kind in INJECTED_CLASSES))
        return f"{PROMPT}-{load_prompt(PROMPT).version} #{digest_texts(*texts)}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        classes = tuple((kind, load_error_class(kind).title) for kind in INJECTED_CLASSES)
        return (
            Option(
                "error_types",
                "choices",
                "Error classes",
                help="Each solution is asked for once per class.",
                default=INJECTED_CLASSES,
                choices=classes,
            ),
            Option(
                "examples",
                "int",
                "Examples in the prompt",
                help="Worked examples of the class that the model sees first.",
                default=2,
                minimum=0,
                maximum=2,
            ),
            Option(
                "temperature",
                "float",
                "Temperature",
                help="PRMBench was made at 1.0.",
                default=1.0,
                minimum=0,
                maximum=2,
            ),
            Option("top_p", "float", "Top-p", default=1.0, minimum=0.01, maximum=1),
            Option(
                "max_tokens",
                "int",
                "Longest reply, in tokens",
                help="Reasoning models count their thoughts as well.",
                default=4096,
                minimum=256,
                maximum=131_072,
            ),
            Option(
                "repair",
                "bool",
                "Ask again after an unreadable reply",
                help="Once, quoting the fault.",
                default=True,
            ),
        )

    @property
    def judges(self) -> bool:
        return False

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The chosen error classes: each is asked for by itself and may fail by itself."""
        return tuple(settings["error_types"])

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        return False

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """1. Refuse a source that cannot serve. 2. Ask. 3. Ask again if need be. 4. Hand over."""
        if problem := find_unfit(item.solution):
            yield Failed("unsuitable_source", problem)
            return
        key = f"{item.key}/{item.unit}/inject"
        request = build_injection_request(
            item.solution.problem.text,
            [step.text for step in item.solution.steps],
            item.unit,
            settings,
            key=key,
            seed=derive_seed(rng_seed, key),
        )
        call, parsed = await _make_call(engine, request, purpose="inject")
        yield CallMade(call)
        if isinstance(parsed, Unparsed) and settings["repair"]:
            key = f"{item.key}/{item.unit}/repair"
            request = build_repair_request(
                request,
                reply=call.reply.completions[0].text,
                problem=parsed.reason,
                key=key,
                seed=derive_seed(rng_seed, key),
            )
            call, parsed = await _make_call(engine, request, purpose="repair")
            yield CallMade(call)
        if isinstance(parsed, Unparsed):
            yield Failed(parsed.code, parsed.reason, outcome=Outcome.UNPARSED)
            return
        solution = build_solution(item.solution, parsed, error_type=item.unit)
        injection = solution.injection
        yield Produced(
            kind="injection",
            product=replace(solution, generator=engine.name),
            notes=tuple(injection.extra.get("modeljobs.notes", ())) if injection else (),
            provenance={
                "method": self.name,
                "method_version": self.version,
                "prompt": f"{PROMPT}-{load_prompt(PROMPT).version}",
                "class_prompt": f"{item.unit}-{load_error_class(item.unit).version}",
                "request_key": request.key,
                "seed": request.sampling.seed,
                "engine": engine.describe(),
                "served_model": call.reply.model,
                "is_scripted": engine.is_scripted,
            },
        )


async def _make_call(
    engine: Engine, request: CompletionRequest, *, purpose: str
) -> tuple[CallRecord, ParsedInjection | Unparsed]:
    reply = await engine.complete(request)
    completion = reply.completions[0]
    parsed = parse_injection_reply(completion.text)
    # A reply that was cut off has its reason in the limit, whatever JSON makes of what is left.
    if isinstance(parsed, Unparsed) and completion.finish_reason == "length":
        limit = request.sampling.max_tokens
        parsed = Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
    problem = parsed.reason if isinstance(parsed, Unparsed) else ""
    return CallRecord(request, reply, purpose, problem), parsed


def _ask(question: str, steps: Sequence[str]) -> str:
    numbered = "\n".join(f"Step {number}. {text}" for number, text in enumerate(steps, 1))
    return fill(load_prompt(PROMPT).sections["user"], {"question": question, "steps": numbered})


class _FieldProblem(Exception):
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def _read_fields(value: Mapping[str, Any], notes: list[str]) -> ParsedInjection:
    for name in REQUIRED_FIELDS:
        if value.get(name) is None:
            raise _FieldProblem("missing_field", f"The field {name!r} is missing.")
    question = value.get("modified_question")
    if not isinstance(question, str | None):
        raise _FieldProblem("wrong_type", "The field 'modified_question' must be a string.")
    if not (question or "").strip():
        question = None
        notes.append(NOTE_QUESTION)
    reason = value.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        reason = ""
        notes.append(NOTE_REASON)
    steps = _read_steps(value["modified_process"])
    changed = _read_positions("modified_steps", value["modified_steps"], notes)
    errors = _read_positions("error_steps", value["error_steps"], notes)
    original = value.get("original_process")
    copied_steps = None
    if isinstance(original, list) and all(isinstance(text, str) for text in original):
        copied_steps = tuple(original)
    copied_question = value.get("original_question")
    return ParsedInjection(
        modified_question=question,
        modified_steps=steps,
        claimed_changed=changed,
        claimed_errors=errors,
        reason=reason.strip()[:STEP_CHARACTERS],
        original_question=copied_question if isinstance(copied_question, str) else None,
        original_steps=copied_steps,
        notes=tuple(notes),
    )


def _read_steps(value: Any) -> tuple[str, ...]:
    name = "modified_process"
    if not isinstance(value, list):
        raise _FieldProblem("wrong_type", f"The field {name!r} must be a list of strings.")
    if not value:
        raise _FieldProblem("no_steps", f"The field {name!r} is an empty list.")
    if len(value) > STEPS_LIMIT:
        raise _FieldProblem(
            "too_long", f"The field {name!r} has {len(value):,} steps; {STEPS_LIMIT} are allowed."
        )
    for number, text in enumerate(value, 1):
        if not isinstance(text, str):
            raise _FieldProblem("wrong_type", f"Step {number} of {name!r} is not a string.")
        if len(text) > STEP_CHARACTERS:
            raise _FieldProblem(
                "too_long", f"Step {number} of {name!r} has more than {STEP_CHARACTERS:,} letters."
            )
    return tuple(value)


def _read_positions(name: str, value: Any, notes: list[str]) -> tuple[int, ...]:
    """Claimed 1-based numbers as 0-based positions; 0 becomes -1 and is for the lints."""
    if not isinstance(value, list) or len(value) > STEPS_LIMIT:
        raise _FieldProblem("wrong_type", f"The field {name!r} must be a list of step numbers.")
    positions = []
    for one in value:
        number = one
        if isinstance(one, str) and re.fullmatch(r"\s*-?[0-9]{1,7}\s*", one):
            number = int(one)
            if NOTE_TEXT_POSITIONS not in notes:
                notes.append(NOTE_TEXT_POSITIONS)
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int):
            shown = repr(one)[:40]
            raise _FieldProblem(
                "bad_position", f"The field {name!r} holds {shown}, which is no step number."
            )
        if abs(number) > POSITION_LIMIT:
            raise _FieldProblem(
                "bad_position", f"The field {name!r} holds a number beyond {POSITION_LIMIT:,}."
            )
        positions.append(number - 1)
    return tuple(positions)


def _take_numbers_off(steps: tuple[str, ...], original: tuple[str, ...]) -> tuple[str, ...]:
    """The steps without "Step n." where all of them are numbered in order and the source is not."""
    matches = [STEP_NUMBER.match(step) for step in steps]
    numbers = [int(match[1]) if match else None for match in matches]
    if numbers != list(range(1, len(steps) + 1)) or any(map(STEP_NUMBER.match, original[:1])):
        return steps
    bare = tuple(
        step[match.end() :] for step, match in zip(steps, matches, strict=True) if match is not None
    )
    return bare if all(bare) else steps


def _has_drifted(parsed: ParsedInjection, source: Solution, original: tuple[str, ...]) -> bool:
    copied = parsed.original_steps
    if copied is not None and [*map(_squeeze, copied)] != [*map(_squeeze, original)]:
        return True
    question = parsed.original_question
    return question is not None and _squeeze(question) != _squeeze(source.problem.text)


def _strip_escapes(text: str) -> str:
    """The text without white space, backslashes and written-out line breaks."""
    return re.sub(r"\\n(?![a-z])|[\\\s]", "", text)


def _squeeze(text: str) -> str:
    return " ".join(text.split())
