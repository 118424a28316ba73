"""The embedded default: one foreground command that runs the whole workbench."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from workbench import reaper
from workbench.assets import collect_if_changed
from workbench.datafolder import prepare_data_folder
from workbench.env import env_bool
from workbench.installation import (
    AddressTaken,
    AlreadyRunning,
    create_first_admin,
    lock_data_folder,
    migrate_if_needed,
    open_socket,
)
from workbench.messages import compile_if_changed
from workbench.probe import ask_health
from workbench.supervisor import Program, Supervisor, describe_exit, kill_group, spawn_process

GRACE_SECONDS = 12.0
TICK_SECONDS = 0.1
# A file in the data folder while the demo project is still to be loaded.
DEMO_PENDING = "demo_pending"


class Command(BaseCommand):
    help = "Run the web server, a worker and the reaper until Ctrl-C."
    # They import every page, which would delay the first one; `make check` runs them.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own form

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal asks to stop.

        1. Hold the data folder and the port, so that nothing is changed by a start that fails.
        2. Start the web server, which loads the pages and waits; meanwhile migrate, and create
           the first admin.
        3. Let the web server serve, start the worker; say the address once a page comes back.
        4. Load the demo project, in a process of its own, while pages are served.
        5. Keep the programs and the reaper running until the signal; stop them all.
        """
        folder = Path(settings.WORKBENCH_DATA_DIR)
        prepare_data_folder(folder)
        try:
            lock = lock_data_folder(folder)
            listener = open_socket(settings.WORKBENCH_HOST, settings.WORKBENCH_PORT)
        except (AlreadyRunning, AddressTaken) as error:
            raise CommandError(str(error)) from None
        with lock, listener:
            self.say(f"Starting the workbench on the data folder {folder}.")
            self.serve(folder, listener.fileno())

    def serve(self, folder: Path, descriptor: int) -> None:
        """Run everything on a socket that listens already."""
        stop = threading.Event()
        signals = _StopSignals(stop)
        password: str | None = None
        env = build_child_env()
        supervisor = Supervisor(spawn=partial(spawn_process, env=env), say=self.say)
        reaper_thread = threading.Thread(
            target=reaper.run_until,
            args=(stop,),
            kwargs={"seconds": settings.WORKBENCH_REAPER_SECONDS},
            name="reaper",
            daemon=True,
        )
        demo: subprocess.Popen[bytes] | None = None
        # First, because the web server reads at its start what was compiled and collected.
        compile_if_changed()
        if not settings.DEBUG:
            collect_if_changed()
        gate, other_end = os.pipe()
        gate_holder = os.fdopen(other_end, "wb")
        try:
            supervisor.start(build_web_program(descriptor, gate))
            password = self.prepare(folder)
            gate_holder.close()
            supervisor.start(build_worker_program())
            announced = False
            while not stop.is_set():
                supervisor.check()
                if not announced and answers():
                    announced = True
                    self.announce(password)
                    password = None
                    reaper_thread.start()
                    demo = self.start_demo(folder, env)
                if demo is not None and demo.poll() is not None:
                    self.finish_demo(folder, demo.returncode)
                    demo = None
                stop.wait(TICK_SECONDS)
        finally:
            stop.set()
            # After a failure it is still open, and a web server that waits would not stop.
            gate_holder.close()
            if password is not None:
                # Nobody would ever learn it: the next start finds the user and says nothing.
                self.announce(password)
            self.say("Stopping.")
            if demo is not None:
                # What it had not committed is undone, and the next start loads it again.
                kill_group(demo)
                demo.wait()
            supervisor.stop(grace=GRACE_SECONDS, hurry=lambda: signals.impatient)
            if reaper_thread.is_alive():
                reaper_thread.join(timeout=GRACE_SECONDS)
        self.say(f"Stopped. Your data is in {folder}.")

    def prepare(self, folder: Path) -> str | None:
        """Bring the database up to date; the new admin's password, where one was made."""
        taken = migrate_if_needed()
        if taken:
            self.say(f"Brought the database up to date ({taken} migrations).")
        password = create_first_admin()
        if password is not None and env_bool("WORKBENCH_DEMO", True):
            (folder / DEMO_PENDING).touch()
        connections.close_all()
        return password

    def announce(self, password: str | None) -> None:
        """Say where the workbench is, and the password if it was just made."""
        lines = [f"PRM Workbench is at {build_url()}"]
        if password is not None:
            lines += [
                "Sign in as    admin",
                f"with password {password}",
                "It is shown this once; `.venv/bin/python manage.py reset_password admin` makes "
                "another.",
            ]
        lines.append("Ctrl-C stops everything; your data stays.")
        self.say("\n" + "\n".join(f"  {line}" for line in lines) + "\n")

    def start_demo(self, folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes] | None:
        """Start loading the demo project where it is still to be loaded."""
        if not (folder / DEMO_PENDING).exists() or "load_demo" not in get_commands():
            return None
        self.say("Loading the demo project; you can sign in already.")
        return subprocess.Popen(  # noqa: S603
            build_child_command("workbench", "load_demo"),
            env=env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def finish_demo(self, folder: Path, code: int) -> None:
        """Say how loading the demo project ended; after a failure the next start tries again."""
        if code == 0:
            (folder / DEMO_PENDING).unlink(missing_ok=True)
            self.say("The demo project is ready.")
        else:
            self.say(
                f"Loading the demo project {describe_exit(code)}; the lines above say why. "
                "The next start tries again; WORKBENCH_DEMO=off leaves it out."
            )

    def say(self, sentence: str) -> None:
        """Print a line now; the terminal may be gone, and that must not keep us from stopping."""
        with contextlib.suppress(OSError):
            self.stdout.write(sentence)
            self.stdout.flush()


class _StopSignals:
    """Sets the event at the first signal; a second one means that nobody wants to wait."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.impatient = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.receive)

    def receive(self, number: int, frame: FrameType | None) -> None:
        self.impatient = self.stop.is_set()
        self.stop.set()


def build_child_env() -> dict[str, str]:
    """The environment of web server and worker."""
    env = dict(os.environ)
    env["WORKBENCH_SUPERVISOR"] = str(os.getpid())
    env["PYTHONUNBUFFERED"] = "1"
    # The supervisor's own start checks; each child checking again costs a second of the start.
    env["CELERY_SKIP_CHECKS"] = "1"
    # glibc gives each thread its own arena, and threads here are many and small.
    env.setdefault("MALLOC_ARENA_MAX", "2")
    # numpy's helper threads hold memory in every process that imports it.
    env.setdefault("OPENBLAS_NUM_THREADS", "1")
    return env


def build_child_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line for a module that ends with this process."""
    return (sys.executable, "-m", "workbench.child", module, *arguments)


def build_web_program(descriptor: int, gate: int) -> Program:
    """gunicorn on the socket that we hold, serving once the gate's other end is closed."""
    command = build_child_command(
        "gunicorn", "--config", "python:workbench.webserver", "--bind", f"fd://{descriptor}"
    )
    return Program(
        "web server",
        command,
        pass_fds=(descriptor, gate),
        env={"WORKBENCH_GATE": str(gate)},
    )


def build_worker_program() -> Program:
    """One Celery worker for all queues.

    Threads: the work waits for the database or for a model server, and one process holds one
    copy of the code. Without gossip and mingle: there is no other worker to talk to.
    """
    command = build_child_command(
        "celery",
        "--quiet",
        "--app=workbench.celery",
        "worker",
        "--pool=threads",
        f"--concurrency={settings.WORKBENCH_WORKER_THREADS}",
        "--queues=default,io,models,sandbox",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    )
    return Program("worker", command)


def build_host() -> str:
    """Where this machine itself reaches the web server."""
    host: str = settings.WORKBENCH_HOST
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - not bound here


def build_url() -> str:
    """The address to type into a browser."""
    host = build_host()
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.WORKBENCH_PORT}/"


def answers() -> bool:
    """True when the web server answers; what it answers is not asked here."""
    status = ask_health(build_host(), settings.WORKBENCH_PORT, name="localhost", timeout=0.5)
    return status is not None
