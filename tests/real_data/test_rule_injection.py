"""Rules on real solutions, and the lints on what they make of them and on published claims.

Sources are solutions that people found right from start to end (ProcessBench), the originals of
PRMBench's rows (PRM800K) and GSM8K's own solutions; they are not part of this repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling.formats.base import get_format
from labeling.formats.lint import LINTS, LintContext, lint_injection
from labeling.formats.splitting import split_steps
from labeling.records import NoError, Solution
from modeljobs.methods.rule_injection import (
    ALL_CLASSES,
    INJECTED_CLASSES,
    OTHER_SOLUTION,
    inject_by_rule,
)
from tests.labeling.formats.lint_mutations import Tally, measure
from tests.modeljobs.methods.rule_sources import Chain
from tests.modeljobs.methods.rule_truths import check_form, check_truth
from tests.modeljobs.methods.test_rules_many import Made

pytestmark = pytest.mark.real_data

# Of 2,001 sources.
EVERY = 5
MUTANTS = 100
# Of PRMBench's 394 rows, those in which no lint finds anything.
CLEAN_ROWS = 79


def read(folder: Path, format_name: str, path: str) -> list[Solution]:
    with (folder / path).open("rb") as stream:
        return [row for row in get_format(format_name).read(stream) if isinstance(row, Solution)]


def read_chains(folder: Path) -> Iterator[Chain]:
    for name in ("gsm8k", "olympiadbench"):
        for row in read(folder, "processbench", f"processbench/{name}.json"):
            judged_right = all(isinstance(one.first_error, NoError) for one in row.label_sets)
            if row.final_answer_correct and judged_right:
                steps = tuple(step.text for step in row.steps)
                yield Chain(row.source_id, row.problem.text, steps)
    seen = set()
    for row in read(folder, "prmbench", "prmbench/prmbench_subset_394.jsonl"):
        claim = row.injection
        if claim is not None and row.problem.source_id not in seen:
            seen.add(row.problem.source_id)
            yield Chain(
                f"prm-{row.problem.source_id}", claim.original_problem, claim.original_steps
            )
    others = read_other_solutions(folder)
    for number, row in enumerate(read(folder, "problems", "gsm8k/test_1319.jsonl")):
        steps = tuple(split_steps(row.problem.reference_solution or ""))
        yield Chain(f"gsm-{number}", row.problem.text, steps, others.get(row.problem.text, ()))


def read_other_solutions(folder: Path) -> dict[str, tuple[str, ...]]:
    """A model's solution with the right answer of every second problem that has one."""
    rows = read(folder, "graded_solutions", "gsm8k/example_model_solutions_1319x4.jsonl")
    right = [row for row in rows if row.final_answer_correct]
    found = {row.problem.text: tuple(step.text for step in row.steps) for row in right}
    return {text: steps for number, (text, steps) in enumerate(found.items()) if number % 2}


@pytest.fixture(scope="module")
def folder() -> Path:
    from tests.conftest import demand, find_real_data

    demand("real_data")
    return find_real_data()


@pytest.fixture(scope="module")
def chains(folder: Path) -> list[Chain]:
    chains = [*read_chains(folder)]
    assert len(chains) == 2_001
    return chains[::EVERY]


@pytest.fixture(scope="module")
def made(chains: list[Chain]) -> list[Made]:
    return [
        Made(chain, found)
        for chain in chains
        for error_type in ALL_CLASSES
        if (
            found := inject_by_rule(
                chain.question,
                chain.steps,
                error_type=error_type,
                seed=chain.name,
                other_solution=chain.other,
            )
        )
    ]


@pytest.fixture(scope="module")
def linted(made: list[Made]) -> list[tuple[Made, set[str]]]:
    records = [one.record for one in made]
    context = LintContext.build(records)
    return [
        (one, {lint.code for lint in lint_injection(record, context=context)})
        for one, record in zip(made, records, strict=True)
    ]


def test_rules_fit_real_solutions(made: list[Made], chains: list[Chain]) -> None:
    counts = Counter(one.injection.error_type for one in made)
    assert all(counts[error_type] == len(chains) for error_type in INJECTED_CLASSES)
    assert len(made) == len(chains) * len(INJECTED_CLASSES) + counts["multi_solutions"]
    # Each that has a model's solution beside it, or a calculation that can be taken apart.
    assert counts["multi_solutions"] > sum(bool(chain.other) for chain in chains) > 50


def test_each_is_what_its_rule_says(made: list[Made]) -> None:
    for one in made:
        if one.injection.rule == OTHER_SOLUTION:
            # Right as far as its answer tells; what it says on the way is its own.
            check_form(one.injection, one.chain.question, one.chain.steps)
            continue
        try:
            check_truth(one.injection, one.chain.question, one.chain.steps)
        except AssertionError as error:
            raise AssertionError(f"{one.injection} from {one.chain}") from error


def test_no_rule_is_most_of_its_class(made: list[Made]) -> None:
    for error_type in INJECTED_CLASSES:
        used = Counter(one.injection.rule for one in made if one.injection.error_type == error_type)
        assert len(used) >= 3
        assert max(used.values()) / used.total() < 0.9, (error_type, used)


def test_no_lint_blocks_and_few_speak(linted: list[tuple[Made, set[str]]]) -> None:
    counts = Counter(code for _one, codes in linted for code in codes)
    assert [code for code in counts if code.startswith("E")] == []
    # What the source had before: a heading, a formula that was broken there already.
    dropped = sum(one.injection.modified_question != one.chain.question for one, _codes in linted)
    assert counts["W17"] == dropped
    for code in counts.keys() - {"W17", "W19", "W20"}:
        assert counts[code] / len(linted) <= 0.01, code
    assert counts["W19"] / len(linted) < 0.03
    assert counts["W20"] / len(linted) < 0.01


@pytest.fixture(scope="module")
def tallies(linted: list[tuple[Made, set[str]]]) -> dict[str, Tally]:
    clean = [one.record for one, codes in linted if codes <= {"W17"}]
    return measure(clean, most=MUTANTS)


@pytest.fixture(scope="module")
def published(folder: Path) -> dict[str, Tally]:
    rows = read(folder, "prmbench", "prmbench/prmbench_subset_394.jsonl")
    context = LintContext.build(rows)
    clean = [row for row in rows if not lint_injection(row, context=context)]
    assert len(clean) == CLEAN_ROWS
    return measure(clean, most=CLEAN_ROWS)


@pytest.mark.parametrize("code", LINTS)
def test_a_corruption_of_a_real_solution_is_found(code: str, tallies: dict[str, Tally]) -> None:
    tally = tallies[code]
    assert tally.tried == MUTANTS
    assert tally.rate >= 0.99, tally.escaped


@pytest.mark.parametrize("code", LINTS)
def test_a_corruption_of_a_published_row_is_found(code: str, published: dict[str, Tally]) -> None:
    tally = published[code]
    # Few rows keep their answer, or have something later to inherit an error.
    assert tally.tried >= (10 if code in ("W22", "W23") else 60)
    assert tally.rate >= 0.99, tally.escaped
