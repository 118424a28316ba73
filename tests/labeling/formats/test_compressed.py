"""Compressed files: opened by what they are, and stopped when they grow too large."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats import CompressedError, ExpansionLimits, get_format, open_compressed
from labeling.records import ReadIssue, Solution

LINES = b'{"prompt":"1+1?","completions":["2"],"labels":[true]}\n' * 3
SMALL = ExpansionLimits(max_bytes=10_000, max_ratio=20, ratio_from=1_000)


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def compress(kind: str, data: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "zstd":
        return zstandard.ZstdCompressor(write_checksum=True).compress(data)
    return zipped(**{"rows.jsonl": data})


KINDS = ["gzip", "zstd", "zip"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_works(kind: str) -> None:
    opened = open_compressed(io.BytesIO(compress(kind, LINES)))
    assert list(get_format("trl").read(opened)) != []
    assert open_compressed(io.BytesIO(compress(kind, LINES))).read() == LINES


def test_a_plain_stream_passes_as_it_is() -> None:
    assert open_compressed(io.BytesIO(LINES)).read() == LINES
    assert open_compressed(io.BytesIO(b"")).read() == b""
    assert open_compressed(io.BytesIO(b"{}")).read() == b"{}"


def test_the_stream_given_stays_open() -> None:
    given_stream = io.BytesIO(compress("gzip", LINES))
    open_compressed(given_stream).close()
    assert not given_stream.closed


def test_several_gzip_and_zstd_members_are_one_file() -> None:
    assert open_compressed(io.BytesIO(gzip.compress(b"a") + gzip.compress(b"b"))).read() == b"ab"
    frames = compress("zstd", b"a") + compress("zstd", b"b")
    assert open_compressed(io.BytesIO(frames)).read() == b"ab"


def test_an_empty_compressed_file_is_an_empty_file() -> None:
    for kind in KINDS:
        assert open_compressed(io.BytesIO(compress(kind, b""))).read() == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_stopped_by_its_ratio(kind: str) -> None:
    # 9,000 equal bytes compress to far less than 9,000 / 20 = 450.
    bomb = compress(kind, b"x" * 9_000)
    assert len(bomb) < 450
    with pytest.raises(CompressedError, match="more than 20 times its size"):
        open_compressed(io.BytesIO(bomb), limits=SMALL).read()


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_stopped_by_its_size(kind: str) -> None:
    limits = ExpansionLimits(max_bytes=10_000, max_ratio=10**9)
    with pytest.raises(CompressedError, match="more than 10,000 bytes"):
        open_compressed(io.BytesIO(compress(kind, b"x" * 10_001)), limits=limits).read()
    assert (
        len(open_compressed(io.BytesIO(compress(kind, b"x" * 10_000)), limits=limits).read())
        == 10_000
    )


def test_a_small_repetitive_file_is_no_bomb() -> None:
    limits = ExpansionLimits(max_bytes=10_000, max_ratio=2, ratio_from=1_000)
    assert (
        len(open_compressed(io.BytesIO(gzip.compress(b"x" * 1_000)), limits=limits).read()) == 1_000
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_an_issue_of_the_reader(kind: str) -> None:
    data = compress(kind, LINES * 200)
    if kind == "zip":
        with pytest.raises(CompressedError, match="cannot be read"):
            open_compressed(io.BytesIO(data[: len(data) // 2]))
        return
    items = list(get_format("trl").read(open_compressed(io.BytesIO(data[: len(data) // 2]))))
    assert all(isinstance(item, Solution) for item in items[:-1])
    last = items[-1]
    assert isinstance(last, ReadIssue)
    assert last.message == f"The {kind} file was cut off."


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_issue_of_the_reader(kind: str) -> None:
    data = bytearray(compress(kind, LINES * 50))
    middle = len(data) // 3
    data[middle : middle + 8] = b"\xff" * 8
    items = list(get_format("trl").read(open_compressed(io.BytesIO(bytes(data)))))
    last = items[-1]
    assert isinstance(last, ReadIssue)
    assert "is damaged" in last.message


def test_a_zip_of_two_files_is_refused_by_name() -> None:
    with pytest.raises(CompressedError, match=r"holds 2 \('a.jsonl', 'b.jsonl'\)"):
        open_compressed(io.BytesIO(zipped(**{"a.jsonl": b"", "b.jsonl": b""})))


def test_an_empty_zip_is_refused() -> None:
    with pytest.raises(CompressedError, match=r"holds 0 \(none\)"):
        open_compressed(io.BytesIO(zipped()))


def test_folders_and_shadow_files_do_not_count() -> None:
    files = {
        "data/": b"",
        "data/a.jsonl": LINES,
        "__MACOSX/data/._a.jsonl": b"?",
        ".DS_Store": b"?",
    }
    assert open_compressed(io.BytesIO(zipped(**files))).read() == LINES


def test_an_encrypted_zip_is_refused() -> None:
    data = bytearray(zipped(**{"a.jsonl": LINES}))
    # The flag stands at byte 6 of the local header and byte 8 of the central one.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(CompressedError, match="'a.jsonl' in the zip archive is encrypted"):
        open_compressed(io.BytesIO(bytes(data)))


def test_a_zip_in_a_stream_without_a_position_is_refused() -> None:
    class Pipe:
        def __init__(self, data: bytes) -> None:
            self._data = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self._data.read(size)

    with pytest.raises(CompressedError, match="from a file"):
        open_compressed(cast(BinaryIO, Pipe(zipped(**{"a.jsonl": LINES}))))


def test_a_zip_is_read_from_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    path.write_bytes(zipped(**{"rows.jsonl": LINES}))
    with path.open("rb") as file:
        assert open_compressed(file).read() == LINES


def test_a_compressed_file_inside_is_named_not_opened() -> None:
    twice = gzip.compress(gzip.compress(LINES))
    (issue,) = get_format("trl").read(open_compressed(io.BytesIO(twice)))
    assert isinstance(issue, ReadIssue)
    assert "compressed (gzip)" in issue.message


@settings(deadline=None)
@given(
    start=st.sampled_from([b"\x1f\x8b", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"]),
    rest=st.binary(max_size=100),
)
def test_arbitrary_bytes_raise_nothing_else(start: bytes, rest: bytes) -> None:
    try:
        opened = open_compressed(io.BytesIO(start + rest))
    except CompressedError:
        return
    for item in get_format("native").read(opened):
        assert isinstance(item, ReadIssue)
