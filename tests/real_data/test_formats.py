"""Every public file reads without a defect, and is written again as it was.

The counts are those of the files themselves; where a paper or a data card states one, it is the
same.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from labeling.formats import WriteLog, detect_format, get_format
from labeling.formats.detection import DETECTION_BYTES
from labeling.records import At, NoError, ReadIssue, Solution, Unknown
from tests.labeling.formats.helpers import (
    count_labels,
    count_steps,
    list_keys,
    read_bytes,
    write_bytes,
    write_rows,
)

pytestmark = pytest.mark.real_data


class Expected(NamedTuple):
    path: str
    format: str
    rows: int
    solutions: int
    steps: int
    labels: int


# Labels are judged steps: ProcessBench judges up to the first error; claims of injections and
# grades of final answers are none.
FILES = (
    Expected("prm800k/samples_6.jsonl", "prm800k", 6, 6, 45, 43),
    Expected("prmbench/prmbench_subset_394.jsonl", "prmbench", 394, 394, 5_738, 0),
    Expected("prmbench/multi_solutions_human_verdicts_174.jsonl", "labelllm", 174, 174, 2_582, 0),
    Expected("prmbench/pilot_injections_106.jsonl", "prmbench_pilot", 106, 106, 1_795, 0),
    Expected("processbench/gsm8k.json", "processbench", 400, 400, 2_082, 1_568),
    Expected("processbench/olympiadbench.json", "processbench", 1_000, 1_000, 8_819, 5_822),
    Expected("math_shepherd/samples_7.jsonl", "math_shepherd", 7, 7, 25, 25),
    Expected("math_aps/samples_3.jsonl", "math_aps", 3, 134, 314, 314),
    Expected("math_aps/samples_tree_3.jsonl", "math_aps", 3, 242, 624, 624),
    Expected("gsm8k/test_1319.jsonl", "problems", 1_319, 1_319, 0, 0),
    Expected(
        "gsm8k/example_model_solutions_1319x4.jsonl", "graded_solutions", 1_319, 5_276, 17_876, 0
    ),
)
# Results and metrics are no step-level data.
OTHERS = {
    "prmbench/skywork7b_1000_logs.jsonl",
    "prmbench/skywork7b_totals.json",
    "prmbench/prmbench_error_case.json",
}


def load(folder: Path, path: str) -> list[Solution]:
    """The records of a file in which nothing is wrong."""
    name = next(expected.format for expected in FILES if expected.path == path)
    items = read_bytes(name, (folder / path).read_bytes())
    assert [item for item in items if isinstance(item, ReadIssue)] == []
    return [item for item in items if isinstance(item, Solution)]


def parse_upstream(data: bytes) -> list[Any]:
    """The rows as Python's own JSON reader has them."""
    text = data.decode()
    if text.lstrip().startswith("["):
        rows: list[Any] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def test_no_file_is_forgotten(real_data: Path) -> None:
    there = {
        str(path.relative_to(real_data))
        for path in real_data.rglob("*")
        if path.suffix in (".json", ".jsonl")
    }
    assert there - OTHERS == {expected.path for expected in FILES}


@pytest.mark.parametrize("expected", FILES, ids=lambda expected: expected.path)
def test_a_file_reads_writes_and_reads_again(expected: Expected, real_data: Path) -> None:
    data = (real_data / expected.path).read_bytes()
    assert detect_format(data[:DETECTION_BYTES]) == expected.format

    solutions = load(real_data, expected.path)
    assert (len(solutions), count_steps(solutions), count_labels(solutions)) == (
        expected.solutions,
        expected.steps,
        expected.labels,
    )

    log = WriteLog()
    written = write_rows(expected.format, solutions, log=log)
    assert (log.rows, log.skips) == (expected.rows, [])
    upstream = parse_upstream(data)
    assert written == upstream
    assert list_keys(written) == list_keys(upstream)
    assert read_bytes(expected.format, write_bytes(expected.format, solutions)) == solutions


@pytest.mark.parametrize("expected", FILES, ids=lambda expected: expected.path)
def test_the_native_format_holds_every_record_whole(expected: Expected, real_data: Path) -> None:
    solutions = load(real_data, expected.path)
    assert read_bytes("native", write_bytes("native", solutions)) == solutions


@pytest.mark.parametrize("expected", FILES, ids=lambda expected: expected.path)
def test_a_cut_file_keeps_what_stands_before_the_cut(expected: Expected, real_data: Path) -> None:
    data = (real_data / expected.path).read_bytes()
    items = list(get_format(expected.format).read(io.BytesIO(data[: len(data) * 2 // 3])))
    issues = [item for item in items if isinstance(item, ReadIssue)]
    whole = load(real_data, expected.path)
    assert len(issues) == 1
    assert items[-1] == issues[0]
    assert items[:-1] == whole[: len(items) - 1]
    assert len(items) > 1


# --- What the files say -----------------------------------------------------------------------


def count_alternatives(solutions: Sequence[Solution]) -> int:
    return sum(len(step.alternatives) for solution in solutions for step in solution.steps)


def test_prm800k(real_data: Path) -> None:
    solutions = load(real_data, "prm800k/samples_6.jsonl")
    label_sets = [solution.label_sets[0] for solution in solutions]
    assert [len(solution.steps) for solution in solutions] == [6, 7, 5, 7, 8, 12]
    assert count_alternatives(solutions) == 30
    assert [label_set.outcome for label_set in label_sets] == [
        "complete",
        "first_error",
        "complete",
        "complete",
        "gave_up",
        "complete",
    ]
    assert [label_set.total_ms for label_set in label_sets] == [
        293_250,
        164_458,
        92_405,
        117_451,
        707_383,
        198_325,
    ]
    # A person wrote step 2 of the first, without a rating; the fifth was given up.
    assert [label_set.first_error for label_set in label_sets] == [
        Unknown("step 2 was not judged"),
        At(6),
        NoError(),
        NoError(),
        Unknown("the outcome is gave_up"),
        NoError(),
    ]
    ratings = Counter(
        label.rating for label_set in label_sets for label in label_set.labels if label
    )
    assert ratings == {1: 41, 0: 1, -1: 1}


def test_prmbench_claims(real_data: Path) -> None:
    solutions = load(real_data, "prmbench/prmbench_subset_394.jsonl")
    injections = [solution.injection for solution in solutions if solution.injection]
    classes = Counter(injection.error_type for injection in injections)
    assert classes.pop("multi_solutions") == 10
    assert set(classes.values()) == {48}
    assert len(classes) == 8
    assert len({solution.problem.family for solution in solutions}) == 150
    assert sum(len(injection.original_steps) for injection in injections) == 6_087
    assert sum(len(injection.claimed_error_positions) for injection in injections) == 880
    assert sum(len(injection.claimed_changed_positions) for injection in injections) == 1_445
    changed_questions = sum(
        injection.original_problem != solution.problem.text
        for injection, solution in zip(injections, solutions, strict=True)
    )
    assert changed_questions == 29

    def count_outside(name: str) -> int:
        return sum(
            any(not 0 <= position < len(solution.steps) for position in getattr(injection, name))
            for injection, solution in zip(injections, solutions, strict=True)
        )

    # Claims that point past the end load as they are, for people to repair.
    assert count_outside("claimed_error_positions") == 11
    assert count_outside("claimed_changed_positions") == 26


def test_human_verdicts(real_data: Path) -> None:
    solutions = load(real_data, "prmbench/multi_solutions_human_verdicts_174.jsonl")
    verdicts = Counter(
        verdict.value
        for solution in solutions
        if solution.injection
        for verdict in solution.injection.verdicts
    )
    assert verdicts == {"accept": 165, "reject": 9}
    assert len({solution.source_id for solution in solutions}) == 174
    assert len({solution.problem.family for solution in solutions}) == 169
    assert all(solution.problem.reference_answer for solution in solutions)


def test_pilot(real_data: Path) -> None:
    solutions = load(real_data, "prmbench/pilot_injections_106.jsonl")
    injections = [solution.injection for solution in solutions if solution.injection]
    kinds = Counter(
        kind for injection in injections for kind in injection.extra["prmbench_pilot.types"]
    )
    assert kinds == {4: 60, 8: 35, 2: 33, 1: 27, 10: 16, 7: 14, 9: 7, 5: 5, 3: 4, 6: 1}
    assert sum(not injection.error_type for injection in injections) == 1
    # All four messages follow from the record, so none is kept twice.
    for solution in solutions:
        messages = solution.extra["prmbench_pilot.conversation"]
        assert [message["content"] for message in messages] == [True] * 4


@pytest.mark.parametrize(("name", "wrong"), [("gsm8k", 207), ("olympiadbench", 661)])
def test_processbench(name: str, wrong: int, real_data: Path) -> None:
    solutions = load(real_data, f"processbench/{name}.json")
    found = Counter(type(solution.label_sets[0].first_error) for solution in solutions)
    assert found == {At: wrong, NoError: len(solutions) - wrong}
    half = sum(solution.final_answer_correct is True for solution in solutions)
    assert half == len(solutions) // 2


def test_math_shepherd(real_data: Path) -> None:
    solutions = load(real_data, "math_shepherd/samples_7.jsonl")
    answers = [solution.final_answer for solution in solutions]
    assert answers == ["13520", "16000", "40", "900", "52", "2.2", "210"]
    signs = Counter(
        str(label.validity)
        for solution in solutions
        for label in solution.label_sets[0].labels
        if label
    )
    assert signs == {"correct": 5, "wrong": 20}


@pytest.mark.parametrize(
    ("path", "nodes", "leaves"),
    [
        ("math_aps/samples_tree_3.jsonl", 257, [137, 85, 20]),
        ("math_aps/samples_3.jsonl", 145, [85, 10, 39]),
    ],
)
def test_math_aps(path: str, nodes: int, leaves: list[int], real_data: Path) -> None:
    solutions = load(real_data, path)
    assert list(Counter(solution.problem.family for solution in solutions).values()) == leaves
    # Two of the three questions have the same id.
    assert len({solution.problem.source_id for solution in solutions}) == 2
    # The nodes of the paths, and the root of each of the three trees.
    numbers = {
        (solution.problem.family, number)
        for solution in solutions
        for number in solution.extra["math_aps.nodes"]
    }
    assert len(numbers) + 3 == nodes


def test_gsm8k_problems(real_data: Path) -> None:
    solutions = load(real_data, "gsm8k/test_1319.jsonl")
    problems = [solution.problem for solution in solutions]
    assert all(solution.is_problem for solution in solutions)
    assert all(problem.reference_solution for problem in problems)
    assert all(problem.reference_answer for problem in problems)
    assert problems[0].reference_answer == "18"


def test_gsm8k_graded_solutions(real_data: Path) -> None:
    solutions = load(real_data, "gsm8k/example_model_solutions_1319x4.jsonl")
    assert Counter(solution.generator for solution in solutions) == {
        "6b_finetuning": 1_319,
        "6b_verification": 1_319,
        "175b_finetuning": 1_319,
        "175b_verification": 1_319,
    }
    assert sum(solution.final_answer_correct is True for solution in solutions) == 2_001
    # Eleven ran on until they were cut off, without an answer.
    assert sum(solution.final_answer is None for solution in solutions) == 11


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        # A person wrote step 2 of the first row and step 8 of the given-up one, and nobody rated
        # them: 1 of 6 and 7 of 8 steps are left.
        ("prm800k/samples_6.jsonl", 1 + 7 + 5 + 7 + 7 + 12),
        ("processbench/gsm8k.json", 1_568),
        ("math_shepherd/samples_7.jsonl", 25),
    ],
)
def test_labels_become_training_rows(path: str, labels: int, real_data: Path) -> None:
    rows = write_rows("trl", load(real_data, path))
    assert sum(len(row["labels"]) for row in rows) == labels
    assert all(len(row["labels"]) == len(row["completions"]) for row in rows)
