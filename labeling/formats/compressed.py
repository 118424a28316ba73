"""Opening .gz, .zip and .zst files without letting a small file fill the memory or the disk.

The expanded bytes are counted as they are read, against two limits: a total, and a ratio to the
compressed bytes read so far. What an archive *says* about its sizes is not believed.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import zstandard

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
# The largest window that `zstd --long` needs; a frame may not make us allocate more than this.
_ZSTD_WINDOW = 2**27
_ZIP_ENTRIES = 10_000


class CompressedError(ValueError):
    """The file cannot be expanded, or expanding it would break a limit; the text says which."""


@dataclass(frozen=True, slots=True)
class ExpansionLimits:
    """How far a compressed file may expand.

    JSON of step labels compresses 4 to 20 times, and highly repetitive files up to a hundred; a
    bomb reaches a thousand and more. The ratio counts from `ratio_from` expanded bytes on, so that
    a small repetitive file is never refused.
    """

    max_bytes: int = 8 * 2**30
    max_ratio: int = 250
    ratio_from: int = 16 * 2**20


def name_compression(first_bytes: bytes) -> str | None:
    """The kind of compression that these first bytes announce, or None."""
    for magic, name in _MAGIC.items():
        if first_bytes.startswith(magic):
            return name
    return None


def open_compressed(stream: BinaryIO, *, limits: ExpansionLimits | None = None) -> BinaryIO:
    """The expanded content of a gzip, zip or zstd stream; any other stream as it is.

    The kind is told by the content, never by the file name. A zip archive must hold exactly one
    file beside folders and the shadow entries of macOS. Raises CompressedError at once for an
    archive that cannot be used, and while reading for one that is broken or breaks a limit.
    """
    bounds = limits or ExpansionLimits()
    start = stream.read(4)
    kind = name_compression(start)
    if kind == "zip":
        _seek_back(stream, len(start))
        return _open_zip(stream, bounds)
    source = _CountingSource(start, stream)
    if kind is None:
        return cast(BinaryIO, io.BufferedReader(source))
    if kind == "gzip":
        read: Callable[[int], bytes] = gzip.GzipFile(fileobj=cast(Any, source), mode="rb").read
    else:
        read = _ZstdFrames(source).read
    return _bounded(read, lambda: source.count, bounds, name=kind)


def _seek_back(stream: BinaryIO, count: int) -> None:
    try:
        stream.seek(-count, io.SEEK_CUR)
    except (AttributeError, OSError, ValueError) as error:
        raise CompressedError(
            "A zip archive has to be read from a file, not from a stream without a position."
        ) from error


class _CountingSource(io.RawIOBase):
    """The first bytes that were looked at, then the rest of the stream; counts what is read."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        super().__init__()
        self._start = start
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._start:
            data, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        else:
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _ZstdFrames:
    """The frames of a zstd stream, one after the other.

    Not zstandard's own stream reader: that one takes a stream which ends inside a frame for whole.
    """

    # A block of 128 KB may be written in 4 bytes, so this much input gives at most 32 MB at once.
    _INPUT = 1024

    def __init__(self, source: _CountingSource) -> None:
        self._source = source
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._begun = False
        self._expanded = b""

    def read(self, size: int) -> bytes:
        while not self._expanded:
            compressed = self._frame.unused_data if self._frame.eof else b""
            compressed = compressed or self._source.read(self._INPUT) or b""
            if not compressed:
                if self._begun and not self._frame.eof:
                    raise EOFError
                return b""
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._begun = True
            self._expanded = self._frame.decompress(compressed)
        data, self._expanded = self._expanded[:size], self._expanded[size:]
        return data


def _open_zip(stream: BinaryIO, limits: ExpansionLimits) -> BinaryIO:
    try:
        archive = zipfile.ZipFile(stream)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CompressedError(f"The zip archive cannot be read: {error}.") from error
    if len(entries) > _ZIP_ENTRIES:
        raise CompressedError(f"The zip archive lists {len(entries):,} files; put one file in it.")
    files = [entry for entry in entries if not entry.is_dir() and not _is_shadow(entry.filename)]
    if len(files) != 1:
        names = ", ".join(repr(entry.filename) for entry in files[:5]) or "none"
        raise CompressedError(
            f"The zip archive should hold one file and holds {len(files)} ({names}); "
            "upload the files one by one."
        )
    entry = files[0]
    if entry.flag_bits & 0x1:
        raise CompressedError(f"The file {entry.filename!r} in the zip archive is encrypted.")
    try:
        member = archive.open(entry)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise CompressedError(f"The zip archive cannot be read: {error}.") from error
    # Deflate streams are read from the archive's own bytes, so its length bounds what was read.
    position = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(position)
    compressed = max(1, min(entry.compress_size, size))
    return _bounded(member.read, lambda: compressed, limits, name="zip")


def _is_shadow(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")


def _bounded(
    read: Callable[[int], bytes], consumed: Callable[[], int], limits: ExpansionLimits, *, name: str
) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Bounded(read, consumed, limits, name), 256 * 1024))


class _Bounded(io.RawIOBase):
    """Expanded bytes under the two limits; every failure of the expander is a CompressedError."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        consumed: Callable[[], int],
        limits: ExpansionLimits,
        name: str,
    ) -> None:
        super().__init__()
        self._read = read
        self._consumed = consumed
        self._limits = limits
        self._name = name
        self._expanded = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except EOFError as error:
            raise CompressedError(f"The {self._name} file was cut off.") from error
        except (
            gzip.BadGzipFile,
            ValueError,
            zlib.error,
            zipfile.BadZipFile,
            zstandard.ZstdError,
            NotImplementedError,
        ) as error:
            raise CompressedError(f"The {self._name} file is damaged: {error}.") from error
        buffer[: len(data)] = data
        self._expanded += len(data)
        self._check()
        return len(data)

    def _check(self) -> None:
        if self._expanded > self._limits.max_bytes:
            raise CompressedError(
                f"The {self._name} file expands to more than {self._limits.max_bytes:,} bytes."
            )
        if self._expanded > self._limits.ratio_from:
            ratio = self._expanded // max(1, self._consumed())
            if ratio > self._limits.max_ratio:
                raise CompressedError(
                    f"The {self._name} file expands to more than {self._limits.max_ratio} times "
                    "its size; it was not read further. If it is not an attack, expand it first."
                )
