"""Second solutions: read out of what reasoning models write, and compared with what is known."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from labeling.formats.lint import lint_injection
from labeling.records import Problem, Solution, Step
from modeljobs.engines.options import validate_options
from modeljobs.methods.answer_checks import PlainChecker
from modeljobs.methods.base import ItemInput, ItemResult, Outcome, collect_events
from modeljobs.methods.injection import CLASSES, InjectionMethod
from modeljobs.methods.injection_prompts import ERROR_CLASSES
from modeljobs.methods.multi_solutions import (
    NOTE_JSON,
    NOTE_LAYOUT,
    NOTE_NO_ANSWER,
    NOTE_NO_REFERENCE,
    NOTE_PREFACE,
    AnswerCheck,
    OtherSolution,
    build_solution_request,
    check_answer,
    find_reference,
    measure_overlap,
    parse_other_solution,
)
from modeljobs.methods.parsing import Unparsed
from tests.modeljobs.methods.test_injection import ListedEngine

METHOD = InjectionMethod()
DEFAULTS = validate_options(METHOD.parameters, {})
SOURCE = Solution(
    Problem("What is $2 + 3 + 4$?", source_id="p1", reference_answer="9"),
    (Step("First, $2 + 3 = 5$."), Step("Then $5 + 4 = 9$."), Step("The sum is $9$.")),
    source_id="s1",
)
STEPS = (
    "The numbers lie one apart around $3$.",
    "Three numbers with the mean $3$ add up to $3 \\cdot 3 = 9$.",
    "The answer is $\\boxed{9}$.",
)
REPLY = "\n".join(f"Step {number}. {text}" for number, text in enumerate(STEPS, 1))


def read(text: str, source: Solution = SOURCE) -> OtherSolution:
    parsed = parse_other_solution(text, source=source)
    assert isinstance(parsed, OtherSolution), parsed
    return parsed


def refuse(text: str) -> Unparsed:
    parsed = parse_other_solution(text, source=SOURCE)
    assert isinstance(parsed, Unparsed), parsed
    return parsed


def run(
    *answers: str, source: Solution = SOURCE, finish_reason: str = "stop", **settings: Any
) -> tuple[ItemResult, ListedEngine]:
    engine = ListedEngine(list(answers), finish_reason=finish_reason)
    item = ItemInput("item-1", source, "multi_solutions")
    events = METHOD.run(item, engine=engine, settings=DEFAULTS | settings, rng_seed=7)
    return asyncio.run(collect_events(events)), engine


# --- The request --------------------------------------------------------------------------------


def test_a_request_shows_the_given_solution_and_two_examples() -> None:
    request = build_solution_request("Q?", ["S one.", "S two."], DEFAULTS, key="k", seed=5)
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "{{" not in "".join(message.content for message in request.messages)
    assert "Step 2. S two." in request.messages[-1].content
    assert request.messages[2].content.startswith("Step 1. ")
    # A schema would keep a reasoning model from thinking first.
    assert request.form is None


# --- Reading ------------------------------------------------------------------------------------


def test_it_reads_steps() -> None:
    parsed = read(REPLY)
    assert parsed.steps == STEPS
    assert parsed.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        REPLY.replace("Step ", "**Step ").replace(". ", ".** ", 3),
        REPLY.replace("Step ", "### step ").replace(". ", ":\n", 3),
        REPLY.replace("Step ", "", 3),
        REPLY.replace("\n", "\n\n"),
    ],
    ids=["bold", "headings", "numbers", "paragraphs"],
)
def test_steps_in_the_dress_of_other_models(text: str) -> None:
    assert [step.split()[0] for step in read(text).steps] == ["The", "Three", "The"]


def test_thoughts_are_no_steps() -> None:
    thoughts = "<think>\nStep 1. A draft.\nStep 2. Another.\n</think>\n\n"
    assert read(thoughts + REPLY).steps == STEPS


def test_a_solution_written_twice_is_read_the_last_time() -> None:
    parsed = read("Step 1. A draft.\nStep 2. No.\n\nAgain:\n" + REPLY)
    assert parsed.steps == STEPS
    assert parsed.notes == (NOTE_PREFACE,)


def test_what_stands_around_the_steps_is_left_out_with_a_note() -> None:
    parsed = read(f"Here is another way.\n\n{REPLY}\n\n**Final Answer**\n$\\boxed{{9}}$")
    assert parsed.steps == STEPS
    assert parsed.notes == (NOTE_PREFACE, NOTE_LAYOUT)
    assert parsed.text.endswith("$\\boxed{9}$")


@pytest.mark.parametrize("field", ["steps", "solution", "modified_process"])
def test_steps_in_json_are_read_too(field: str) -> None:
    text = json.dumps({field: [f"Step {n}. {step}" for n, step in enumerate(STEPS, 1)]})
    parsed = read(f"```json\n{text}\n```")
    assert parsed.steps == STEPS
    assert parsed.notes == (NOTE_JSON,)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (" ", "empty", "is empty"),
        ("I cannot.", "no_steps", 'no line that begins with "Step 1."'),
        ("Step 2. Later.", "no_steps", 'no line that begins with "Step 1."'),
        ("Step 1. A.\nStep 3. C.", "bad_position", "Behind step 1 of the reply comes step 3"),
        ("Step 1. A.\nStep 2.\nStep 3. C.", "no_steps", "Step 2 of the reply is empty"),
        ("Step 1. " + "a" * 20_001, "too_long", "Step 1 of the reply"),
        ("<think>Step 1. A.", "truncated", "within the model's thoughts"),
        ("<think>Step 1. A.</think>", "empty", "nothing after them"),
        ('{"steps": "one"}', "wrong_type", "no list of strings"),
        ('{"steps": []}', "no_steps", "is empty"),
        ('{"steps": ["a"', "truncated", "breaks off"),
    ],
)
def test_every_reason_for_not_reading_steps(text: str, code: str, words: str) -> None:
    unparsed = refuse(text)
    assert unparsed.code == code
    assert words in unparsed.reason
    assert unparsed.reason.endswith(".")


def test_more_steps_than_anybody_writes() -> None:
    text = "\n".join(f"Step {number}. a{number}" for number in range(1, 502))
    assert refuse(text).code == "too_long"


def test_the_given_solution_again_is_no_other_one() -> None:
    again = "\n".join(f"Step {n}. {step.text}" for n, step in enumerate(SOURCE.steps, 1))
    assert refuse(again).code == "same_as_source"
    reordered = "\n".join(
        f"Step {n}. {step.text}" for n, step in enumerate(reversed(SOURCE.steps), 1)
    )
    assert refuse(reordered).code == "same_as_source"
    assert "100%" in refuse(reordered).reason


def test_overlap_is_of_the_shorter_solution() -> None:
    # "a b c" is one run of three, "a b c d" two: the one is within the other.
    assert measure_overlap(["a b c"], ["a b c d"]) == 1.0
    assert measure_overlap(["a b c d"], ["b c d e"]) == 0.5
    assert measure_overlap(["a b c"], [" "]) == 0.0


# --- The answer ---------------------------------------------------------------------------------


def check(text: str, source: Solution = SOURCE) -> AnswerCheck:
    return asyncio.run(check_answer(read(text, source), source, checker=PlainChecker()))


def test_the_right_answer() -> None:
    found = check(REPLY)
    assert (found.answer, found.reference, found.is_equal, found.note) == ("9", "9", True, "")
    assert found.checker == "plain/1"


def test_a_wrong_answer_is_said() -> None:
    found = check(REPLY.replace("boxed{9}", "boxed{8}"))
    assert found.is_equal is False
    assert found.note == "The final answer '8' is not '9', which is known to be right."


def test_an_answer_that_is_not_stated_is_not_guessed() -> None:
    # The last number of the text is 9, and might be anything.
    found = check(REPLY.replace("The answer is $\\boxed{9}$", "That makes $9$"))
    assert (found.answer, found.is_equal, found.note) == (None, None, NOTE_NO_ANSWER)


def test_answers_that_no_rule_can_compare_are_undecided() -> None:
    source = replace(SOURCE, problem=replace(SOURCE.problem, reference_answer="x^2 + x"))
    found = check(REPLY.replace("boxed{9}", "boxed{x(x+1)}"), source)
    assert found.is_equal is None
    assert "could not be decided" in found.note


def test_where_the_reference_comes_from() -> None:
    bare = replace(SOURCE, problem=replace(SOURCE.problem, reference_answer=None))
    assert find_reference(SOURCE) == "9"
    assert find_reference(replace(bare, final_answer="7", final_answer_correct=True)) == "7"
    assert find_reference(replace(bare, steps=(Step("So $\\boxed{5}$."),))) == "5"
    assert find_reference(bare) is None
    assert check(REPLY, bare).note == NOTE_NO_REFERENCE


# --- The run ------------------------------------------------------------------------------------


def test_it_works() -> None:
    result, engine = run(f"<think>Hm.</think>{REPLY}")
    assert result.outcome is Outcome.DONE
    (product,) = result.products
    solution = product.product
    assert isinstance(solution, Solution)
    assert solution.injection is not None
    assert [step.text for step in solution.steps] == list(STEPS)
    claim = solution.injection
    assert (claim.error_type, claim.claimed_error_positions) == ("multi_solutions", ())
    assert claim.original_steps == tuple(step.text for step in SOURCE.steps)
    assert (solution.final_answer, solution.final_answer_correct) == ("9", True)
    assert (solution.source_id, solution.problem.family) == ("multi_solutions_s1", "p1")
    assert lint_injection(solution) == ()
    assert product.provenance["prompt"] == "multi_solutions-1"
    assert product.provenance["class_prompt"] == "multi_solutions-1"
    assert product.provenance["answer_check"] == {
        "answer": "9",
        "reference": "9",
        "is_equal": True,
        "checker": "plain/1",
    }
    json.dumps(dict(product.provenance))
    assert [request.key for request in engine.requests] == ["item-1/multi_solutions/solve"]


def test_an_unusable_reply_is_repaired_once() -> None:
    again = "\n".join(f"Step {n}. {step.text}" for n, step in enumerate(SOURCE.steps, 1))
    result, engine = run(again, REPLY)
    assert result.outcome is Outcome.DONE
    assert [call.purpose for call in result.calls] == ["solve", "repair"]
    assert "the given solution, step for step" in engine.requests[1].messages[-1].content
    assert "Send the whole solution again" in engine.requests[1].messages[-1].content


def test_the_given_solution_twice_is_a_failure_of_the_method() -> None:
    again = "\n".join(f"Step {n}. {step.text}" for n, step in enumerate(SOURCE.steps, 1))
    result, _ = run(again, again)
    assert result.failure is not None
    assert (result.outcome, result.failure.reason_code) == (Outcome.FAILED, "same_as_source")


def test_a_wrong_answer_goes_to_people_with_a_note() -> None:
    result, _ = run(REPLY.replace("boxed{9}", "boxed{8}"))
    (product,) = result.products
    assert isinstance(product.product, Solution)
    assert product.product.final_answer_correct is False
    assert product.notes == ("The final answer '8' is not '9', which is known to be right.",)


def test_a_wrong_answer_is_dropped_where_that_is_asked() -> None:
    result, _ = run(REPLY.replace("boxed{9}", "boxed{8}"), drop_wrong_answers=True)
    assert result.products == ()
    assert result.failure is not None
    assert (result.outcome, result.failure.reason_code) == (Outcome.FAILED, "wrong_answer")


def test_a_text_that_was_cut_off_may_look_whole() -> None:
    result, _ = run(REPLY, REPLY, finish_reason="length")
    assert result.failure is not None
    assert (result.outcome, result.failure.reason_code) == (Outcome.UNPARSED, "cut_off")


def test_the_ninth_class_is_there_for_whoever_wants_it() -> None:
    assert (*ERROR_CLASSES, "multi_solutions") == CLASSES
    assert METHOD.units(DEFAULTS) == ERROR_CLASSES
    chosen = validate_options(METHOD.parameters, {"error_types": list(CLASSES)})
    assert METHOD.units(chosen) == CLASSES
