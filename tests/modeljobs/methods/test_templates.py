"""The prompts themselves: every example of ours has to be as good as what is asked for."""

from __future__ import annotations

import json
import re

import pytest

from labeling.alignment import changed_positions
from labeling.formats.lint import LintContext, lint_injection
from labeling.records import Problem, Solution, Step
from modeljobs.methods.injection import CLASSES
from modeljobs.methods.injection_prompts import ERROR_CLASSES, build_examples
from modeljobs.methods.injection_replies import (
    ParsedInjection,
    build_solution,
    parse_injection_reply,
)
from modeljobs.methods.multi_solutions import (
    AnswerCheck,
    OtherSolution,
    build_other_solution,
    build_solution_examples,
    measure_overlap,
    parse_other_solution,
)
from modeljobs.methods.rule_injection import MULTI_SOLUTIONS
from modeljobs.methods.templates import Example, digest_texts, fill, load_error_class, load_prompt

EXAMPLES = [
    pytest.param(kind, example, id=f"{kind}-{number}")
    for kind in ERROR_CLASSES
    for number, example in enumerate(load_error_class(kind).examples, 1)
]
# Words by which a flawed solution gives itself away.
TELLING = re.compile(
    r"\b(?:wrong|incorrect|mistake|error|flaw|false|contradict|invalid|actually|oops)",
    re.IGNORECASE,
)


def read_replies(kind: str) -> list[ParsedInjection]:
    """The example replies of a class, read as a model's replies are."""
    messages = build_examples(load_error_class(kind), count=2)
    parsed = [parse_injection_reply(message.content) for message in messages[1::2]]
    assert all(isinstance(one, ParsedInjection) for one in parsed)
    return [one for one in parsed if isinstance(one, ParsedInjection)]


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_each_class_has_two_examples_that_our_own_parser_reads(kind: str) -> None:
    examples = load_error_class(kind).examples
    replies = read_replies(kind)
    assert len(examples) == len(replies) == 2
    for example, reply in zip(examples, replies, strict=True):
        assert reply.notes == ()
        assert reply.modified_steps == example.modified_steps
        assert reply.claimed_errors == tuple(number - 1 for number in example.errors)
        assert reply.claimed_changed == tuple(number - 1 for number in example.changed)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_examples_declare_exactly_what_they_change(kind: str, example: Example) -> None:
    changed = tuple(number - 1 for number in example.changed)
    assert tuple(sorted(changed_positions(example.steps, example.modified_steps))) == changed


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_examples_keep_the_contract(kind: str, example: Example) -> None:
    assert example.errors
    assert set(example.errors) <= set(example.changed)
    assert len(example.errors) < len(example.modified_steps)
    for number in example.errors:
        assert example.modified_steps[number - 1] not in example.steps
        assert f"tep {number}" in example.reason or f"{number}" in example.reason
    assert not any(map(TELLING.search, example.modified_steps))
    for text in (example.question, example.modified_question, *example.modified_steps):
        assert text.count("$") % 2 == 0
        assert text.count("{") == text.count("}")


@pytest.mark.parametrize("kind", ["redundency", "circular"])
def test_examples_that_are_true_keep_the_answer(kind: str) -> None:
    for example in load_error_class(kind).examples:
        assert example.modified_steps[-1] == example.steps[-1]


def read_other_solutions() -> list[tuple[Example, OtherSolution]]:
    """The examples of the ninth class, read as a model's replies are."""
    kind = load_error_class(MULTI_SOLUTIONS)
    read = []
    messages = build_solution_examples(kind, count=2)[1::2]
    for example, message in zip(kind.examples, messages, strict=True):
        parsed = parse_other_solution(message.content, source=as_source(example))
        assert isinstance(parsed, OtherSolution), parsed
        read.append((example, parsed))
    return read


def test_the_examples_of_second_solutions_are_read_without_a_note() -> None:
    pairs = read_other_solutions()
    assert len(pairs) == 2
    for example, read in pairs:
        assert read.steps == example.modified_steps
        assert read.notes == ()
        assert (example.changed, example.errors, example.reason) == ((), (), "")


def test_second_solutions_go_another_way() -> None:
    for example, _ in read_other_solutions():
        assert measure_overlap(example.steps, example.modified_steps) < 0.3
        assert not set(example.steps) & set(example.modified_steps)


def test_no_example_fails_a_lint() -> None:
    solutions = [
        build_solution(as_source(example), reply, error_type=kind)
        for kind in ERROR_CLASSES
        for example, reply in zip(load_error_class(kind).examples, read_replies(kind), strict=True)
    ]
    solutions += [
        build_other_solution(as_source(example), read, AnswerCheck(None, None, None))
        for example, read in read_other_solutions()
    ]
    context = LintContext.build(solutions)
    found = [
        (solution.injection.error_type, lint.code, lint.message)
        for solution in solutions
        for lint in lint_injection(solution, context=context)
        if solution.injection is not None
    ]
    assert len({solution.injection.error_type for solution in solutions if solution.injection}) == 9
    # W17 says that the question was changed, which one example is there to show.
    assert [(kind, code) for kind, code, _ in found] == [("missing_condition", "W17")], found


def as_source(example: Example) -> Solution:
    return Solution(Problem(example.question, source_id=example.question), as_steps(example))


def as_steps(example: Example) -> tuple[Step, ...]:
    return tuple(Step(text) for text in example.steps)


def test_only_a_missing_condition_changes_the_question() -> None:
    changed = {
        kind
        for kind in ERROR_CLASSES
        for example in load_error_class(kind).examples
        if example.modified_question != example.question
    }
    assert changed == {"missing_condition"}


def test_no_two_examples_share_a_problem() -> None:
    questions = [e.question for kind in CLASSES for e in load_error_class(kind).examples]
    assert len(set(questions)) == 18


def test_example_replies_double_their_backslashes() -> None:
    for kind in ERROR_CLASSES:
        for message in build_examples(load_error_class(kind), count=2)[1::2]:
            json.loads(message.content)


@pytest.mark.parametrize("name", ["injection", "multi_solutions"])
def test_the_prompt_has_name_version_and_sections(name: str) -> None:
    prompt = load_prompt(name)
    assert (prompt.name, prompt.version) == (name, "1")
    assert set(prompt.sections) == {"system", "user", "repair"}


def test_a_digest_tells_texts_apart() -> None:
    digests = {digest_texts(f"injection/{kind}.toml") for kind in CLASSES}
    assert len(digests) == 9
    assert digest_texts("injection.md") not in digests


def test_values_are_put_in_once() -> None:
    assert fill("{{a}} and {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} and x"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("{{a}}", {})
