"""Real workers on a data folder of their own, a model server in this process, and the hand that
kills.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.modeljobs.rolling import join_messages, roll
from tests.modeljobs.stepping import answer

ROOT = Path(__file__).resolve().parents[3]
# Nothing here takes seconds on a machine that has nothing else to do.
PATIENCE = 180.0
# Long enough that a worker which is merely slow keeps what it has.
LEASE_SECONDS = "3"


class FaultsFailed(AssertionError):
    """Something did not happen in time, or a process said no; with what they wrote."""


def do_nothing(number: int, when: str) -> None:
    """Let the model server answer in peace."""


@dataclass
class AnswerServer:
    """Answers completions by `stepping.answer` and chats by `rolling.roll`; `asked` are the prompts
    in their order, those of chats with their seeds (see `name_chat`).

    `at_answer` is called before and after each answer with how many were asked for so far.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    at_answer: Callable[[int, str], None] = do_nothing
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, prompt: str) -> int:
        with self.lock:
            self.asked.append(prompt)
            return len(self.asked)

    def forget(self) -> None:
        with self.lock:
            self.asked.clear()

    def list_asked(self) -> list[str]:
        with self.lock:
            return list(self.asked)


def complete_prompt(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    completion = answer(body["prompt"])
    choice = {"index": 0, "text": completion.text, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
    }
    return body["prompt"], {"choices": [choice], "usage": usage}


def complete_chat(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    prompt = join_messages([(one["role"], one["content"]) for one in body["messages"]])
    texts = roll(prompt, seed=body["seed"], n=body["n"])
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 8 * len(texts)}
    return name_chat(prompt, body["seed"]), {"choices": choices, "usage": usage}


def name_chat(prompt: str, seed: int | None) -> str:
    return f"{prompt}|{seed}"


@contextlib.contextmanager
def run_answer_server() -> Iterator[AnswerServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            complete = complete_chat if "messages" in body else complete_prompt
            asked, reply = complete(body)
            number = server.note(asked)
            server.at_answer(number, "before")
            raw = json.dumps({"model": "hash", **reply}).encode()
            # A client that was killed hangs up.
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            server.at_answer(number, "after")

    class QuietServer(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A killed client's connection breaks anywhere."""

    http = QuietServer(("127.0.0.1", 0), Handler)
    server = AnswerServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@dataclass
class Worker:
    """A Celery worker as `make run` starts it, for the queue of models alone."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """As a power cut would: no good-byes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=PATIENCE)


@dataclass
class Fleet:
    """Workers, the desk beside them, and the model server that they ask."""

    folder: Path
    env: dict[str, str]
    server: AnswerServer
    desk: subprocess.Popen[str]
    workers: list[Worker] = field(default_factory=list)
    project: int = 0
    rolling: int = 0
    engine: int = 0
    started: int = 0
    redis: Redis | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def ask(self, do: str, **arguments: Any) -> Any:
        """What the desk answers."""
        assert self.desk.stdin is not None
        self.desk.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.desk.stdin.flush()
        return self.hear()

    def hear(self) -> Any:
        assert self.desk.stdout is not None
        line = self.desk.stdout.readline()
        if not line:
            raise FaultsFailed(f"The desk has ended:\n{self.read_log()}")
        return json.loads(line)

    def start_worker(self) -> Worker:
        self.started += 1
        command = [
            *(sys.executable, "-m", "celery", "--quiet", "--app=workbench.celery", "worker"),
            *("--pool=threads", "--concurrency=2", "--queues=models", "--loglevel=WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            f"--hostname=worker{self.started}@test",
        ]
        with self.log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process)
        self.workers.append(worker)
        return worker

    def lose_messages(self) -> None:
        """Forget everything that the broker holds."""
        if self.redis is not None:
            self.redis.kill()
            self.redis.start()
            return
        for message in (self.folder / "data" / "broker").rglob("*.msg"):
            message.unlink(missing_ok=True)

    def stop_workers(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.server.at_answer = do_nothing

    def start_job(self, *, messages: int = 1) -> int:
        self.server.forget()
        started = self.ask("start", project=self.project, engine=self.engine, messages=messages)
        job: int = started["job"]
        return job

    def start_rollouts(self, *, messages: int = 1) -> int:
        self.server.forget()
        started = self.ask(
            "start_rollouts", project=self.rolling, engine=self.engine, messages=messages
        )
        job: int = started["job"]
        return job

    def finish(self, job: int, *, read: str = "read") -> Any:
        """Do the reaper's chores until the job is done; what it left."""
        deadline = time.monotonic() + PATIENCE
        while (stand := self.ask("tend", job=job))["state"] != "done":
            if time.monotonic() > deadline:
                raise FaultsFailed(f"The job is still at {stand}:\n{self.read_log()}")
            time.sleep(0.1)
        return self.ask(read, job=job)

    def read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-20_000:]


@dataclass
class Redis:
    """A Redis that can be ended and started again on the same socket, with nothing in it."""

    program: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.socket}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program, "--port", "0", "--unixsocket", str(self.socket)]
            + ["--save", "", "--appendonly", "no", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise FaultsFailed(f"{self.program} did not start.")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it, and all it held."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=PATIENCE)
            self.socket.unlink(missing_ok=True)


@contextlib.contextmanager
def run_own_redis(program: str) -> Iterator[Redis]:
    """A Redis of a test's own. A socket's path may have 107 characters at most: no deep folder."""
    with tempfile.TemporaryDirectory(prefix="prmw-redis-", dir="/tmp") as name:
        redis = Redis(program, Path(name))
        redis.start()
        try:
            yield redis
        finally:
            redis.kill()


@contextlib.contextmanager
def run_fleet(folder: Path, **settings: str) -> Iterator[Fleet]:
    """A data folder, its desk and a model server; no worker yet. `settings` are WORKBENCH_*."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WORKBENCH_", "DJANGO_", "CELERY_")) and name != "DATABASE_URL"
    }
    env |= {
        "DJANGO_SETTINGS_MODULE": "tests.modeljobs.faults.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "CELERY_SKIP_CHECKS": "1",
        "WORKBENCH_DATA_DIR": str(folder / "data"),
        "WORKBENCH_STATIC_ROOT": str(folder / "static"),
        "WORKBENCH_DEMO": "off",
        "WORKBENCH_LOG_LEVEL": "WARNING",
        "WORKBENCH_JOB_LEASE_SECONDS": LEASE_SECONDS,
        **settings,
    }
    with run_answer_server() as server, (folder / "log").open("ab") as stream:
        desk = subprocess.Popen(
            [sys.executable, "-m", "tests.modeljobs.faults.desk"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
        fleet = Fleet(folder, env, server, desk)
        try:
            fleet.hear()
            made = fleet.ask("prepare", url=server.url)
            fleet.project, fleet.engine = made["project"], made["engine"]
            fleet.rolling = made["rolling"]
            yield fleet
        finally:
            fleet.stop_workers()
            assert desk.stdin is not None
            assert desk.stdout is not None
            desk.stdin.close()
            desk.wait(timeout=PATIENCE)
            desk.stdout.close()
