"""The registry, options, limits and the log of what was left out."""

from __future__ import annotations

import io

import pytest

from labeling.formats import (
    OptionError,
    ReadOptions,
    UnknownFormat,
    WriteLog,
    WriteOptions,
    get_format,
    list_formats,
)
from labeling.formats.base import KEPT_SKIPS, register_format
from labeling.records import Problem, ReadIssue, Solution, Step
from tests.labeling.formats.helpers import read_bytes, to_lines, write_bytes

NAMES = [
    "native",
    "prmbench",
    "prm800k",
    "processbench",
    "trl",
    "math_shepherd",
    "genprm",
    "math_aps",
    "problems",
    "graded_solutions",
    "labelllm",
    "prmbench_pilot",
]
GOOD = {"prompt": "1+1?", "completions": ["2"], "labels": [True]}


def test_all_formats_are_listed_with_what_a_person_needs() -> None:
    assert [item.info.name for item in list_formats()] == NAMES
    for item in list_formats():
        info = item.info
        assert info.title
        assert info.description.endswith(".")
        assert info.index_convention.endswith(".")
        assert info.fields
        assert all(suffix.startswith(".") for suffix in info.suffixes)
        assert info.can_read
        assert info.can_write
        assert get_format(info.name) is item


def test_an_unknown_format_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownFormat) as caught:
        get_format("excel")
    assert str(caught.value).startswith("No format is named 'excel'; there are native, prmbench")


def test_a_name_can_be_taken_once() -> None:
    with pytest.raises(ValueError, match="'trl' is registered already"):
        register_format(get_format("trl"))


def test_an_unknown_option_is_refused_before_anything_is_read() -> None:
    with pytest.raises(OptionError, match="'trl' has no option 'speed' .it has author"):
        get_format("trl").read(io.BytesIO(b""), options=ReadOptions(values={"speed": "high"}))
    with pytest.raises(OptionError, match="'neutral' is one of good, bad, not 'ugly'"):
        get_format("trl").write([], options=WriteOptions(values={"neutral": "ugly"}))


def test_reading_stops_after_too_many_defects() -> None:
    items = list(
        get_format("trl").read(
            io.BytesIO(to_lines([GOOD] + [{}] * 10)), options=ReadOptions(max_issues=3)
        )
    )
    # The good row, three defects (lines 2 to 4), and one more that says why it ended.
    assert len(items) == 5
    last = items[-1]
    assert isinstance(last, ReadIssue)
    assert last.line == 4
    assert last.message.startswith("Reading stopped here, after 3 defects.")


def test_a_row_with_more_steps_than_the_limit_is_left_out() -> None:
    row = {"prompt": "1+1?", "completions": ["a", "b", "c"], "labels": [True] * 3}
    (issue,) = read_bytes("trl", to_lines([row]), max_steps=2)
    assert isinstance(issue, ReadIssue)
    assert issue.field == "completions"
    assert issue.message == (
        "'completions' has 3 entries; at most 2 steps are read for one solution."
    )
    (solution,) = read_bytes("trl", to_lines([row]), max_steps=3)
    assert isinstance(solution, Solution)


def test_texts_of_issues_are_of_bounded_length() -> None:
    """Field names and values come from the file, and may be megabytes."""
    long = "x" * 1_000_000
    for name, row in (
        ("graded_solutions", {"question": "q", long: {"solution": 1}}),
        ("native", {"schema": "prm-workbench/1", "problem": {"text": "p"}, long: 1}),
        ("trl", {long: {long: "\x00"}}),
        ("prm800k", {"question": {"problem": "p"}, "label": {"steps": [], "finish_reason": long}}),
    ):
        (issue,) = read_bytes(name, to_lines([row]))
        assert isinstance(issue, ReadIssue)
        assert len(issue.field) <= 200
        assert len(issue.message) <= 1_000
        assert issue.message.endswith(".")


def test_a_million_steps_are_an_issue() -> None:
    row = {"prompt": "1+1?", "completions": ["s"] * 1_000_000, "labels": [True] * 1_000_000}
    (issue,) = read_bytes("trl", to_lines([row]))
    assert isinstance(issue, ReadIssue)
    assert "1,000,000 entries; at most 100,000 steps" in issue.message


def test_the_log_counts_what_was_written_and_left_out() -> None:
    log = WriteLog()
    bare = Solution(Problem("1+1?"), steps=(Step("2"),), source_id="s7")
    assert write_bytes("trl", [bare, bare], log=log) == b""
    assert (log.solutions, log.rows, log.skipped, log.shortened) == (2, 0, 2, 0)
    assert [(skip.ordinal, skip.source_id, skip.reason) for skip in log.skips] == [
        (1, "s7", "It has no labels."),
        (2, "s7", "It has no labels."),
    ]


def test_the_log_keeps_a_limited_number_of_reasons() -> None:
    log = WriteLog()
    bare = Solution(Problem("1+1?"), steps=(Step("2"),))
    write_bytes("trl", [bare] * (KEPT_SKIPS + 5), log=log)
    assert log.skipped == KEPT_SKIPS + 5
    assert len(log.skips) == KEPT_SKIPS


def test_an_array_with_nothing_in_it_is_still_an_array() -> None:
    assert write_bytes("processbench", []) == b"[]\n"
    assert write_bytes("trl", []) == b""


def test_the_same_records_give_the_same_bytes() -> None:
    (solution,) = read_bytes("trl", to_lines([GOOD]))
    assert isinstance(solution, Solution)
    for item in list_formats():
        name = item.info.name
        assert write_bytes(name, [solution]) == write_bytes(name, [solution])
