from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from labeling.alignment import changed_positions
from labeling.records import (
    At,
    Author,
    Injection,
    LabelSet,
    NoError,
    Problem,
    Solution,
    Step,
    StepLabel,
    Validity,
)
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.options import validate_options
from modeljobs.engines.scripted import ScriptedEngine, ScriptSettings
from modeljobs.methods.base import ItemInput, ItemResult, Outcome, collect_events
from modeljobs.methods.injection import NOTE_ANSWER_KEPT, InjectionMethod, find_unfit, note_answer
from modeljobs.methods.injection_prompts import (
    ERROR_CLASSES,
    REPLY_FORM,
    build_injection_request,
    build_repair_request,
)
from modeljobs.methods.injection_replies import (
    NOTE_DRIFT,
    NOTE_NUMBERS,
    NOTE_QUESTION,
    NOTE_REASON,
    NOTE_TEXT_POSITIONS,
    ParsedInjection,
    build_solution,
    parse_injection_reply,
)
from modeljobs.methods.parsing import NOTE_BACKSLASHES, Unparsed

METHOD = InjectionMethod()
DEFAULTS = validate_options(METHOD.parameters, {})
SOURCE = Solution(
    Problem(
        r"Find the larger root of $x^2 - 5x + 6 = 0$.",
        source_id="p7",
        reference_answer="3",
        reference_solution="Factor.",
        domain="algebra",
    ),
    (
        Step("Factor the left side: $(x - 2)(x - 3) = 0$."),
        Step(r"The roots are $x = 2$ and $x = 3$, and $2 \leq 3$."),
        Step("The larger one is $3$."),
    ),
    source_id="s7",
)
ORIGINAL = [step.text for step in SOURCE.steps]
REPLY: dict[str, Any] = {
    "modified_question": SOURCE.problem.text,
    "modified_process": [ORIGINAL[0], "The roots are $x = 2$ and $x = 4$.", "The larger is $4$."],
    "modified_steps": [2, 3],
    "error_steps": [2, 3],
    "reason": "Step 2 misreads a factor, and step 3 follows it.",
}
GOOD = json.dumps(REPLY)


@dataclass
class ListedEngine:
    """Gives the listed texts (or raises the listed errors) in turn, and keeps the requests."""

    answers: list[str | Exception]
    finish_reason: str = "stop"
    name: str = "listed"
    revision: str = ""
    is_scripted: bool = True
    capabilities: Capabilities = field(default_factory=Capabilities)
    requests: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return EngineReply((Completion(answer, self.finish_reason),), model="listed-2")

    def describe(self) -> dict[str, Any]:
        return {"kind": "listed"}

    async def aclose(self) -> None: ...


def run(
    *answers: str,
    source: Solution = SOURCE,
    unit: str = "deception",
    engine: ListedEngine | None = None,
    **settings: Any,
) -> tuple[ItemResult, ListedEngine]:
    engine = engine or ListedEngine(list(answers))
    item = ItemInput("item-1", source, unit)
    events = METHOD.run(item, engine=engine, settings=DEFAULTS | settings, rng_seed=7)
    return asyncio.run(collect_events(events)), engine


def parse(**changes: Any) -> ParsedInjection:
    parsed = parse_injection_reply(json.dumps(REPLY | changes))
    assert isinstance(parsed, ParsedInjection), parsed
    return parsed


def refuse(**changes: Any) -> Unparsed:
    given = {name: value for name, value in (REPLY | changes).items() if value != "leave out"}
    parsed = parse_injection_reply(json.dumps(given))
    assert isinstance(parsed, Unparsed)
    return parsed


def get_injection(solution: Solution) -> Injection:
    assert solution.injection is not None
    return solution.injection


# The request


def test_a_request_has_contract_examples_and_question() -> None:
    request = build_injection_request(
        SOURCE.problem.text, ORIGINAL, "deception", DEFAULTS, key="k", seed=5
    )
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "{{" not in "".join(message.content for message in request.messages)
    assert "nearly true" in request.messages[0].content
    last = request.messages[-1].content
    assert SOURCE.problem.text in last
    assert "Step 1. Factor the left side" in last
    assert "Step 3. The larger one is $3$." in last
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.n) == (1.0, 1.0, 5, 1)
    assert request.form == REPLY_FORM


def test_the_schema_is_the_contract_of_the_prompt() -> None:
    fields = set(REPLY_FORM.schema["properties"])
    assert fields == set(REPLY) == set(REPLY_FORM.schema["required"])
    # OpenAI's strict mode takes no other.
    assert REPLY_FORM.schema["additionalProperties"] is False


@pytest.mark.parametrize("error_type", ERROR_CLASSES)
def test_each_class_has_its_own_prompt(error_type: str) -> None:
    settings = DEFAULTS | {"examples": 0}
    request = build_injection_request("Q?", ["S."], error_type, settings)
    assert len(request.messages) == 2
    others = {
        build_injection_request("Q?", ["S."], other, settings).messages[0].content
        for other in ERROR_CLASSES
    }
    assert len(others) == 8


def test_a_problem_with_braces_is_put_in_as_it_stands() -> None:
    question = "What are {{steps}} and {{question}}?"
    request = build_injection_request(question, ["S."], "circular", DEFAULTS)
    assert question in request.messages[-1].content


def test_a_class_without_a_prompt_is_named() -> None:
    with pytest.raises(ValueError, match="multi_solutions"):
        build_injection_request("Q?", ["S."], "multi_solutions", DEFAULTS)


def test_a_repair_quotes_the_fault_and_shows_the_reply() -> None:
    first = build_injection_request("Q?", ["S."], "circular", DEFAULTS, key="a")
    again = build_repair_request(first, reply="x" * 90_000, problem="No {{brace}}.", key="b")
    assert again.messages[: len(first.messages)] == first.messages
    reply, repair = again.messages[-2:]
    assert (reply.role, len(reply.content)) == ("assistant", 20_000)
    assert "No {{brace}}." in repair.content
    assert (again.key, again.metadata["attempt"]) == ("b", 2)


def test_a_repair_shows_a_reply_without_its_thoughts() -> None:
    first = build_injection_request("Q?", ["S."], "circular", DEFAULTS, key="a")
    again = build_repair_request(first, reply="<think>Hm.</think>\n{}", problem="No.", key="b")
    assert again.messages[-2].content == "{}"
    nothing = build_repair_request(first, reply=" ", problem="No.", key="b")
    assert nothing.messages[-2].content == "(nothing)"


# Reading a reply


def test_it_reads_a_reply() -> None:
    parsed = parse()
    assert parsed.modified_steps == tuple(REPLY["modified_process"])
    assert (parsed.claimed_errors, parsed.claimed_changed) == ((1, 2), (1, 2))
    assert parsed.reason == REPLY["reason"]
    assert parsed.notes == ()


def test_claims_are_kept_as_given() -> None:
    # Past the end, doubled, unordered, none at all: for the lints and for people.
    parsed = parse(error_steps=[9, 2, 2, 0, -3], modified_steps=[])
    assert parsed.claimed_errors == (8, 1, 1, -1, -4)
    assert parsed.claimed_changed == ()


def test_what_no_database_stores_is_replaced() -> None:
    parsed = parse_injection_reply(
        json.dumps(REPLY | {"reason": "a\x00b", "modified_process": ["c\ud800", "d"]})
    )
    assert isinstance(parsed, ParsedInjection)
    assert (parsed.reason, parsed.modified_steps) == ("a\ufffdb", ("c\ufffd", "d"))
    assert parsed.notes == ()


def test_numbers_written_as_text_are_numbers() -> None:
    parsed = parse(error_steps=["2", 3.0], modified_steps=[" 2 ", "3"])
    assert (parsed.claimed_errors, parsed.claimed_changed) == ((1, 2), (1, 2))
    assert parsed.notes == (NOTE_TEXT_POSITIONS,)


def test_a_missing_reason_or_question_does_no_harm() -> None:
    parsed = parse(modified_question=" ", reason=None)
    assert (parsed.modified_question, parsed.reason) == (None, "")
    assert parsed.notes == (NOTE_QUESTION, NOTE_REASON)


def test_the_whole_contract_of_prmbench_is_read_too() -> None:
    parsed = parse(original_question="Q", original_process=["a", "b"])
    assert (parsed.original_question, parsed.original_steps) == ("Q", ("a", "b"))


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"modified_process": "leave out"}, "missing_field", "'modified_process' is missing"),
        ({"modified_steps": "leave out"}, "missing_field", "'modified_steps' is missing"),
        ({"error_steps": None}, "missing_field", "'error_steps' is missing"),
        ({"modified_process": "one text"}, "wrong_type", "must be a list of strings"),
        ({"modified_process": ["a", 2]}, "wrong_type", "Step 2 of 'modified_process'"),
        ({"modified_process": []}, "no_steps", "is an empty list"),
        ({"modified_process": ["a"] * 501}, "too_long", "has 501 steps"),
        ({"modified_process": ["a", "b" * 20_001]}, "too_long", "Step 2"),
        ({"modified_question": ["Q?"]}, "wrong_type", "'modified_question' must be a string"),
        ({"error_steps": 2}, "wrong_type", "'error_steps' must be a list"),
        ({"error_steps": ["Step 2"]}, "bad_position", "'Step 2', which is no step number"),
        ({"error_steps": [2.5]}, "bad_position", "2.5, which is no step number"),
        ({"error_steps": [True]}, "bad_position", "True, which is no step number"),
        ({"error_steps": [None]}, "bad_position", "None, which is no step number"),
        ({"error_steps": [[2]]}, "bad_position", "[2], which is no step number"),
        ({"error_steps": [10**7]}, "bad_position", "beyond 1,000,000"),
        ({"modified_steps": list(range(501))}, "wrong_type", "'modified_steps' must be a list"),
    ],
)
def test_every_reason_for_not_reading_a_claim(
    changes: dict[str, Any], code: str, words: str
) -> None:
    unparsed = refuse(**changes)
    assert unparsed.code == code
    assert words in unparsed.reason
    assert unparsed.reason.endswith(".")


def test_drafts_among_thoughts_are_no_reply() -> None:
    draft = json.dumps(REPLY | {"modified_process": ["A draft."]})
    parsed = parse_injection_reply(f"<think>Perhaps {draft}? No.</think>\n{GOOD}")
    assert isinstance(parsed, ParsedInjection)
    assert parsed.modified_steps == tuple(REPLY["modified_process"])


@pytest.mark.parametrize(
    ("text", "code"),
    [(f"<think>Perhaps {GOOD}", "truncated"), (f"<think>{GOOD}</think> ", "empty")],
)
def test_thoughts_alone_are_no_reply(text: str, code: str) -> None:
    parsed = parse_injection_reply(text)
    assert isinstance(parsed, Unparsed)
    assert parsed.code == code


def test_a_reply_without_json_is_unparsed() -> None:
    parsed = parse_injection_reply("I would rather not.")
    assert isinstance(parsed, Unparsed)
    assert parsed.code == "no_json"


# The product


def test_the_product_is_a_solution_with_a_claim() -> None:
    solution = build_solution(SOURCE, parse(), error_type="deception")
    assert [step.text for step in solution.steps] == REPLY["modified_process"]
    assert solution.source_id == "deception_s7"
    problem, injection = solution.problem, get_injection(solution)
    assert (problem.text, problem.source_id, problem.domain) == (
        SOURCE.problem.text,
        "p7",
        "algebra",
    )
    assert injection == Injection(
        error_type="deception",
        original_problem=SOURCE.problem.text,
        original_steps=tuple(ORIGINAL),
        claimed_error_positions=(1, 2),
        claimed_changed_positions=(1, 2),
        reason=REPLY["reason"],
        extra={},
    )


def test_it_belongs_to_the_family_of_its_source() -> None:
    solution = build_solution(SOURCE, parse(), error_type="deception")
    assert solution.problem.family == "p7"
    named = replace(SOURCE, problem=replace(SOURCE.problem, family="roots"))
    assert build_solution(named, parse(), error_type="deception").problem.family == "roots"


def test_the_answer_is_known_only_while_the_question_is_the_same() -> None:
    same = build_solution(
        SOURCE, parse(modified_question=f"  {SOURCE.problem.text}\n"), error_type="deception"
    )
    assert (same.problem.text, same.problem.reference_answer) == (SOURCE.problem.text, "3")
    other = build_solution(
        SOURCE, parse(modified_question="Find a root."), error_type="missing_condition"
    )
    assert other.problem.text == "Find a root."
    assert (other.problem.reference_answer, other.problem.reference_solution) == (None, None)
    assert get_injection(other).original_problem == SOURCE.problem.text
    assert (other.final_answer, other.final_answer_correct) == (None, None)


@pytest.mark.parametrize(
    "copy",
    [
        {"original_process": ["Something else."]},
        {"original_process": ORIGINAL[:2]},
        {"original_question": "Another question?"},
    ],
)
def test_the_original_comes_from_the_source(copy: dict[str, Any]) -> None:
    injection = get_injection(build_solution(SOURCE, parse(**copy), error_type="deception"))
    assert injection.original_steps == tuple(ORIGINAL)
    assert injection.original_problem == SOURCE.problem.text
    assert injection.extra == {"modeljobs.notes": [NOTE_DRIFT]}


def test_a_faithful_copy_is_no_drift() -> None:
    copy = {"original_process": [f" {text}" for text in ORIGINAL]}
    injection = get_injection(build_solution(SOURCE, parse(**copy), error_type="deception"))
    assert injection.extra == {}


def test_step_numbers_of_the_reply_are_taken_off() -> None:
    numbered = [f"Step {n}. {text}" for n, text in enumerate(REPLY["modified_process"], 1)]
    solution = build_solution(SOURCE, parse(modified_process=numbered), error_type="deception")
    assert [step.text for step in solution.steps] == REPLY["modified_process"]
    assert get_injection(solution).extra == {"modeljobs.notes": [NOTE_NUMBERS]}


def test_step_numbers_stay_where_the_source_has_them_or_not_all_steps_do() -> None:
    numbered = ["1. a", "2. b"]
    source = replace(SOURCE, steps=(Step("1. a"), Step("2. c")))
    kept = build_solution(source, parse(modified_process=numbered), error_type="deception")
    assert [step.text for step in kept.steps] == numbered
    mixed = ["1. a", "b"]
    kept = build_solution(SOURCE, parse(modified_process=mixed), error_type="deception")
    assert [step.text for step in kept.steps] == mixed


def test_copied_steps_survive_lost_backslashes() -> None:
    # With half its backslashes, nobody can know that the line break of the matrix was one.
    matrix = r"Write $\begin{pmatrix}2\\3\end{pmatrix}$ for the roots \(2\) and \(3\)."
    source = replace(SOURCE, steps=(Step(matrix), *SOURCE.steps[1:]))
    reply = json.dumps(REPLY | {"modified_process": [matrix, ORIGINAL[1], r"So \(4\)."]})
    parsed = parse_injection_reply(reply.replace("\\\\", "\\"))
    assert isinstance(parsed, ParsedInjection)
    assert NOTE_BACKSLASHES in parsed.notes
    assert parsed.modified_steps[0] != matrix
    solution = build_solution(source, parsed, error_type="deception")
    assert [step.text for step in solution.steps] == [matrix, ORIGINAL[1], r"So \(4\)."]


def test_an_answer_that_stays_is_noted_where_the_class_usually_changes_it() -> None:
    kept = [ORIGINAL[0], "The roots are $x = 2$ and $x = 4$.", ORIGINAL[2]]
    solution = build_solution(SOURCE, parse(modified_process=kept), error_type="deception")
    assert note_answer(SOURCE, solution, error_type="deception") == NOTE_ANSWER_KEPT
    assert note_answer(SOURCE, solution, error_type="redundency") == ""
    other = build_solution(SOURCE, parse(), error_type="deception")
    assert note_answer(SOURCE, other, error_type="deception") == ""


def test_a_changed_question_may_keep_its_answer() -> None:
    kept = parse(modified_process=ORIGINAL, modified_question="Find a root.")
    solution = build_solution(SOURCE, kept, error_type="missing_condition")
    assert note_answer(SOURCE, solution, error_type="missing_condition") == ""


# Sources


WRONG = StepLabel(validity=Validity.WRONG)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (replace(SOURCE, steps=()), "no steps"),
        (replace(SOURCE, steps=(Step("a"), Step(" "))), "a step without text"),
        (replace(SOURCE, problem=Problem(" ")), "problem has no text"),
        (replace(SOURCE, final_answer_correct=False), "known to be wrong"),
        (replace(SOURCE, label_sets=(LabelSet(Author.HUMAN, (WRONG,), At(0)),)), "judged"),
        (
            replace(SOURCE, injection=Injection("circular", "Q", ("a",), (0,), (0,))),
            "injected error already",
        ),
    ],
)
def test_sources_that_cannot_serve(source: Solution, words: str) -> None:
    assert words in find_unfit(source)
    result, engine = run(source=source)
    assert (result.outcome, engine.requests) == (Outcome.FAILED, [])
    assert result.failure is not None
    assert result.failure.reason_code == "unsuitable_source"


def test_sources_that_can() -> None:
    judged = LabelSet(Author.HUMAN, (StepLabel(rating=1),) * 3, NoError())
    assert find_unfit(SOURCE) == ""
    assert find_unfit(replace(SOURCE, final_answer_correct=True, label_sets=(judged,))) == ""


# The run


def test_it_works() -> None:
    result, engine = run(f"```json\n{GOOD}\n```")
    assert result.outcome is Outcome.DONE
    (call,) = result.calls
    assert (call.purpose, call.is_usable) == ("inject", True)
    assert call.reply.completions[0].text.startswith("```json")
    (product,) = result.products
    assert product.kind == "injection"
    assert isinstance(product.product, Solution)
    assert product.product.generator == "listed"
    assert product.provenance == {
        "method": "injection",
        "method_version": "1",
        "prompt": "injection-1",
        "class_prompt": "deception-1",
        "request_key": "item-1/deception/inject",
        "seed": engine.requests[0].sampling.seed,
        "engine": {"kind": "listed"},
        "served_model": "listed-2",
        "is_scripted": True,
    }
    json.dumps(dict(product.provenance))


def test_an_unreadable_reply_is_repaired_once() -> None:
    result, engine = run("Sorry.", GOOD)
    assert result.outcome is Outcome.DONE
    assert [call.purpose for call in result.calls] == ["inject", "repair"]
    assert result.calls[0].problem == "The reply holds no JSON object."
    assert "The reply holds no JSON object." in engine.requests[1].messages[-1].content
    assert engine.requests[1].messages[-2].content == "Sorry."
    keys = [request.key for request in engine.requests]
    assert keys == ["item-1/deception/inject", "item-1/deception/repair"]
    assert engine.requests[0].sampling.seed != engine.requests[1].sampling.seed
    assert result.products[0].provenance["request_key"] == "item-1/deception/repair"


def test_the_note_on_the_answer_goes_with_the_product() -> None:
    kept = REPLY | {"modified_process": [ORIGINAL[0], "So $x = 2$ and $x = 4$.", ORIGINAL[2]]}
    result, _ = run(json.dumps(kept))
    (product,) = result.products
    assert product.notes == (NOTE_ANSWER_KEPT,)
    assert isinstance(product.product, Solution)
    assert get_injection(product.product).extra == {"modeljobs.notes": [NOTE_ANSWER_KEPT]}


def test_two_unreadable_replies_are_unparsed_and_both_are_kept() -> None:
    result, _ = run("Sorry.", '{"modified_process": 4, "modified_steps": [], "error_steps": []}')
    assert (result.outcome, result.products) == (Outcome.UNPARSED, ())
    assert [call.reply.completions[0].text[:6] for call in result.calls] == ["Sorry.", '{"modi']
    assert result.failure is not None
    assert result.failure.reason_code == "wrong_type"


def test_no_repair_where_none_is_wanted() -> None:
    result, engine = run("Sorry.", repair=False)
    assert (result.outcome, len(engine.requests)) == (Outcome.UNPARSED, 1)


def test_a_reply_that_was_cut_off_says_so() -> None:
    engine = ListedEngine([GOOD[:80], GOOD[:90]], finish_reason="length")
    result, _ = run(engine=engine, max_tokens=300)
    assert result.failure is not None
    assert result.failure.reason_code == "cut_off"
    assert "limit of 300 tokens" in result.failure.message


def test_an_engines_error_goes_through_after_what_was_paid_for() -> None:
    busy = EngineTransient("Busy.", code="server_error", status=503)
    item = ItemInput("item-1", SOURCE, "deception")

    seen: list[object] = []

    async def drive() -> None:
        engine = ListedEngine(["Sorry.", busy])
        async for event in METHOD.run(item, engine=engine, settings=DEFAULTS, rng_seed=7):
            seen.append(event)

    with pytest.raises(EngineTransient):
        asyncio.run(drive())
    assert len(seen) == 1


def test_the_same_item_and_seed_ask_the_same() -> None:
    assert run(GOOD)[1].requests == run(GOOD)[1].requests


@pytest.mark.parametrize("error_type", ERROR_CLASSES)
def test_every_class_comes_through_the_scripted_engine(error_type: str) -> None:
    engine = ScriptedEngine(ScriptSettings(malformed_rate=0.0, off_by_one_rate=0.0))
    for number in range(12):
        item = ItemInput(f"item-{number}", SOURCE, error_type)
        events = METHOD.run(item, engine=engine, settings=DEFAULTS, rng_seed=7)
        result = asyncio.run(collect_events(events))
        assert result.outcome is Outcome.DONE
        solution = result.products[0].product
        assert isinstance(solution, Solution)
        assert solution.generator == "scripted"
        assert result.products[0].provenance["is_scripted"] is True
        assert_claim_is_true(solution)


def assert_claim_is_true(solution: Solution) -> None:
    """The script declares what a diff finds, and flags what it has changed."""
    injection = get_injection(solution)
    steps: Sequence[str] = [step.text for step in solution.steps]
    changed = tuple(sorted(changed_positions(injection.original_steps, steps)))
    assert injection.claimed_changed_positions == changed
    assert set(injection.claimed_error_positions) <= set(changed)
    assert injection.claimed_error_positions


def test_slips_of_the_script_are_repaired_or_kept_as_unparsed() -> None:
    engine = ScriptedEngine(ScriptSettings(malformed_rate=0.5))
    outcomes = []
    for number in range(60):
        item = ItemInput(f"item-{number}", SOURCE, "confidence")
        events = METHOD.run(item, engine=engine, settings=DEFAULTS, rng_seed=7)
        result = asyncio.run(collect_events(events))
        assert len(result.calls) in (1, 2)
        assert (result.outcome is Outcome.DONE) == result.calls[-1].is_usable
        outcomes.append((result.outcome, len(result.calls)))
    # At a half each: 30 at once, 15 repaired, 15 lost, give or take.
    assert {(Outcome.DONE, 1), (Outcome.DONE, 2), (Outcome.UNPARSED, 2)} == set(outcomes)
