"""The demo content: complete, consistent with itself, and as defective as it claims to be."""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest

from labeling.content import VerdictValue
from labeling.demo.content import (
    DOMAINS,
    ERROR_CLASSES,
    IDLE_CLASSES,
    DemoContentError,
    DemoInjection,
    DemoProblem,
    DemoSolution,
    load_demo_content,
    parse_demo_content,
)
from labeling.mathtext import MathRun, TextRun, match_braces, split_math
from labeling.records import At, Contribution, NoError, Origin, Validity

CONTENT = load_demo_content()
INJECTIONS = pytest.mark.parametrize("injection", CONTENT.injections, ids=lambda one: one.id)

# Written with unescaped dollar signs on purpose: money that is not mathematics.
PLAIN_CURRENCY = {
    "Two notebooks and a ruler cost $2.35. Five notebooks and a ruler cost $4.90. No tax is added. "
    "How many cents does one notebook cost?": 2,
    r"One notebook costs $0.85, that is $\boxed{85}$ cents.": 1,
}
# W21 of the lint catalogue: words by which an error gives itself away.
ANNOUNCES = re.compile(r"\b(incorrect|mistake|wrongly|contrary to|contradict|erroneous)", re.I)


def all_texts() -> Iterator[tuple[str, str]]:
    for problem in CONTENT.problems:
        yield problem.id, problem.text
    for solution in CONTENT.solutions:
        for step in solution.steps:
            yield solution.id, step
        for label in solution.truth:
            yield solution.id, label.note
    for injection in CONTENT.injections:
        yield injection.id, injection.modified_question
        yield injection.id, injection.reason
        yield injection.id, injection.truth.note
        for step in injection.modified_steps:
            yield injection.id, step


def boxed(text: str) -> str:
    start = text.rindex(r"\boxed{") + len(r"\boxed")
    return text[start + 1 : match_braces(text)[start] - 1]


def changed_positions(injection: DemoInjection) -> list[int]:
    matcher = difflib.SequenceMatcher(
        None, injection.original_steps, injection.modified_steps, autojunk=False
    )
    return [
        position
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag in ("replace", "insert")
        for position in range(start, end)
    ]


def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    folder = resources.files("labeling.demo")
    problems = json.loads(folder.joinpath("problems.json").read_text("utf-8"))
    injections = json.loads(folder.joinpath("injections.json").read_text("utf-8"))
    return problems, injections


# How much there is


def test_problems_of_every_domain() -> None:
    by_domain = Counter(problem.domain for problem in CONTENT.problems)
    assert set(by_domain) == set(DOMAINS)
    assert min(by_domain.values()) >= 6
    assert len(CONTENT.problems) >= 30


def test_two_problems_are_chinese() -> None:
    chinese = [problem for problem in CONTENT.problems if problem.language == "zh-Hans"]
    assert len(chinese) == 2
    han = re.compile(r"[\u4e00-\u9fff]")
    for problem in CONTENT.problems:
        assert bool(han.search(problem.text)) == (problem in chinese)


def test_solutions_right_and_wrong() -> None:
    assert len(CONTENT.solutions) >= 66
    others = [solution for solution in CONTENT.solutions if not solution.is_reference]
    wrong = [solution for solution in others if not solution.final_answer_correct]
    assert 0.4 <= len(wrong) / len(others) <= 0.6
    assert {solution.generator for solution in others} == {"model-a", "model-b", "human"}


def test_every_kind_of_step_occurs() -> None:
    labels = [label for solution in CONTENT.solutions for label in solution.truth]
    assert {label.validity for label in labels} == set(Validity)
    assert {label.contribution for label in labels} == set(Contribution)
    assert {label.origin for label in labels} == {None, *Origin}


def test_right_answers_by_a_wrong_process_occur() -> None:
    lucky = [
        solution
        for solution in CONTENT.solutions
        if solution.final_answer_correct and solution.first_error != NoError()
    ]
    assert len(lucky) >= 3


def test_injections_of_every_class() -> None:
    by_class = Counter(injection.error_type for injection in CONTENT.injections)
    assert set(by_class) == set(ERROR_CLASSES)
    assert min(by_class.values()) >= 4
    assert len(CONTENT.injections) >= 45


def test_about_thirty_percent_of_the_claims_are_defective() -> None:
    defective = [injection for injection in CONTENT.injections if injection.truth.defects]
    assert 0.25 <= len(defective) / len(CONTENT.injections) <= 0.35
    assert {injection.truth.verdict for injection in CONTENT.injections} == {
        VerdictValue.ACCEPT,
        VerdictValue.ACCEPT_WITH_EDITS,
        VerdictValue.REJECT,
        VerdictValue.BAD_PROBLEM,
    }


# Problems and solutions


@pytest.mark.parametrize("problem", CONTENT.problems, ids=lambda one: one.id)
def test_reference_solution(problem: DemoProblem) -> None:
    assert 4 <= len(problem.reference_steps) <= 11
    assert boxed(problem.reference_steps[-1]) == problem.reference_answer
    assert problem.solutions[0].first_error == NoError()


@pytest.mark.parametrize("solution", CONTENT.solutions, ids=lambda one: one.id)
def test_final_answer(solution: DemoSolution) -> None:
    shown = re.sub(r"\\text\{([^}]*)\}", r"\1", boxed(solution.steps[-1]))
    assert re.sub(r"\s+", " ", shown) == solution.final_answer
    problem = next(one for one in CONTENT.problems if one.id == solution.problem_id)
    assert solution.final_answer_correct == (solution.final_answer == problem.reference_answer)


@pytest.mark.parametrize("solution", CONTENT.solutions, ids=lambda one: one.id)
def test_errors_begin_with_an_own_one(solution: DemoSolution) -> None:
    if not solution.final_answer_correct:
        assert isinstance(solution.first_error, At)
    if isinstance(solution.first_error, At):
        assert solution.truth[solution.first_error.position].origin is Origin.OWN


# Texts


def test_only_the_deliberate_dollars_are_not_mathematics() -> None:
    for where, text in all_texts():
        money = 0
        for run in split_math(text):
            if isinstance(run, TextRun):
                money += len(re.findall(r"(?<!\\)\$", run.source))
                prose = run.source.replace(r"\$", "")
                assert not re.search(r"[\\^_{}]", prose), (where, run.source)
        assert money == PLAIN_CURRENCY.get(text, 0), (where, text)


def test_dollars_come_in_pairs_except_in_one_step() -> None:
    odd = {text for _, text in all_texts() if len(re.findall(r"(?<!\\)\$", text)) % 2}
    assert odd == {r"One notebook costs $0.85, that is $\boxed{85}$ cents."}


def test_formulas_have_balanced_braces_and_no_unicode() -> None:
    for where, text in all_texts():
        for run in split_math(text):
            if isinstance(run, MathRun):
                plain = re.sub(r"\\[{}]", "", run.source)
                assert plain.count("{") == plain.count("}"), (where, run.source)
                assert run.source.isascii(), (where, run.source)


def test_every_way_of_writing_mathematics_and_money_occurs() -> None:
    texts = [text for _, text in all_texts()]
    for needle in (r"\(", r"\[", r"\boxed{", "$"):
        assert any(needle in text for text in texts)
    assert sum(r"\$" in problem.text for problem in CONTENT.problems) >= 2


# Injections


@INJECTIONS
def test_declared_changes(injection: DemoInjection) -> None:
    changed = changed_positions(injection)
    defects = set(injection.truth.defects)
    if injection.error_type == "multi_solutions":
        # PRMBench declares nothing for another solution.
        assert not injection.claimed_changed_positions
        return
    assert ("undeclared_change" in defects) == (
        bool(set(changed) - set(injection.claimed_changed_positions))
        and not defects & {"off_by_one", "out_of_range"}
    )
    if not defects & {"undeclared_change", "off_by_one", "out_of_range", "not_different"}:
        assert list(injection.claimed_changed_positions) == changed


@INJECTIONS
def test_claimed_errors(injection: DemoInjection) -> None:
    claimed = injection.claimed_error_positions
    true = injection.truth.error_positions
    defects = set(injection.truth.defects)
    n_steps = len(injection.modified_steps)
    assert ("out_of_range" in defects) == any(position >= n_steps for position in claimed)
    assert ("error_not_subset" in defects) == (
        not set(claimed) <= set(injection.claimed_changed_positions)
    )
    shifted = [position + 1 for position in claimed] == list(true) != []
    assert ("off_by_one" in defects) == shifted
    if injection.truth.verdict is VerdictValue.ACCEPT_WITH_EDITS:
        assert claimed != true
        if not shifted and "out_of_range" not in defects:
            assert ("missed_error" in defects) == bool(set(true) - set(claimed))
            assert ("flagged_right_step" in defects) == bool(set(claimed) - set(true))
    if injection.truth.verdict is VerdictValue.ACCEPT:
        assert claimed == true
        assert (not true) == (injection.error_type == "multi_solutions")


@INJECTIONS
def test_true_error_steps_are_new_or_the_question_is(injection: DemoInjection) -> None:
    if injection.modified_question == injection.original_question:
        assert set(injection.truth.error_positions) <= set(changed_positions(injection))


@INJECTIONS
def test_process_differs_unless_it_is_said_not_to(injection: DemoInjection) -> None:
    same = injection.modified_steps == injection.original_steps
    assert same == ("not_different" in injection.truth.defects)


@INJECTIONS
def test_errors_announce_themselves_only_where_said(injection: DemoInjection) -> None:
    announced = any(ANNOUNCES.search(step) for step in injection.modified_steps)
    assert announced == ("self_announcing" in injection.truth.defects)


@INJECTIONS
def test_final_answer_changes_as_the_class_expects(injection: DemoInjection) -> None:
    # Redundant and circular chains, other solutions, and claims without an error keep the answer.
    kept = boxed(injection.modified_steps[-1]) == boxed(injection.original_steps[-1])
    harmless = (
        injection.error_type in IDLE_CLASSES
        or (injection.error_type == "multi_solutions" and not injection.truth.defects)
        or bool({"not_an_error", "not_different"} & set(injection.truth.defects))
        # The condition is missing from the question; the chain goes on to the old answer.
        or injection.id == "inj-missing-condition-06"
    )
    assert kept == harmless


@INJECTIONS
def test_wrong_class_is_named(injection: DemoInjection) -> None:
    differs = injection.truth.error_type != injection.error_type
    assert differs == bool({"wrong_type", "wrong_solution"} & set(injection.truth.defects))


def test_changed_questions_belong_to_conditions_and_deception() -> None:
    changed = [
        injection
        for injection in CONTENT.injections
        if injection.modified_question != injection.original_question
    ]
    assert len(changed) >= 3
    assert {injection.error_type for injection in changed} == {"missing_condition", "deception"}


# Refusals of the loader


def break_problem_id(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][1]["id"] = problems["problems"][0]["id"]


def break_solution_id(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    solutions = problems["problems"][0]["solutions"]
    solutions[1]["id"] = solutions[0]["id"]


def break_injection_id(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][1]["id"] = injections["injections"][0]["id"]


def break_domain(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][0]["domain"] = "topology"


def break_truth_length(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][0]["solutions"][0]["truth"].pop()


def break_first_error(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][0]["solutions"][0]["first_error"] = 0


def break_error_type(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][0]["solutions"][0]["truth"][0]["error_types"] = ["redundancy"]


def break_origin(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    problems["problems"][0]["solutions"][0]["truth"][0]["origin"] = "own"


def break_class(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["classification"] = "redundancy"


def break_problem_reference(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["problem_id"] = "alg-99"


def break_error_range(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["truth"]["error_steps"] = [99]


def break_count_from_zero(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["claimed_error_steps"] = [0]


def break_reject_code(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["truth"]["reject_code"] = "other"


def break_defects(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["injections"][0]["truth"]["defects"] = ["off_by_one"]


def break_schema(problems: dict[str, Any], injections: dict[str, Any]) -> None:
    injections["schema"] = 2


def test_unbroken_documents_load() -> None:
    assert parse_demo_content(*documents()) == CONTENT


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_problem_id, "problem id 'alg-01' stands twice"),
        (break_solution_id, "solution id 'alg-01-a' stands twice"),
        (break_injection_id, "injection id 'inj-redundency-01' stands twice"),
        (break_domain, "'topology' is not one of"),
        (break_truth_length, "5 steps, but truth for 4"),
        (break_first_error, "alg-01-a: first_error says"),
        (break_error_type, "'redundancy' is not one of"),
        (break_origin, "origin"),
        (break_class, "classification: 'redundancy' is not one of"),
        (break_problem_reference, "no problem 'alg-99'"),
        (break_error_range, r"error steps \[99\]"),
        (break_count_from_zero, "counted from 1"),
        (break_reject_code, "a rejection, and nothing else, has a code"),
        (break_defects, "accepted as it is if it has no defect"),
        (break_schema, "injections: schema 2 is not known"),
    ],
)
def test_broken_documents_are_refused(
    damage: Callable[[dict[str, Any], dict[str, Any]], None], message: str
) -> None:
    problems, injections = copy.deepcopy(documents())
    damage(problems, injections)
    with pytest.raises(DemoContentError, match=message):
        parse_demo_content(problems, injections)
