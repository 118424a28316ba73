"""Whatever a file holds, reading it yields records and issues, and nothing raises."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.formats import WriteLog, get_format, list_formats
from labeling.records import ReadIssue, Solution
from tests.labeling.formats import strategies
from tests.labeling.formats.helpers import Row, read_bytes, to_lines, write_bytes
from tests.labeling.formats.test_detection import ROWS

NAMES = [item.info.name for item in list_formats()]

# Formats whose rows must have a name: a blank one is written as a number.
NAMING = ("processbench", "prmbench", "labelllm", "prmbench_pilot")

# Values of every kind of JSON, the awkward ones among them.
_odd: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2**63,
        1e300,
        0.5,
        "",
        " ",
        "x",
        "ки",
        "Step 1:",
        "\ufeff",
        [],
        {},
        [None],
        [[]],
        [{}],
        ["a", 1],
        [True],
        {"text": "a"},
        {"a": {"b": []}},
    ]
)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside a row."""
    places = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            places += list_places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            places += list_places(inner, (*path, index))
    return places


def change(row: Row, place: tuple[Any, ...], value: Any, *, remove: bool) -> Row:
    changed: Any = copy.deepcopy(row)
    target = changed
    for key in place[:-1]:
        target = target[key]
    if remove:
        del target[place[-1]]
    else:
        target[place[-1]] = copy.deepcopy(value)
    return changed  # type: ignore[no-any-return]


def has_name(name: str, solution: Solution) -> bool:
    """Whether the solution has what this format writes as the name of its row."""
    return bool(solution.source_id if name == "processbench" else solution.problem.source_id)


def check_issues(items: list[Solution | ReadIssue]) -> None:
    for item in items:
        if isinstance(item, ReadIssue):
            assert item.line >= 1
            assert item.message.strip().endswith((".", "?")), item.message
            assert item.message[0] in "'T" or item.message[0].isupper()


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(
    data=st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_arbitrary_bytes_yield_issues_only(name: str, data: bytes) -> None:
    items = read_bytes(name, data)
    assert all(isinstance(item, ReadIssue) for item in items)
    check_issues(items)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(row=st.dictionaries(st.text(max_size=5), strategies.json_data, max_size=3))
def test_arbitrary_objects_yield_issues_only(name: str, row: Row) -> None:
    items = read_bytes(name, to_lines([row]))
    assert all(isinstance(item, ReadIssue) for item in items)
    check_issues(items)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_row_with_any_value_changed_loads_or_is_explained(name: str, data: st.DataObject) -> None:
    row = ROWS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list_places(row)))
        row = change(row, place, data.draw(_odd), remove=data.draw(st.booleans()))
        if not row:
            return
    items = read_bytes(name, to_lines([row]))
    check_issues(items)
    solutions = [item for item in items if isinstance(item, Solution)]
    # What loads can be written, and read again as the same records, unless its log says why not.
    log = WriteLog()
    again = read_bytes(name, write_bytes(name, solutions, log=log))
    named = name not in NAMING or all(has_name(name, solution) for solution in solutions)
    if not log.skips and named:
        assert [item for item in again if isinstance(item, Solution)] == solutions
    assert read_bytes("native", write_bytes("native", solutions)) == solutions


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    cut=st.integers(0, 10_000),
    noise=st.binary(min_size=1, max_size=4),
)
def test_a_file_damaged_anywhere_never_raises(name: str, cut: int, noise: bytes) -> None:
    data = to_lines([ROWS[name]] * 2)
    at = cut % len(data)
    check_issues(read_bytes(name, data[:at]))
    check_issues(read_bytes(name, data[:at] + noise + data[at:]))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(solution=strategies.solutions())
def test_any_record_is_written_or_skipped_with_a_reason(name: str, solution: Solution) -> None:
    for option in get_format(name).info.write_options:
        for choice in option.choices:
            log = WriteLog()
            data = write_bytes(name, [solution], log=log, **{option.name: choice})
            rows = [item for item in read_bytes(name, data) if not isinstance(item, ReadIssue)]
            assert log.solutions == 1
            assert log.rows or log.skips or not rows
    log = WriteLog()
    data = write_bytes(name, [solution], log=log)
    assert log.rows or log.skipped
    assert all(skip.reason.endswith(".") for skip in log.skips)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_every_format_writes_what_every_other_reads(source: str, target: str) -> None:
    solutions = [
        item for item in read_bytes(source, to_lines([ROWS[source]])) if isinstance(item, Solution)
    ]
    log = WriteLog()
    again = read_bytes(target, write_bytes(target, solutions, log=log))
    # A step may be left out for want of a label; what is written can be read.
    assert [item for item in again if isinstance(item, ReadIssue)] == []
    assert bool(again) or log.skipped == len(solutions)
