"""Guessing the format of a file from its beginning."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.formats import detect_format, list_formats
from tests.labeling.formats import (
    test_genprm,
    test_graded_solutions,
    test_labelllm,
    test_math_aps,
    test_math_shepherd,
    test_native,
    test_prm800k,
    test_prmbench,
    test_prmbench_pilot,
    test_problems,
    test_processbench,
    test_trl,
)
from tests.labeling.formats.helpers import Row, to_lines

ROWS: dict[str, Row] = {
    "native": test_native.ROW,
    "prmbench": test_prmbench.ROW,
    "prm800k": test_prm800k.PHASE_1,
    "processbench": test_processbench.ROW,
    "trl": test_trl.ROW,
    "math_shepherd": test_math_shepherd.ROW,
    "genprm": test_genprm.ROW,
    "math_aps": test_math_aps.TREE,
    "problems": test_problems.GSM,
    "graded_solutions": test_graded_solutions.ROW,
    "labelllm": test_labelllm.row_of(None),
    "prmbench_pilot": test_prmbench_pilot.row_of(),
}


def test_every_format_has_a_row_here() -> None:
    assert sorted(ROWS) == sorted(item.info.name for item in list_formats())


@pytest.mark.parametrize("name", ROWS)
def test_each_format_is_known_by_its_rows(name: str) -> None:
    row = ROWS[name]
    assert detect_format(to_lines([row, row])) == name
    assert detect_format(json.dumps([row, row], indent=2).encode(), "data.json") == name
    assert detect_format(b"\xef\xbb\xbf" + to_lines([row])) == name


def test_both_layouts_of_math_aps_are_known() -> None:
    assert detect_format(to_lines([test_math_aps.FLAT])) == "math_aps"


def test_the_order_of_the_fields_does_not_matter() -> None:
    for name, row in ROWS.items():
        turned = dict(reversed(row.items()))
        if name != "native":
            assert detect_format(to_lines([turned])) == name


def test_a_beginning_that_ends_inside_the_first_row_is_enough() -> None:
    row = {**test_math_shepherd.ROW, "input": test_math_shepherd.ROW["input"] * 50}
    assert detect_format(to_lines([row])[:2_000]) == "math_shepherd"


def test_a_text_that_speaks_of_fields_does_not_count() -> None:
    row = {"question": 'Write {"prompt": 1, "completions": []}.', "answer": "#### 1"}
    assert detect_format(to_lines([row])) == "problems"


@pytest.mark.parametrize(
    ("data", "filename", "name"),
    [
        (b"", "", None),
        (b"hello", "notes.txt", None),
        (b'{"a": 1}', "rows.jsonl", None),
        (b"", "prm800k_phase2_test.jsonl", "prm800k"),
        (b"", "PRMBench_subset.jsonl", "prmbench"),
        # The content decides where it says anything.
        (to_lines([test_trl.ROW]), "prm800k.jsonl", "trl"),
    ],
)
def test_the_file_name_counts_only_without_known_fields(
    data: bytes, filename: str, name: str | None
) -> None:
    assert detect_format(data, filename) == name


@given(data=st.binary(max_size=100), filename=st.text(max_size=10))
def test_arbitrary_bytes_never_raise(data: bytes, filename: str) -> None:
    detect_format(data, filename)
