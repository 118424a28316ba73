"""gunicorn's configuration: threads, since pages wait for the database more than they compute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.env import env_int, env_text

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker

wsgi_app = "workbench.wsgi:application"
# Under `manage.py serve` the supervisor holds the socket and hands it over.
bind = env_text("WORKBENCH_BIND") or (
    f"{env_text('WORKBENCH_HOST', '127.0.0.1')}:{env_int('WORKBENCH_PORT', 8000)}"
)
worker_class = "gthread"
workers = env_int("WORKBENCH_WEB_WORKERS", 1, minimum=1, maximum=64)
threads = env_int("WORKBENCH_WEB_THREADS", 8, minimum=1, maximum=256)
# A download may take long; under gthread this bounds a stuck process, not a slow request.
timeout = 60
graceful_timeout = 10
keepalive = 5
loglevel = "warning"
# A second way in, for a tool that nobody here uses.
control_socket_disable = True
# The heartbeat file of each worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_worker_init(worker: Worker) -> None:
    """Wait, with the pages loaded, until the supervisor has brought the database up to date.

    It holds the other end of the pipe and closes it then. Loading the pages meanwhile, beside
    the migrations, brings the first page a second sooner.
    """
    gate = env_int("WORKBENCH_GATE", -1)
    if gate >= 0:
        os.read(gate, 1)
