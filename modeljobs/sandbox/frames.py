"""Messages between the worker, its runner and the interpreters: JSON with its length before it."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any

HEADER = struct.Struct("!I")
# What a worker may send at once; code is escaped to ASCII on the way.
MAX_CODE_CHARS = 1_000_000
MAX_REQUEST = 12 * MAX_CODE_CHARS + 65_536
# Bytes that are read before others are looked after.
READ_SIZE = 65_536


class BadFrame(Exception):
    """What came is no message of this protocol."""


def pack(frame: Mapping[str, Any]) -> bytes:
    """A message as it goes over a socket."""
    body = json.dumps(frame, separators=(",", ":")).encode("ascii")
    return HEADER.pack(len(body)) + body


def unpack(body: bytes | bytearray) -> dict[str, Any]:
    """A message without its length. It may come from hostile code: BadFrame where it is none."""
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFrame("a message is not JSON") from error
    if not isinstance(frame, dict):
        raise BadFrame("a message is not an object")
    return frame


def max_reply(output_chars: int) -> int:
    """The most bytes of a reply whose text is so long: a character may take two escapes."""
    return 12 * output_chars + 4096


class Channel:
    """One end of a stream socket that never blocks; a message longer than `max_frame` is refused.

    What cannot be sent at once is kept: `is_waiting` says that the socket should be watched for
    room, and `flush` sends on.
    """

    def __init__(self, sock: socket.socket, *, max_frame: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._max_frame = max_frame
        self._read = bytearray()
        self._unsent = bytearray()

    @property
    def is_waiting(self) -> bool:
        return bool(self._unsent)

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send or keep. OSError where the other end is gone."""
        self._unsent += pack(frame)
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as there is room."""
        while self._unsent:
            try:
                sent = self.sock.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                return
            del self._unsent[:sent]

    def receive(self) -> Iterator[dict[str, Any]]:
        """The messages that came in. EOFError when the other end is gone, or BadFrame.

        ConnectionResetError where it went without having read all that it was sent.
        """
        try:
            piece = self.sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        if not piece:
            raise EOFError
        self._read += piece
        while len(self._read) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._read)
            if length > self._max_frame:
                raise BadFrame(f"a message of {length} bytes is too long")
            if len(self._read) < HEADER.size + length:
                return
            body = self._read[HEADER.size : HEADER.size + length]
            del self._read[: HEADER.size + length]
            yield unpack(body)
