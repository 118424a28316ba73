from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from modeljobs import texts
from modeljobs.texts import TextMissing, TextStoreError, list_chunks, read_chunk, write_chunk


def test_it_works(texts_folder: Path) -> None:
    name = write_chunk(b"What is 2+2?")

    assert name == hashlib.sha256(b"What is 2+2?").hexdigest()
    assert read_chunk(name) == b"What is 2+2?"
    assert [chunk.name for chunk in list_chunks()] == [name]


def test_the_same_text_is_stored_once(texts_folder: Path) -> None:
    first = write_chunk(b"again")
    path = next(list_chunks()).path
    os.utime(path, (1, 1))

    assert write_chunk(b"again") == first
    assert len(list(list_chunks())) == 1
    # It counts as new, so that a prune which runs now leaves it alone.
    assert path.stat().st_mtime > 1


def test_texts_are_compressed(texts_folder: Path) -> None:
    write_chunk(b"the same words " * 10_000)

    assert next(list_chunks()).path.stat().st_size < 1_000


def test_an_empty_text(texts_folder: Path) -> None:
    assert read_chunk(write_chunk(b"")) == b""


def test_a_text_is_its_owners_alone(texts_folder: Path) -> None:
    write_chunk(b"private")

    assert next(list_chunks()).path.stat().st_mode & 0o077 == 0


def test_a_missing_text_is_said(texts_folder: Path) -> None:
    with pytest.raises(TextMissing, match="not in the data folder any more"):
        read_chunk("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "ABC", "0" * 63, "0" * 64 + "\n"])
def test_a_name_that_is_none_is_refused(texts_folder: Path, name: str) -> None:
    with pytest.raises(TextMissing, match="not the name of a text"):
        read_chunk(name)


def test_a_damaged_text_is_noticed(texts_folder: Path) -> None:
    name, other = write_chunk(b"right"), write_chunk(b"wrong")
    paths = {chunk.name: chunk.path for chunk in list_chunks()}
    paths[name].write_bytes(paths[other].read_bytes())

    with pytest.raises(TextMissing, match="damaged"):
        read_chunk(name)


def test_a_file_that_is_not_compressed_is_noticed(texts_folder: Path) -> None:
    name = write_chunk(b"right")
    next(list_chunks()).path.write_bytes(b"not zstd")

    with pytest.raises(TextMissing, match="cannot be read"):
        read_chunk(name)


def test_a_text_that_unpacks_to_too_much_is_refused(
    texts_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write_chunk(b"0" * 5_000)
    monkeypatch.setattr(texts, "MAX_CHUNK_BYTES", 4_999)

    with pytest.raises(TextMissing, match="damaged"):
        read_chunk(name)


def test_a_folder_that_cannot_be_written_is_said(texts_folder: Path) -> None:
    texts_folder.parent.mkdir()
    texts_folder.write_text("a file in the folder's place")

    with pytest.raises(TextStoreError, match="could not be stored"):
        write_chunk(b"lost")


def test_a_failed_write_leaves_nothing_behind(
    texts_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(TextStoreError, match="No space left on device"):
        write_chunk(b"lost")
    assert [path for path in texts_folder.rglob("*") if path.is_file()] == []


def test_leftovers_of_a_killed_writer_are_removed(texts_folder: Path) -> None:
    write_chunk(b"kept")
    folder = next(list_chunks()).path.parent
    (folder / "old.part").touch()
    os.utime(folder / "old.part", (1_000, 1_000))
    (folder / "new.part").touch()
    os.utime(folder / "new.part", (4_900, 4_900))

    assert texts.remove_leftovers(older_than_s=3_600, clock=5_000) == 1
    assert (folder / "new.part").exists()
    assert len(list(list_chunks())) == 1
