"""Large texts outside the database: zstd files in the data folder, named by what they hold.

A chunk's name is the SHA-256 of its uncompressed bytes, so that the same text is stored once, a
damaged file is noticed, and a writer never needs a lock. A chunk is written before the row that
names it; what no row names is removed by `prune_call_texts`.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard
from django.conf import settings

# A chunk holds one item's calls; more than this is no text of ours.
MAX_CHUNK_BYTES = 256 * 1024 * 1024
NAME = re.compile(r"[0-9a-f]{64}")
SUFFIX = ".zst"


class TextStoreError(Exception):
    """The folder of texts cannot be written: the disk is full, or it is not ours."""


class TextMissing(Exception):
    """There is no such text, or it is not what its name says."""


class StoredChunk(NamedTuple):
    name: str
    path: Path
    modified_at: float


def text_folder() -> Path:
    """Where chunks live: `files/texts` in the data folder."""
    return Path(settings.MEDIA_ROOT) / "texts"


def write_chunk(data: bytes) -> str:
    """Store the bytes and return their name; a text that is there already is not written again."""
    name = hashlib.sha256(data).hexdigest()
    path = _find_path(name)
    try:
        if path.exists():
            # It may have been an orphan about to be pruned: it is in use from now on.
            os.utime(path)
            return name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written aside and renamed, so that a reader sees the whole file or none. Without fsync: a
        # power cut can cost the last texts, which a reader is told of, but no verdict or count.
        draft = path.with_name(f"{name}.{os.getpid()}.{secrets.token_hex(4)}.part")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(zstandard.ZstdCompressor(write_checksum=True).compress(data))
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TextStoreError(
            f"A model's text could not be stored under {str(path.parent)!r}: {error.strerror}."
        ) from error
    return name


def read_chunk(name: str) -> bytes:
    """The bytes of a chunk, checked against its name, or TextMissing."""
    if not NAME.fullmatch(name):
        raise TextMissing(f"{name!r} is not the name of a text.")
    try:
        with _find_path(name).open("rb") as stream:
            reader = zstandard.ZstdDecompressor().stream_reader(stream)
            data = reader.read(MAX_CHUNK_BYTES + 1)
    except FileNotFoundError:
        raise TextMissing(f"The text {name} is not in the data folder any more.") from None
    except (OSError, zstandard.ZstdError) as error:
        raise TextMissing(f"The text {name} cannot be read: {error}.") from error
    if len(data) > MAX_CHUNK_BYTES or hashlib.sha256(data).hexdigest() != name:
        raise TextMissing(f"The text {name} is damaged: its content is not what its name says.")
    return data


def list_chunks() -> Iterator[StoredChunk]:
    """Every chunk on disk, in no particular order."""
    folder = text_folder()
    for path in folder.glob(f"??/*{SUFFIX}"):
        name = path.name.removesuffix(SUFFIX)
        if NAME.fullmatch(name):
            try:
                yield StoredChunk(name, path, path.stat().st_mtime)
            except FileNotFoundError:
                # Another prune took it between the listing and the look.
                continue


def remove_leftovers(*, older_than_s: float, clock: float | None = None) -> int:
    """Remove drafts that a killed writer left behind; how many."""
    now = time.time() if clock is None else clock
    removed = 0
    for path in text_folder().glob("??/*.part"):
        try:
            if now - path.stat().st_mtime > older_than_s:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def _find_path(name: str) -> Path:
    return text_folder() / name[:2] / f"{name}{SUFFIX}"
