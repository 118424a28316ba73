"""`claim_next`, `submit` and `requests_10_clients`: through HTTP, beside a bare view.

The queue is one that has been worked on: several annotators, of whom one has done a great part.
"""

from __future__ import annotations

import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.places import Scale, say, start_django
from tests.benchmarks.serving import BARE, OURS, Answer, Client, run_server

CLIENTS = 10
# One more than there are clients: the person who has done a great part already.
ANNOTATORS = CLIENTS + 1
DONE_SHARE = 0.6


def prepare(n: int) -> list[str]:
    """A queue of `n` items with people; their tokens, the busy one's first."""
    from django.db import connection

    from labeling.services.members import make_token
    from tests.benchmarks.people import judge_items, open_desk

    desk = open_desk(n, annotators=ANNOTATORS)
    judge_items(desk, desk.annotators[:1], items=int(n * DONE_SHARE))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare_label (position integer, validity text)")
    connection.close()
    return [
        make_token(user=person, name="bench", scopes=["annotate"], days=1).secret
        for person in desk.annotators
    ]


def measure(scale: Scale) -> Iterator[Figure]:
    """Milliseconds of each request alone, and requests a second of ten people at once."""
    start_django()
    tokens = prepare(scale.solutions)
    with serve_both() as ports:
        workers = [Worker(ports.ours, token) for token in tokens]
        bares = [BareWorker(ports.bare, scale.solutions) for _ in range(CLIENTS)]
        times = take_turns(workers[:2], bares[0], requests=scale.requests)
        yield times.figure("claim_next", times.claim, times.bare_item)
        yield times.figure("submit", times.submit, times.bare_labels)
        rates: list[float] = []
        raws: list[float] = []
        for _ in range(scale.repeat):
            raws.append(rush([bare.look for bare in bares], turns=2 * scale.requests))
            rates.append(2 * rush([worker.work for worker in workers[1:]], turns=scale.requests))
        yield Figure(
            "requests_10_clients",
            statistics.median(rates),
            "requests/s",
            raw=statistics.median(raws),
        )


def measure_claim(scale: Scale, *, name: str) -> Iterator[Figure]:
    """The figure of a claim alone, for queues of another length."""
    start_django()
    tokens = prepare(scale.solutions)
    with serve_both() as ports:
        workers = [Worker(ports.ours, token) for token in tokens[:2]]
        bare = BareWorker(ports.bare, scale.solutions)
        times = take_turns(workers, bare, requests=scale.requests)
        yield times.figure(name, times.claim, times.bare_item)


class Ports(NamedTuple):
    """Where the two servers listen."""

    ours: int
    bare: int


@contextmanager
def serve_both() -> Iterator[Ports]:
    """Both servers on the database of this process."""
    log = Path(os.environ["WORKBENCH_DATA_DIR"]) / "server.log"
    with run_server(BARE, log=log) as bare, run_server(OURS, log=log) as ours:
        yield Ports(ours, bare)


class Worker:
    """A person who takes an item, judges it, and takes the next."""

    def __init__(self, port: int, token: str) -> None:
        self.client = Client(port, token=token)
        self.index = 0

    def claim(self) -> Answer:
        """Take the next item: its whole workspace comes back."""
        return expect(self.client.post("/api/v1/projects/bench/assignments/claim/"), 200)

    def submit(self, workspace: Any) -> Answer:
        """Hand in a judgement of every step."""
        from labeling.content import pack_content
        from tests.benchmarks.people import build_content

        self.index += 1
        assignment = workspace["assignment"]
        content = build_content(self.index, len(workspace["steps"]))
        submission = {
            "lease_token": assignment["lease_token"],
            "idempotency_key": str(uuid.uuid4()),
            "content": pack_content(content),
            "active_ms": 1000,
        }
        path = f"/api/v1/assignments/{assignment['id']}/submit/"
        return expect(self.client.post(path, submission), 201)

    def work(self) -> None:
        """Both, one after the other."""
        self.submit(self.claim().read())


class BareWorker:
    """Somebody who only looks at items, or only stores labels."""

    def __init__(self, port: int, solutions: int) -> None:
        self.client = Client(port)
        self.solutions = solutions
        self.index = 0

    def look(self) -> Answer:
        """An item and its steps."""
        self.index += 1
        # Spread over the queue, so that no page of the database is the favourite.
        item_id = self.index * 7919 % self.solutions + 1
        return expect(self.client.get(f"/items/{item_id}/"), 200)

    def store(self) -> Answer:
        """The labels of thirteen steps."""
        steps = [{"position": position, "validity": "correct"} for position in range(13)]
        return expect(self.client.post("/labels/", {"steps": steps}), 200)


def expect(answer: Answer, status: int) -> Answer:
    """The answer, if it has this status; a figure of refusals would be worth nothing."""
    if answer.status != status:
        raise AssertionError(f"{answer.status} instead of {status}: {answer.body[:500]!r}")
    return answer


@dataclass(slots=True)
class Times:
    """Milliseconds of the requests of each kind."""

    claim: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    bare_item: list[float] = field(default_factory=list)
    bare_labels: list[float] = field(default_factory=list)

    def figure(self, name: str, ours: Sequence[float], raw: Sequence[float]) -> Figure:
        """The median of ours beside that of the bare view."""
        say(
            f"{name}: p50 {statistics.median(ours):.2f} ms, p95 {percentile(ours, 0.95):.2f} ms, "
            f"p99 {percentile(ours, 0.99):.2f} ms"
        )
        return Figure(name, statistics.median(ours), "ms", raw=statistics.median(raw))


def take_turns(workers: Sequence[Worker], bare: BareWorker, *, requests: int) -> Times:
    """One request at a time, of each kind in turn: a slow minute slows all kinds."""
    for worker in workers:
        worker.work()
    bare.look()
    bare.store()
    times = Times()
    for turn in range(requests):
        worker = workers[turn % len(workers)]
        times.bare_item.append(bare.look().ms)
        claimed = worker.claim()
        times.claim.append(claimed.ms)
        times.bare_labels.append(bare.store().ms)
        times.submit.append(worker.submit(claimed.read()).ms)
    return times


def rush(calls: Sequence[Callable[[], object]], *, turns: int) -> float:
    """Calls a second, by as many people at once as there are calls."""
    each = max(1, turns // len(calls))

    def repeat(call: Callable[[], object]) -> None:
        for _ in range(each):
            call()

    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        start = time.perf_counter()
        for done in [pool.submit(repeat, call) for call in calls]:
            done.result()
        return each * len(calls) / (time.perf_counter() - start)
