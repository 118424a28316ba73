from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES

from workbench.broker import Channel, Transport


def connect(folder: Path) -> Connection:
    options = {
        "data_folder_in": str(folder / "queues"),
        "data_folder_out": str(folder / "queues"),
        "control_folder": str(folder / "control"),
        "store_processed": False,
    }
    return Connection("filesystem://localhost", transport_options=options)


@pytest.fixture
def channel(tmp_path: Path) -> Any:
    (tmp_path / "queues").mkdir()
    with connect(tmp_path) as connection:
        yield connection.channel()


def test_it_works(channel: Any) -> None:
    assert TRANSPORT_ALIASES["filesystem"] == f"{Transport.__module__}:Transport"
    assert isinstance(channel, Channel)
    channel._put("io", {"body": "数学"})
    channel._put("models", {"body": "other"})
    assert channel._get("io") == {"body": "数学"}
    with pytest.raises(Empty):
        channel._get("io")
    assert channel._get("models") == {"body": "other"}


def test_a_message_that_is_half_there_is_left_out(channel: Any, tmp_path: Path) -> None:
    (tmp_path / "queues" / f"{1:020d}_half.io.msg").write_bytes(b'{"body"')
    (tmp_path / "queues" / f"{2:020d}_empty.io.msg").write_bytes(b"")
    channel._put("io", {"body": "whole"})
    assert channel._get("io") == {"body": "whole"}
    assert list((tmp_path / "queues").iterdir()) == []


def test_messages_come_in_the_order_in_which_they_went(
    channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Names of different widths would sort 10 before 9.
    for number, moment in enumerate((9, 10, 99, 100)):
        monkeypatch.setattr("workbench.broker.time.time_ns", lambda moment=moment: moment)
        channel._put("io", {"n": number})
    assert [channel._get("io")["n"] for _ in range(4)] == [0, 1, 2, 3]


def test_many_who_put_and_get_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "queues").mkdir()
    n_threads, n_each = 4, 50
    got: list[int] = []
    start = threading.Barrier(2 * n_threads)

    def put(index: int) -> None:
        with connect(tmp_path) as connection:
            channel: Any = connection.channel()
            start.wait()
            for number in range(n_each):
                channel._put("io", {"n": index * n_each + number})

    def get() -> None:
        with connect(tmp_path) as connection:
            channel: Any = connection.channel()
            start.wait()
            # Enough looks to find everything, and an end where something is lost.
            for _look in range(100_000):
                if len(got) == n_threads * n_each:
                    return
                try:
                    got.append(channel._get("io")["n"])
                except Empty:
                    continue

    threads = [threading.Thread(target=put, args=(index,)) for index in range(n_threads)]
    threads += [threading.Thread(target=get) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(n_threads * n_each))


def test_bindings_made_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    (tmp_path / "queues").mkdir()
    start = threading.Barrier(8)

    def bind(index: int) -> None:
        with connect(tmp_path) as connection:
            channel: Any = connection.channel()
            start.wait()
            channel._queue_bind("celeryev", "", "", f"queue-{index}")

    threads = [threading.Thread(target=bind, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(tmp_path) as connection:
        channel: Any = connection.channel()
        assert {row.queue for row in channel.get_table("celeryev")} == {
            f"queue-{index}" for index in range(8)
        }
