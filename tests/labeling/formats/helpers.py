"""Reading and writing rows in memory, as the tests of the formats do it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from labeling.formats import ReadOptions, WriteLog, WriteOptions, get_format
from labeling.records import ReadIssue, Solution

Row = dict[str, Any]


def to_lines(rows: Iterable[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def read_bytes(
    name: str, data: bytes, *, max_steps: int = 100_000, **values: str
) -> list[Solution | ReadIssue]:
    options = ReadOptions(max_steps=max_steps, values=values)
    return list(get_format(name).read(io.BytesIO(data), options=options))


def read_rows(name: str, *rows: object, **values: str) -> list[Solution | ReadIssue]:
    return read_bytes(name, to_lines(rows), max_steps=100_000, **values)


def read_solutions(name: str, *rows: object, **values: str) -> list[Solution]:
    """The solutions of rows that are all good."""
    items = read_rows(name, *rows, **values)
    solutions = [item for item in items if isinstance(item, Solution)]
    assert items == solutions
    return solutions


def read_solution(name: str, row: object, **values: str) -> Solution:
    (solution,) = read_solutions(name, row, **values)
    return solution


def read_issue(name: str, row: object, **values: str) -> ReadIssue:
    """What is wrong with a row of which nothing loads."""
    (issue,) = read_rows(name, row, **values)
    assert isinstance(issue, ReadIssue)
    return issue


def write_bytes(
    name: str, solutions: Iterable[Solution], *, log: WriteLog | None = None, **values: str
) -> bytes:
    return b"".join(get_format(name).write(solutions, options=WriteOptions(values=values), log=log))


def write_rows(
    name: str, solutions: Iterable[Solution], *, log: WriteLog | None = None, **values: str
) -> list[Any]:
    """The rows written, parsed by another JSON library than the writer's."""
    data = write_bytes(name, solutions, log=log, **values).decode()
    if data.startswith("["):
        parsed = json.loads(data)
        assert isinstance(parsed, list)
        return parsed
    return [json.loads(line) for line in data.splitlines()] if data.isascii() else _by_lines(data)


def _by_lines(data: str) -> list[Any]:
    # Not splitlines: a text may hold line separators of Unicode, which JSON need not escape.
    return [json.loads(line) for line in data.split("\n") if line]


def assert_round_trip(name: str, *rows: Row, **values: str) -> list[Solution]:
    """Rows -> records -> equal rows with the keys in their order -> equal records."""
    solutions = read_solutions(name, *rows, **values)
    written = write_rows(name, solutions)
    assert written == list(rows)
    assert list_keys(written) == list_keys(rows)
    assert read_solutions(name, *written, **values) == solutions
    return solutions


def list_keys(value: object) -> object:
    """The order of all keys, all the way down."""
    if isinstance(value, dict):
        return [(key, list_keys(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [list_keys(inner) for inner in value]
    return None


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def count_steps(solutions: Sequence[Solution]) -> int:
    return sum(len(solution.steps) for solution in solutions)


def count_labels(solutions: Sequence[Solution]) -> int:
    """Steps that somebody judged, in all sets of labels."""
    return sum(
        label is not None
        for solution in solutions
        for label_set in solution.label_sets
        for label in label_set.labels
    )
