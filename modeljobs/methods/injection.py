"""Errors put into correct solutions by a language model, and second solutions: nine classes.

One request per solution and class, with a prompt of our own; where the reply cannot be used, one
more that quotes the fault. The classes are PRMBench's (Song et al. 2025). Eight of them put an
error in; the ninth, multi_solutions, is another correct solution (see `multi_solutions`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from labeling.formats.lint.texts import contains_answer, find_final_answer
from labeling.records import At, Solution
from modeljobs.engines.base import CompletionRequest, Engine
from modeljobs.engines.options import Option
from modeljobs.methods import multi_solutions
from modeljobs.methods.answer_checks import PlainChecker
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    MethodBase,
    Outcome,
    Produced,
    derive_seed,
)
from modeljobs.methods.injection_prompts import (
    ERROR_CLASSES,
    PROMPT,
    build_injection_request,
    build_repair_request,
)
from modeljobs.methods.injection_replies import (
    NOTES,
    ParsedInjection,
    build_solution,
    parse_injection_reply,
)
from modeljobs.methods.multi_solutions import (
    OtherSolution,
    build_other_solution,
    build_solution_request,
    check_answer,
    parse_other_solution,
)
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.rule_injection import MULTI_SOLUTIONS
from modeljobs.methods.templates import digest_texts, load_error_class, load_prompt

CLASSES = (*ERROR_CLASSES, MULTI_SOLUTIONS)
# Classes whose steps are true, so that the answer stays what it was; lint W22 looks at these.
KEEPS_ANSWER = frozenset({"redundency", "circular", MULTI_SOLUTIONS})
NOTE_ANSWER_KEPT = (
    "The final answer is still the source's, which an error of this class usually changes."
)
# Replies that could be read, and were refused for what they say.
READ_AND_REFUSED = frozenset({"same_as_source", "wrong_answer"})

Parsed = ParsedInjection | OtherSolution | Unparsed


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


def note_answer(source: Solution, altered: Solution, *, error_type: str) -> str:
    """A note where the final answer is what it was although the class usually changes it.

    The other way round, of classes that keep the answer, lint W22 says it. "" where the question
    was changed, or where no rule finds the source's answer.
    """
    same_question = altered.problem.text == source.problem.text
    answer = find_final_answer([step.text for step in source.steps])
    if error_type in KEEPS_ANSWER or not same_question or answer is None:
        return ""
    return NOTE_ANSWER_KEPT if contains_answer(altered.steps[-1].text, answer) else ""


@dataclass(frozen=True, slots=True)
class InjectionMethod(MethodBase):
    """Asks a model to put an error of each chosen class into each solution."""

    name: str = "injection"
    version: str = "1"
    title: str = "Inject errors"
    description: str = (
        "A language model puts one error of a chosen class into a correct solution and says where, "
        "or writes another correct solution; people verify what it claims."
    )

    @property
    def prompt_version(self) -> str:
        """The prompt's version, and a hash over it and the texts of all classes."""
        frames = (f"{PROMPT}.md", f"{multi_solutions.PROMPT}.md")
        texts = (*frames, *(f"{PROMPT}/{kind}.toml" for kind in CLASSES))
        return f"{PROMPT}-{load_prompt(PROMPT).version} #{digest_texts(*texts)}"

    @property
    def parameters(self) -> tuple[Option, ...]:
        classes = tuple((kind, load_error_class(kind).title) for kind in CLASSES)
        return (
            Option(
                "error_types",
                "choices",
                "Error classes",
                help="Each solution is asked for once per class. Another correct solution is best "
                "asked of a reasoning model.",
                default=ERROR_CLASSES,
                choices=classes,
            ),
            Option(
                "drop_wrong_answers",
                "bool",
                "Drop second solutions with another final answer",
                help="Off: they go to people with a note, because the reference may be wrong.",
                default=False,
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
                "Ask again after an unusable reply",
                help="Once, quoting the fault.",
                default=True,
            ),
        )

    @property
    def judges(self) -> bool:
        return False

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The chosen classes: each is asked for by itself and may fail by itself."""
        return tuple(settings["error_types"])

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
        work = _Work(self, item, engine, settings, rng_seed)
        # Closed with this generator, not whenever somebody collects what it left behind.
        async with aclosing(work.do()) as events:
            async for event in events:
                yield event


@dataclass(slots=True)
class _Work:
    """One item under way: the last call that was made, and what its reply says."""

    method: InjectionMethod
    item: ItemInput
    engine: Engine
    settings: Mapping[str, Any]
    rng_seed: int
    call: CallRecord | None = None
    parsed: Parsed | None = None

    @property
    def source(self) -> Solution:
        return self.item.solution

    @property
    def made(self) -> CallRecord:
        """The last call; whoever asks for it has made one."""
        if self.call is None:
            raise ValueError(f"Nothing was asked for {self.item.key} yet.")
        return self.call

    async def do(self) -> AsyncGenerator[Event]:
        """Ask, and hand over what came of it, or give up."""
        solves = self.item.unit == MULTI_SOLUTIONS
        if solves:
            asked = self._ask(
                self._request_solution(),
                "solve",
                self._parse_solution,
                frame=multi_solutions.PROMPT,
            )
        else:
            asked = self._ask(self._request_error(), "inject", parse_injection_reply, frame=PROMPT)
        async with aclosing(asked) as events:
            async for event in events:
                yield event
        yield await self._finish_solution() if solves else self._finish_error()

    def _request_error(self) -> CompletionRequest:
        return build_injection_request(
            self.source.problem.text,
            [step.text for step in self.source.steps],
            self.item.unit,
            self.settings,
            **self._name_request("inject"),
        )

    def _finish_error(self) -> Produced | Failed:
        if not isinstance(self.parsed, ParsedInjection):
            return self._give_up()
        solution = build_solution(self.source, self.parsed, error_type=self.item.unit)
        if note := note_answer(self.source, solution, error_type=self.item.unit):
            solution = _add_note(solution, note)
        return self._hand_over(solution, frame=PROMPT)

    def _request_solution(self) -> CompletionRequest:
        return build_solution_request(
            self.source.problem.text,
            [step.text for step in self.source.steps],
            self.settings,
            **self._name_request("solve"),
        )

    def _parse_solution(self, text: str) -> OtherSolution | Unparsed:
        return parse_other_solution(text, source=self.source)

    async def _finish_solution(self) -> Produced | Failed:
        if not isinstance(self.parsed, OtherSolution):
            return self._give_up()
        check = await check_answer(self.parsed, self.source, checker=PlainChecker())
        # Jobs made before there was the setting have none.
        if check.is_equal is False and self.settings.get("drop_wrong_answers"):
            return Failed("wrong_answer", check.note)
        solution = build_other_solution(self.source, self.parsed, check)
        return self._hand_over(solution, frame=multi_solutions.PROMPT, answer_check=check.pack())

    def _name_request(self, purpose: str) -> dict[str, Any]:
        key = f"{self.item.key}/{self.item.unit}/{purpose}"
        return {"key": key, "seed": derive_seed(self.rng_seed, key)}

    async def _ask(
        self,
        request: CompletionRequest,
        purpose: str,
        parse: Callable[[str], Parsed],
        *,
        frame: str,
    ) -> AsyncGenerator[Event]:
        """One call, or two where the reply to the first could not be used."""
        yield CallMade(await self._make_call(request, purpose, parse))
        if not (isinstance(self.parsed, Unparsed) and self.settings["repair"]):
            return
        repair = build_repair_request(
            request,
            reply=self.made.reply.completions[0].text,
            problem=self.parsed.reason,
            prompt=frame,
            **self._name_request("repair"),
        )
        yield CallMade(await self._make_call(repair, "repair", parse))

    async def _make_call(
        self, request: CompletionRequest, purpose: str, parse: Callable[[str], Parsed]
    ) -> CallRecord:
        reply = await self.engine.complete(request)
        completion = reply.completions[0]
        parsed = parse(completion.text)
        # A reply that was cut off has its reason in the limit, whatever is made of what is left;
        # and a text that was cut off may look whole, which an object in JSON cannot.
        is_text = self.item.unit == MULTI_SOLUTIONS
        if completion.finish_reason == "length" and (is_text or isinstance(parsed, Unparsed)):
            limit = request.sampling.max_tokens
            parsed = Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
        problem = parsed.reason if isinstance(parsed, Unparsed) else ""
        self.parsed = parsed
        self.call = CallRecord(request, reply, purpose, problem)
        return self.call

    def _give_up(self) -> Failed:
        """Why nothing came of it. What was read and refused is a failure of another kind."""
        if not isinstance(self.parsed, Unparsed):
            raise TypeError(f"The reply to {self.item.key} was read.")
        code, reason = self.parsed.code, self.parsed.reason
        outcome = Outcome.FAILED if code in READ_AND_REFUSED else Outcome.UNPARSED
        return Failed(code, reason, outcome=outcome)

    def _hand_over(self, solution: Solution, *, frame: str, **more: Any) -> Produced:
        request, claim = self.made.request, solution.injection
        unit = self.item.unit
        return Produced(
            kind="injection",
            product=replace(solution, generator=self.engine.name),
            notes=tuple(claim.extra.get(NOTES, ())) if claim else (),
            provenance={
                "method": self.method.name,
                "method_version": self.method.version,
                "prompt": f"{frame}-{load_prompt(frame).version}",
                "class_prompt": f"{unit}-{load_error_class(unit).version}",
                "request_key": request.key,
                "seed": request.sampling.seed,
                "engine": self.engine.describe(),
                "served_model": self.made.reply.model,
                "is_scripted": self.engine.is_scripted,
                **more,
            },
        )


def _add_note(solution: Solution, note: str) -> Solution:
    claim = solution.injection
    if claim is None:
        return solution
    notes = [*claim.extra.get(NOTES, ()), note]
    return replace(solution, injection=replace(claim, extra={**claim.extra, NOTES: notes}))
