"""Jobs of rollouts made up row by row: the counts and the evidence that a run would have stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labeling.bulk import insert_rows
from labeling.models import Problem, Project, Solution, User
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import (
    FileWriting,
    JobItem,
    LabelReading,
    ModelJob,
    ReferenceDoubt,
    StepCounts,
    StepEvidence,
)
from modeljobs.readings import pack_rule
from modeljobs.texts import write_chunk
from tests.modeljobs.web.rows import NOON, make_job
from tests.modeljobs.writing_now import freeze

COLUMNS = (
    *("item", "position", "correct", "wrong", "unparsable", "truncated", "undecided", "failed"),
    "is_exact",
)
# (right, wrong) from the problem alone and after each step; of the last, its own answer.
Pair = tuple[int, int]
SOUND: tuple[Pair, ...] = ((48, 16), (48, 16), (1, 0))
BROKEN: tuple[Pair, ...] = ((48, 16), (4, 60), (0, 1))
# 0.75 to 0.5625 of 16: nobody can say whether that is 80 % of it.
UNSURE: tuple[Pair, ...] = ((12, 4), (9, 7), (1, 0))


def make_rpe_job(
    project: Project, by: User, solutions: Sequence[Solution], **fields: Any
) -> ModelJob:
    """A job of rollouts with an item for each solution, done, without any counts yet."""
    job = make_job(project, by, solutions, **fields)
    job.method = "rpe"
    job.parameters = {"plan": "published", **pack_rule(LabelRule())}
    job.prompt_version = "rollout-1"
    job.save()
    JobItem.objects.filter(job=job).update(finished_at=NOON)
    return job


def add_counts(item: JobItem, pairs: Sequence[Pair]) -> None:
    """The counts of one item: the problem alone, then each step, the last by its answer."""
    last = len(pairs) - 2
    insert_rows(
        StepCounts,
        COLUMNS,
        [
            (item.pk, at, right, wrong, 0, 0, 0, 0, at == last)
            for at, (right, wrong) in enumerate(pairs, -1)
        ],
    )


def count_job(
    project: Project,
    by: User,
    solutions: Sequence[Solution],
    counts: Sequence[Sequence[Pair]],
    **fields: Any,
) -> ModelJob:
    """A job whose items have these counts, in the order of the solutions."""
    job = make_rpe_job(project, by, solutions, **fields)
    for item, pairs in zip(job.items.order_by("pk"), counts, strict=True):
        add_counts(item, pairs)
    return job


def add_evidence_of(
    item: JobItem, pairs: Sequence[Pair], *, reference: str = "4", with_texts: int | None = None
) -> None:
    """The evidence rows that belong to the counts; answers and texts with so many of the first,
    or with all.
    """
    last = len(pairs) - 2
    for at, (right, wrong) in enumerate(pairs, -1):
        is_exact = at == last
        add_rollouts(
            item,
            max(at, 0),
            right,
            wrong,
            kind="rpe_start" if at < 0 else "rpe",
            reference=reference,
            has_texts=with_texts is None or at + 1 < with_texts,
            judged_by="answer" if is_exact else "rollouts",
        )


def add_rollouts(
    item: JobItem,
    position: int,
    right: int,
    wrong: int,
    *,
    kind: str = "rpe",
    reference: str = "4",
    other: str = "5",
    has_texts: bool = True,
    **changes: Any,
) -> StepEvidence:
    """One row of evidence; `changes` are of its summary."""
    counts = {
        **dict.fromkeys(("unparsable", "truncated", "undecided", "failed"), 0),
        "correct": right,
        "wrong": wrong,
    }
    n = right + wrong
    summary: dict[str, Any] = {
        "counts": counts,
        "k": n,
        "mc": right / n if n else None,
        "interval": None,
        "judged_by": "rollouts",
        "planned": n,
        "shared": 0,
        "stop": "planned",
        "answers": 2,
        "checker": "plain/1",
        "reasons": {},
        **({"of": "completer", "suspect": None} if kind == "rpe_start" else {}),
        **changes,
    }
    detail: dict[str, Any] = {
        "sampler": {"temperature": 0.7, "top_k": None},
        "template": "numbered/1",
        "chunks": [{"number": 0, "origin": "x", "seed": 1, "model": "little-1", "shared": False}],
    }
    if not has_texts:
        return _add(item, position, kind, summary, detail)
    detail |= {
        "answers": [
            {"answer": answer, "count": k, "outcome": outcome, "checker": "plain/1", "reason": ""}
            for answer, k, outcome in ((reference, right, "correct"), (other, wrong, "wrong"))
            if k
        ],
        "samples": [
            {
                "text": f"Whole rollout ending in {answer}.",
                "finish": "stop",
                "outcome": outcome,
                "answer": answer,
                "place": "box",
            }
            for answer, k, outcome in ((reference, right, "correct"), (other, wrong, "wrong"))
            for _ in range(min(k, 8))
        ],
    }
    return _add(item, position, kind, summary, detail)


def add_scores(
    item: JobItem, position: int, *, kind: str = "prm", texts: Sequence[str] = (), **changes: Any
) -> StepEvidence:
    """A row of evidence of a PRM with two scores, or of a critic."""
    summary: dict[str, Any] = {
        "scores": [
            {
                "name": "validity",
                "raw": 0.31,
                "scale": "probability",
                "rule": "> 0.5",
                "verdict": False,
            },
            {
                "name": "redundancy",
                "raw": 0.04,
                "scale": "probability",
                "rule": "> 0.15",
                "verdict": False,
            },
        ],
        "verdict": False,
        "uncertainty": 0.02,
        "family": "reasoneval",
        "template": "reasoneval/1",
        "token": 41,
        "samples": max(1, len(texts)),
        "reason": "",
        **changes,
    }
    detail = {"samples": [{"text": text} for text in texts]} if texts else {}
    return _add(item, position, kind, summary, detail)


def _add(
    item: JobItem, position: int, kind: str, summary: Mapping[str, Any], detail: Mapping[str, Any]
) -> StepEvidence:
    chunk = write_chunk(json.dumps({"schema": 1, "detail": detail}).encode())
    return StepEvidence.objects.create(
        item=item, position=position, kind=kind, summary=summary, chunk=chunk, created_at=NOON
    )


def add_doubt(problem: Problem, item: JobItem | None = None, **fields: Any) -> ReferenceDoubt:
    """Most rollouts contradict the problem's reference."""
    given: dict[str, Any] = {
        "reference": "4",
        "answer": "5",
        "rollouts": 60,
        "answered": 64,
        "created_at": NOON,
        **fields,
    }
    return ReferenceDoubt.objects.create(problem=problem, item=item, **given)


def ensure_labels(project: Project, by: User, solution: Solution) -> ModelJob:
    """The project's job of rollouts with an open step and a frozen reading; made where there is
    none.
    """
    found = ModelJob.objects.filter(project=project, method="rpe").first()
    if found is not None:
        return found
    pairs = [(12, 4), *[(9, 7)] * (solution.n_steps - 1), (1, 0)]
    job = count_job(project, by, [solution], [pairs])
    freeze(job=job, rule=LabelRule(), by=by)
    return job


def add_writing(job: ModelJob, **fields: Any) -> FileWriting:
    """A row of a file of labels, as if a worker had it; `fields` say how it stands."""
    given: dict[str, Any] = {
        "request": {"rule": pack_rule(LabelRule()), "note": ""},
        "state": FileWriting.State.RUNNING,
        "requested_by": job.created_by,
        "created_at": NOON,
        "started_at": NOON,
        "beat_at": NOON,
        **fields,
    }
    return FileWriting.objects.create(job=job, **given)


def add_reading(job: ModelJob, number: int) -> LabelReading:
    """A row of a frozen reading, without its file."""
    return LabelReading.objects.create(
        job=job,
        number=number,
        rule=pack_rule(LabelRule()),
        sha256="0" * 64,
        size=1,
        created_by=job.created_by,
        created_at=NOON,
    )
