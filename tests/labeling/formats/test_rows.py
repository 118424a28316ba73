"""Reading lines and arrays: what a file may hold, and what becomes of it."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats.rows import NumberedRow, RowLimits, parse_row, read_rows
from labeling.records import ReadIssue


def read(data: bytes, *, limit: int = 1000) -> list[NumberedRow]:
    return list(read_rows(io.BytesIO(data), limits=RowLimits(limit)))


def messages(rows: list[NumberedRow]) -> list[tuple[int, str]]:
    return [(line, row.message) for line, row in rows if isinstance(row, ReadIssue)]


def objects(rows: list[NumberedRow]) -> list[tuple[int, object]]:
    return [(line, row) for line, row in rows if not isinstance(row, ReadIssue)]


class Trickle(io.RawIOBase):
    """A stream that gives a byte or two at a time, and has nothing but `read`."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._inner = io.BytesIO(data)
        self._size = size

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(self._size)


# --- Lines ------------------------------------------------------------------------------------


def test_it_works() -> None:
    assert read(b'{"a":1}\n{"a":2}\n') == [(1, {"a": 1}), (2, {"a": 2})]


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"") == []
    assert read(b"\n \n\t\r\n") == []


def test_the_last_line_needs_no_line_break() -> None:
    assert objects(read(b'{"a":1}\n{"a":2}')) == [(1, {"a": 1}), (2, {"a": 2})]


def test_blank_lines_are_passed_over_and_counted() -> None:
    assert objects(read(b'\n{"a":1}\n\n  \n{"a":2}\n')) == [(2, {"a": 1}), (5, {"a": 2})]


def test_windows_line_ends_and_a_byte_order_mark_are_tolerated() -> None:
    assert objects(read(b'\xef\xbb\xbf{"a":1}\r\n{"a":2}\r\n')) == [(1, {"a": 1}), (2, {"a": 2})]


def test_a_byte_order_mark_is_found_in_a_slow_stream() -> None:
    stream = cast(BinaryIO, Trickle(b'\xef\xbb\xbf{"a":1}\n', 1))
    assert list(read_rows(stream, limits=RowLimits())) == [(1, {"a": 1})]


def test_good_lines_load_around_a_bad_one() -> None:
    rows = read(b'{"a":1}\n{"a":\n{"a":3}\n')
    assert objects(rows) == [(1, {"a": 1}), (3, {"a": 3})]
    ((line, message),) = messages(rows)
    assert line == 2
    assert message.startswith("This line is not valid JSON: ")
    assert "near character" in message


def test_the_last_of_two_equal_keys_counts() -> None:
    assert objects(read(b'{"a":1,"a":2}')) == [(1, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a":"\xff"}', "is not valid UTF-8 (byte 0xff at position 7)"),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":"\xc3\xa9","b":NaN}', "holds NaN or Infinity"),
        (b'{"a":-Infinity}', "holds NaN or Infinity"),
        (b'{"a":1e999}', "a number that is too large"),
        (b'{"a":"\\u0000"}', "'a' holds a NUL character"),
        (b'{"a":[{"b":"x\\u0000"}]}', "'a[0].b' holds a NUL character"),
        (b'{"a\\u0000":1}', "holds a NUL character"),
        (b'{"a":"\x00"}', "is not valid JSON"),
        (b'["a"]x', "is not valid JSON"),
        (b"17", "holds a single value; it should be one JSON object"),
        (b"null", "holds a single value; it should be one JSON object"),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: bytes, said: str) -> None:
    # Behind a good line, so that the `[` of an array would not be taken for the file's.
    rows = read(b'{"a":1}\n' + line + b"\n")
    assert objects(rows) == [(1, {"a": 1})]
    ((number, message),) = messages(rows)
    assert number == 2
    assert said in message
    assert message.endswith(".")


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert objects(read(rb'{"a":"\\u0000"}')) == [(1, {"a": "\\u0000"})]


def test_deep_nesting_is_an_issue() -> None:
    ((_, message),) = messages(read(b'{"a":' + b"[" * 100_000, limit=1_000_000))
    assert message == "This line is nested too deeply to be read."


def test_numbers_too_large_for_an_integer_are_read_as_floats() -> None:
    assert objects(read(b'{"a":123456789012345678901234567890}')) == [
        (1, {"a": 1.2345678901234568e29})
    ]


def test_a_line_of_the_greatest_length_is_read() -> None:
    line = b'{"a":"' + b"x" * 91 + b'"}'
    assert len(line) == 99
    assert len(objects(read(line + b"\n", limit=99))) == 1
    assert messages(read(line + b"\n", limit=98)) == [
        (
            1,
            "This line is longer than 98 bytes and was not read. "
            "Split it, or raise the limit on the length of a line.",
        )
    ]


def test_reading_goes_on_after_a_long_line() -> None:
    rows = read(b'{"a":1}\n{"a":"' + b"x" * 700_000 + b'"}\n{"a":3}\n')
    assert objects(rows) == [(1, {"a": 1}), (3, {"a": 3})]
    assert [line for line, _ in messages(rows)] == [2]


class Long(io.RawIOBase):
    """One line (or element) of 200 MB that is never whole in memory."""

    def __init__(self, opening: bytes) -> None:
        super().__init__()
        self._opening = opening
        self._left = 200 * 2**20

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._opening:
            data, self._opening = self._opening, b""
            return data
        size = min(size, self._left)
        self._left -= size
        return b"x" * size


@pytest.mark.parametrize("opening", [b'{"a":"', b'[{"a":"'])
def test_a_line_of_200_megabytes_is_not_held_in_memory(opening: bytes) -> None:
    tracemalloc.start()
    try:
        rows = list(read_rows(cast(BinaryIO, Long(opening)), limits=RowLimits(2**20)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(messages(rows)) == 1
    assert peak < 8 * 2**20


def test_a_pretty_printed_object_is_explained_once() -> None:
    ((line, message),) = messages(read(json.dumps({"a": 1, "b": 2}, indent=2).encode()))
    assert line == 1
    assert "spread over several lines" in message


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\x1f\x8b\x08\x00", "compressed (gzip)"),
        (b"PK\x03\x04", "compressed (zip)"),
        (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        (b"PAR1....", "Parquet"),
    ],
)
def test_other_kinds_of_file_are_named(start: bytes, said: str) -> None:
    ((line, message),) = messages(read(start + b"\n\n\n"))
    assert line == 1
    assert said in message


# --- Arrays -----------------------------------------------------------------------------------


def test_an_array_gives_its_elements_by_number() -> None:
    assert read(b' [ {"a":1} ,\n{"a":[2,{"b":"]"}]}]\n') == [
        (1, {"a": 1}),
        (2, {"a": [2, {"b": "]"}]}),
    ]


def test_an_empty_array_has_no_rows() -> None:
    assert read(b"[]") == []
    assert read(b"\xef\xbb\xbf [ \n ] \n") == []


def test_brackets_commas_and_escapes_inside_texts_do_not_count() -> None:
    rows = [{"a": 'x", {["}\\'}, {"b": "\\\\"}, {"c": "],"}, {"d": "\\"}]
    assert objects(read(json.dumps(rows).encode())) == list(enumerate(rows, start=1))


def test_a_bad_element_does_not_end_the_array() -> None:
    rows = read(b'[{"a":1},{"a":x},7,{"a":4}]')
    assert objects(rows) == [(1, {"a": 1}), (4, {"a": 4})]
    assert [line for line, _ in messages(rows)] == [2, 3]


@pytest.mark.parametrize("data", [b'[{"a":1},]', b'[{"a":1},,{"a":3}]', b'[,{"a":1}]'])
def test_a_comma_too_many_is_an_issue(data: bytes) -> None:
    rows = read(data)
    assert [message for _, message in messages(rows)] == [
        "There is no element here: a comma too many."
    ]
    assert objects(rows)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'[{"a":1},{"a":2', "The file ends inside element 2 of the array: it was cut off."),
        (b'[{"a":1},{"a":"2', "The file ends inside element 2 of the array: it was cut off."),
        (b'[{"a":1},{"a":"\\', "The file ends inside element 2 of the array: it was cut off."),
        (b'[{"a":1},', "The file ends before the array does: it was cut off."),
        (b'[{"a":1} ', "The file ends inside element 1 of the array: it was cut off."),
        (b"[", "The file ends before the array does: it was cut off."),
    ],
)
def test_a_cut_array_keeps_its_good_elements(data: bytes, said: str) -> None:
    rows = read(data)
    assert [message for _, message in messages(rows)] == [said]
    assert objects(rows) == ([(1, {"a": 1})] if b"," in data else [])


def test_what_follows_the_array_is_an_issue() -> None:
    rows = read(b'[{"a":1}]\n{"a":2}')
    assert objects(rows) == [(1, {"a": 1})]
    assert messages(rows) == [(2, "Something follows after the end of the array; it was not read.")]


def test_an_element_over_the_limit_is_left_out() -> None:
    rows = read(b'[{"a":1},{"a":"' + b"x,]" * 400_000 + b'"},{"a":3}]')
    assert objects(rows) == [(1, {"a": 1}), (3, {"a": 3})]
    assert [line for line, _ in messages(rows)] == [2]


def test_mismatched_brackets_do_not_stop_the_reader() -> None:
    rows = read(b'[{"a":[1}},{"a":2}]')
    assert messages(rows)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**53), 2**53)
                | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
                lambda inner: st.lists(inner) | st.dictionaries(st.just('k"]},'), inner),
                max_leaves=5,
            ),
        ),
        max_size=5,
    ),
    size=st.integers(1, 7),
    indent=st.sampled_from([None, 2]),
)
def test_arrays_are_cut_as_json_reads_them(
    rows: list[dict[str, object]], size: int, indent: int | None
) -> None:
    data = json.dumps(rows, indent=indent, ensure_ascii=size % 2 == 0).encode()
    stream = cast(BinaryIO, Trickle(data, size))
    assert [row for _, row in read_rows(stream, limits=RowLimits())] == rows


@settings(deadline=None)
@given(data=st.binary(max_size=200) | st.text('[]{},":\\ a1\n').map(str.encode))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    for _, row in read_rows(io.BytesIO(data), limits=RowLimits(50)):
        assert isinstance(row, dict | ReadIssue)


def test_parse_row_says_element_in_an_array() -> None:
    issue = parse_row(b"[1]", 3, what="element")
    assert isinstance(issue, ReadIssue)
    assert issue.message == "This element holds a list; it should be one JSON object."
