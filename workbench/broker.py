"""Kombu's file broker, with messages that appear whole or not at all.

Kombu opens a message's file and writes it afterwards, and whoever reads in between gets half a
message: the worker ends with "Unrecoverable error" and the message is gone. It also takes messages
through the system's temporary folder, which other users share. Here a message is written beside
and moved into its place, and taken within the data folder; what cannot be read is logged and left
out, because the truth is in the database and the reaper sends again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any, cast

import orjson
from kombu.transport import filesystem

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    """A channel whose files are replaced at once."""

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        # Of one width, so that the names sort by age; the clock that outlives a restart.
        name = f"{time.time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        _write_at_once(Path(self.data_folder_out) / name, orjson.dumps(message))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f"{name}.taken-{os.getpid()}"
            try:
                os.rename(folder / name, taken)
            except OSError:
                # Another worker took it first.
                continue
            try:
                return orjson.loads(taken.read_bytes())
            except ValueError:
                logger.exception("A message in %s cannot be read; it is left out.", folder)
            finally:
                taken.unlink(missing_ok=True)
        raise Empty

    def get_table(self, exchange: str) -> list[filesystem.exchange_queue_t]:
        """The queues bound to an exchange; none where nothing was bound yet."""
        try:
            rows = orjson.loads(self._exchange_file(exchange).read_bytes())
        except FileNotFoundError:
            return []
        return [filesystem.exchange_queue_t(*row) for row in rows]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        file = cast(Path, self._exchange_file(exchange))
        file.parent.mkdir(exist_ok=True, parents=True)
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        # Two processes that bind at the same moment must not lose each other's line.
        with file.with_suffix(".lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            queues = self.get_table(exchange)
            if bound not in queues:
                _write_at_once(file, orjson.dumps([list(row) for row in [bound, *queues]]))


class Transport(filesystem.Transport):
    """The transport behind `filesystem://`."""

    Channel = Channel


def _write_at_once(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("xb") as file:
            os.chmod(draft, 0o600)
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
