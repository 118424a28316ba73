"""Messages between processes, some of which are hostile."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from modeljobs.sandbox.frames import BadFrame, Channel, pack, unpack


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel, and the bare other end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, max_frame=1000), theirs


def test_a_message_comes_back_as_it_was(pair):
    channel, other = pair
    other.sendall(pack({"code": "é\ud800\0", "n": 1}))
    assert [*channel.receive()] == [{"code": "é\ud800\0", "n": 1}]


def test_a_message_in_pieces_waits_for_its_end(pair):
    channel, other = pair
    data = pack({"a": 1}) + pack({"b": 2})
    other.sendall(data[:7])
    assert [*channel.receive()] == []
    other.sendall(data[7:])
    assert [*channel.receive()] == [{"a": 1}, {"b": 2}]


def test_a_long_message_is_refused_before_it_is_there(pair):
    channel, other = pair
    other.sendall(b"\0\0\x03\xe9")
    with pytest.raises(BadFrame, match="1001 bytes"):
        [*channel.receive()]


def test_the_end_of_the_other_side_is_told(pair):
    channel, other = pair
    other.close()
    with pytest.raises(EOFError):
        [*channel.receive()]


def test_nothing_there_is_no_message(pair):
    assert [*pair[0].receive()] == []


def test_what_finds_no_room_is_kept(pair):
    channel, other = pair
    channel.send({"code": "x" * 2_000_000})
    assert channel.is_waiting
    received = 0
    while channel.is_waiting:
        received += len(other.recv(1 << 20))
        channel.flush()
    assert received > 0


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b""])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(BadFrame):
        unpack(body)


def test_an_end_that_left_something_unread_is_told_apart(pair):
    channel, other = pair
    channel.send({"code": "1"})
    other.close()
    with pytest.raises(ConnectionResetError):
        [*channel.receive()]
