"""Evidence made up, row by row: what a run of GenPRM would have stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from labeling.models import Project, ReviewItem, Solution, User
from modeljobs import selectors
from modeljobs.models import (
    CodeTrial,
    Engine,
    EqualityCheck,
    JobItem,
    ModelJob,
    RationaleRating,
    StepEvidence,
)
from modeljobs.texts import write_chunk

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CODE = "total = 2 + 2\nprint(total)"


def make_job(
    project: Project,
    by: User,
    solutions: Sequence[Solution],
    *,
    kind: str = "scripted",
    state: str = "done",
    item_state: str = "done",
    **fields: Any,
) -> ModelJob:
    """A job of GenPRM with an item for each solution, as it is after a run."""
    engine, _made = Engine.objects.get_or_create(name=f"{kind} engine", defaults={"kind": kind})
    job = ModelJob.objects.create(
        project=project,
        engine=engine,
        method="genprm",
        engine_snapshot={
            "id": engine.pk,
            "name": engine.name,
            "kind": kind,
            "settings": {"model": "" if kind == "scripted" else "little-1"},
            "is_scripted": kind == "scripted",
        },
        is_scripted=kind == "scripted",
        state=state,
        created_by=by,
        started_at=NOON,
        finished_at=NOON if state == "done" else None,
        **fields,
    )
    times: dict[str, Any] = {}
    if item_state == "leased":
        times = {"lease_token": uuid.uuid4(), "lease_expires_at": NOON, "worker": "w"}
    if item_state in selectors.FINISHED:
        times = {"finished_at": NOON}
    JobItem.objects.bulk_create(
        JobItem(job=job, solution=solution, state=item_state, attempts=1, **times)
        for solution in solutions
    )
    return job


def make_block(code: str = CODE, output: str = "4", **changes: Any) -> dict[str, Any]:
    return {
        "code": code,
        "output": output,
        "status": "ok",
        "is_truncated": False,
        "wall_ms": 12,
        "layers": ["rlimits", "landlock", "seccomp"],
        **changes,
    }


def make_sample(sample: int = 0, p_yes: float | None = 0.9, **changes: Any) -> dict[str, Any]:
    """A sample that says yes from 0.5 on, and cannot be read without a probability."""
    verdict = None if p_yes is None else ("yes" if p_yes >= 0.5 else "no")
    return {
        "sample": sample,
        "text": f"<analyze>\nWhole reply {sample}\n</analyze>",
        "analysis": "We check that $2+2=4$.",
        "blocks": [make_block()],
        "verdict": verdict,
        "p_yes": p_yes,
        "bound": "exact" if p_yes is not None else None,
        "unparsed": "" if p_yes is not None else "There is no decision in the reply.",
        "fell_back": False,
        "completion_tokens": 120,
        **changes,
    }


def summarise(samples: Sequence[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """The summary of some samples, as the method makes it."""
    known = [sample["p_yes"] for sample in samples if sample["p_yes"] is not None]
    mean = sum(known) / len(known) if known else None
    yes = sum(sample["verdict"] == "yes" for sample in samples)
    no = sum(sample["verdict"] == "no" for sample in samples)
    unparsed = len(samples) - yes - no
    return {
        "mean": mean,
        "verdict": None if mean is None else mean >= 0.5,
        "majority": None if yes == no else yes > no,
        "yes": yes,
        "no": no,
        "unparsed": unparsed,
        "samples": len(samples),
        "p_yes": [sample["p_yes"] for sample in samples],
        "bounds": [sample["bound"] for sample in samples],
        "threshold": 0.5,
        "variance": None,
        "completion_tokens": 120 * len(samples),
        "code_runs": sum(len(sample["blocks"]) for sample in samples),
        "fell_back": 0,
        "mode": "code",
        "unparsed_reasons": {"no_decision": unparsed} if unparsed else {},
        "chosen": None,
        **changes,
    }


def add_evidence(
    item: JobItem,
    position: int = 0,
    samples: Sequence[Mapping[str, Any]] | None = None,
    *,
    with_texts: bool = True,
    **changes: Any,
) -> StepEvidence:
    """What was found of one step; `changes` are of the summary."""
    given = [make_sample()] if samples is None else list(samples)
    chunk = ""
    if with_texts:
        chunk = write_chunk(json.dumps({"schema": 1, "detail": {"samples": given}}).encode())
    return StepEvidence.objects.create(
        item=item,
        position=position,
        kind="genprm",
        summary=summarise(given, **changes),
        chunk=chunk,
        created_at=NOON,
    )


def add_trial(item: JobItem, author: User, **fields: Any) -> CodeTrial:
    """A run that has ended."""
    given: dict[str, Any] = {
        "position": 0,
        "sample": 0,
        "block": 0,
        "code": "print(2 + 3)",
        "state": CodeTrial.State.DONE,
        "status": "ok",
        "output": "5",
        "milliseconds": 31,
        "layers": ["rlimits", "seccomp"],
        "created_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
    }
    return CodeTrial.objects.create(item=item, author=author, **(given | fields))


def add_rating(item: JobItem, person: User, **fields: Any) -> RationaleRating:
    """A person's word on the reasoning of a sample."""
    given: dict[str, Any] = {"position": 0, "sample": 0, "value": "sound", "created_at": NOON}
    return RationaleRating.objects.create(item=item, person=person, **(given | fields))


def add_check(item: ReviewItem, author: User, **fields: Any) -> EqualityCheck:
    """An equality that was checked: 1 + 1 = 3, which is false."""
    pair = {
        "left": "1+1",
        "relation": "=",
        "right": "3",
        "answer": "false",
        "code": "numbers",
        "values": {"left": "2", "right": "3"},
        "notes": [],
    }
    given: dict[str, Any] = {
        "project": item.project,
        "position": 0,
        "text": "1+1=3",
        "state": EqualityCheck.State.DONE,
        "answer": EqualityCheck.Answer.FALSE,
        "left": "1+1",
        "right": "3",
        "reason": json.dumps({"code": "", "values": {}, "pairs": [pair], "ended": ""}),
        "milliseconds": 140,
        "layers": ["rlimits", "seccomp"],
        "created_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
    }
    return EqualityCheck.objects.create(review_item=item, author=author, **(given | fields))
