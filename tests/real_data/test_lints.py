"""The lints on PRMBench's published rows: exact where they are facts, a rate where they are hints.

The rows (Apache-2.0) are not part of this repository: WORKBENCH_REAL_DATA names the folder that
holds `prmbench/`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from labeling.formats.base import get_format
from labeling.formats.lint import LintContext, lint_injection
from labeling.mathtext import MathRun, TextRun, split_math
from labeling.records import Solution

pytestmark = pytest.mark.real_data


def read(folder: Path, format_name: str, file_name: str) -> list[Solution]:
    with (folder / file_name).open("rb") as stream:
        return [row for row in get_format(format_name).read(stream) if isinstance(row, Solution)]


def count_rows(solutions: list[Solution]) -> Counter[str]:
    """How many injections have each lint, whatever the number of times."""
    context = LintContext.build(solutions)
    return Counter(
        code
        for solution in solutions
        for code in {lint.code for lint in lint_injection(solution, context=context)}
    )


@pytest.fixture(scope="module")
def subset_folder() -> Path:
    from tests.conftest import demand, find_real_data

    demand("real_data")
    return find_real_data() / "prmbench"


@pytest.fixture(scope="module")
def subset(subset_folder: Path) -> list[Solution]:
    return read(subset_folder, "prmbench", "prmbench_subset_394.jsonl")


@pytest.fixture(scope="module")
def rows(subset: list[Solution]) -> Counter[str]:
    return count_rows(subset)


def test_the_published_defects_of_the_394_rows(subset: list[Solution], rows: Counter[str]) -> None:
    assert len(subset) == 394
    assert rows["E03a"] == 11  # an error index out of range
    assert rows["E03b"] == 26  # a modified index out of range
    assert rows["W11"] == 14  # errors that are no subset of the modified steps
    assert rows["E05"] == 0  # identical processes


def test_no_row_lacks_a_part_or_stands_twice(rows: Counter[str]) -> None:
    for code in ("E01", "E02", "E04", "E06", "E07", "E08"):
        assert rows[code] == 0


def test_the_messages_count_from_one_and_name_steps_of_the_file(subset: list[Solution]) -> None:
    for solution in subset:
        assert solution.injection is not None
        for lint in lint_injection(solution):
            if lint.code == "E03a":
                outside = [
                    position + 1
                    for position in solution.injection.claimed_error_positions
                    if position >= len(solution.steps)
                ]
                assert all(step > lint.params["last"] for step in outside)
                assert str(max(outside)) in lint.message


def test_the_rates_of_the_hints(rows: Counter[str]) -> None:
    # Rows of 394. The declared lists are unreliable in half the data, and one row in four gives
    # its error away: both as in the audit of all 6,216 rows. The others speak rarely.
    assert rows["W12"] / 394 == pytest.approx(0.57, abs=0.06)
    assert rows["W21"] / 394 == pytest.approx(0.26, abs=0.06)
    assert rows["W19"] / 394 == pytest.approx(0.15, abs=0.05)
    assert rows["W23"] / 394 == pytest.approx(0.13, abs=0.05)
    for code in ("W13", "W14", "W17", "W18"):
        assert 0 < rows[code] / 394 < 0.10, code
    for code in ("W15", "W16", "W20", "W22", "W24"):
        assert rows[code] / 394 < 0.04, code


def test_changed_questions_are_those_that_read_otherwise(
    subset: list[Solution], rows: Counter[str]
) -> None:
    changed = [
        solution
        for solution in subset
        if solution.injection and solution.injection.original_problem != solution.problem.text
    ]
    # 29 differ as texts; two of them in nothing but space or the way LaTeX is written.
    assert len(changed) == 29
    assert rows["W17"] == 27


def test_second_solutions_whose_problem_stands_twice(subset_folder: Path) -> None:
    # The file of verdicts has 5 problems twice: 10 rows. The two lists of claims are empty there.
    solutions = read(subset_folder, "labelllm", "multi_solutions_human_verdicts_174.jsonl")
    rows = count_rows(solutions)
    assert len(solutions) == 174
    assert rows["E07"] == 10
    assert {code for code in rows if code.startswith("E")} == {"E07"}
    # People found the answer changed or the solution wrong in 9; the rule reads another in 14.
    assert rows["W22"] <= 20


def test_pilot_injections_are_linted_too(subset_folder: Path) -> None:
    solutions = read(subset_folder, "prmbench_pilot", "pilot_injections_106.jsonl")
    rows = count_rows(solutions)
    assert len(solutions) == 106
    assert rows["E03a"] == 3
    assert rows["E03b"] == 5


def test_money_is_no_mathematics(subset_folder: Path) -> None:
    # GSM8K writes amounts with a dollar and no formula at all: every formula found is a mistake.
    path = subset_folder.parent / "gsm8k" / "test_1319.jsonl"
    with path.open("rb") as stream:
        problems = [row for row in get_format("problems").read(stream) if isinstance(row, Solution)]
    texts = [
        text
        for solution in problems
        for text in (solution.problem.text, solution.problem.reference_solution or "")
        if "$" in text
    ]
    # 412 of 1,319 problems speak of money in the question, the solution or both: 798 texts.
    assert len(texts) == 798
    found = [run.source for text in texts for run in split_math(text) if isinstance(run, MathRun)]
    assert found == []


def test_few_dollars_of_prmbench_are_left_over(subset: list[Solution]) -> None:
    # 5,738 steps; what is left in the prose are amounts and dollars without a partner.
    texts = [step.text for solution in subset for step in solution.steps]
    assert len(texts) == 5_738
    left = [
        text
        for text in texts
        if any(isinstance(run, TextRun) and "$" in run.text for run in split_math(text))
    ]
    assert len(left) < 30
