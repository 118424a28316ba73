"""Two jobs on the same solutions, made up row by row: rollouts, and a judge with its samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from labeling.models import Project, Solution, User
from labeling.records import At, FirstError, NoError
from modeljobs.models import (
    ConsensusFinding,
    ConsensusRun,
    Engine,
    JobItem,
    ModelJob,
    StepCounts,
    StepEvidence,
)
from modeljobs.services.consensus import compare, conversations_folder
from modeljobs.texts import write_chunk
from tests.labeling.factories import make_solution

K = 4096
# What each word does to the share of rollouts that are right: "open" lands just above epsilon, 0.8.
CHANGES = {"right": 1.0, "wrong": 0.25, "open": 0.805}

Words = Sequence[str]
Verdicts = Sequence[bool | None]


def make_job(
    project: Project, by: User, method: str, *, model: str = "judge-1", **fields: Any
) -> ModelJob:
    """A job that has ended."""
    engine, _made = Engine.objects.get_or_create(
        name=f"engine of {model}", defaults={"kind": "openai_compatible", "model": model}
    )
    return ModelJob.objects.create(
        project=project,
        engine=engine,
        method=method,
        engine_snapshot={
            "id": engine.pk,
            "name": engine.name,
            "kind": engine.kind,
            "settings": {"model": model},
        },
        state=ModelJob.State.DONE,
        created_by=by,
        **fields,
    )


def make_rpe_job(project: Project, by: User, *, model: str = "policy-1", **fields: Any) -> ModelJob:
    return make_job(project, by, "rpe", model=model, **fields)


def add_item(job: ModelJob, solution: Solution, **fields: Any) -> JobItem:
    return JobItem.objects.create(
        job=job, solution=solution, **{"state": JobItem.State.DONE, "attempts": 1, **fields}
    )


def make_solutions(
    project: Project, count: int, *, steps: int = 3, first: int = 0
) -> list[Solution]:
    """So many solutions; `first` is the number of the first, where there are others already."""
    return [
        make_solution(
            project,
            f"s{number:04}",
            question=f"What is ${number}+{number}$?",
            steps=tuple(f"Step {at + 1}: we go on with {number}." for at in range(steps)),
        )
        for number in range(first, first + count)
    ]


def add_rollouts(job: ModelJob, solution: Solution, words: Words) -> JobItem:
    """Counts under which the steps are "right", "wrong", "open" or "unknown" by the ratio 0.8.

    The last step is judged by its answer and cannot be open.
    """
    item = add_item(job, solution)
    share = 0.9
    rows = [_count(item, -1, share)]
    for position, word in enumerate(words[:-1]):
        if word == "unknown":
            rows.append(StepCounts(item=item, position=position, failed=K))
            continue
        share *= CHANGES[word]
        rows.append(_count(item, position, share))
    is_right = words[-1] == "right"
    rows.append(
        StepCounts(
            item=item,
            position=len(words) - 1,
            correct=int(is_right),
            wrong=int(words[-1] == "wrong"),
            undecided=int(words[-1] == "unknown"),
            is_exact=True,
        )
    )
    StepCounts.objects.bulk_create(rows)
    return item


def _count(item: JobItem, position: int, share: float) -> StepCounts:
    correct = round(K * share)
    return StepCounts(item=item, position=position, correct=correct, wrong=K - correct)


def write_reply(is_yes: bool, *, number: int = 1, sample: int = 0) -> str:
    """A whole turn as the protocol has it."""
    answer = "Yes" if is_yes else "No"
    return (
        f"<analyze>\nLet's analyze the Paragraph {number} step by step: sample {sample}.\n"
        "</analyze>\n<verify>\nLet's use python code to find any potential error:\n"
        f"```python\nprint({sample})\n```\n[Code Output]\n\n```\n{sample}\n```\n</verify>\n"
        f"<output>\n**Judgement**: $\\boxed{{{answer}}}$\n</output>\n"
    )


def make_sample(verdict: bool | None, *, number: int = 1, sample: int = 0) -> dict[str, Any]:
    """One sample's word on one step, as GenPRM's detail has it."""
    return {
        "sample": sample,
        "text": write_reply(bool(verdict), number=number, sample=sample),
        "analysis": f"Sample {sample} looks at step {number}.",
        "blocks": [{"code": f"print({sample})", "output": str(sample), "status": "ok"}],
        "verdict": None if verdict is None else ("yes" if verdict else "no"),
        "p_yes": None if verdict is None else (0.9 if verdict else 0.1),
        "fell_back": False,
    }


def summarise(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [one["p_yes"] for one in samples if one["p_yes"] is not None]
    mean = sum(known) / len(known) if known else None
    words = [one["verdict"] for one in samples]
    yes, no = words.count("yes"), words.count("no")
    return {
        "mean": mean,
        "verdict": None if mean is None else mean >= 0.5,
        "majority": None if yes == no else yes > no,
        "yes": yes,
        "no": no,
        "unparsed": len(samples) - yes - no,
        "samples": len(samples),
        "verdicts": [{"yes": True, "no": False}.get(word) for word in words],
        "p_yes": [one["p_yes"] for one in samples],
        "chosen": 0,
        "mode": "code",
    }


def add_judgement(
    job: ModelJob, solution: Solution, *samples: Verdicts, drop: Sequence[str] = (), **fields: Any
) -> JobItem:
    """Each sample's verdicts, step by step; the samples must be equally long.

    `drop` names entries that the summaries of an older version lack; `fields` are the item's.
    """
    item = add_item(job, solution, **fields)
    for position, verdicts in enumerate(zip(*samples, strict=True)):
        add_step(
            item,
            position,
            [
                make_sample(verdict, number=position + 1, sample=at)
                for at, verdict in enumerate(verdicts)
            ],
            drop=drop,
        )
    return item


def add_step(
    item: JobItem,
    position: int,
    samples: Sequence[Mapping[str, Any]],
    *,
    drop: Sequence[str] = (),
) -> StepEvidence:
    summary = summarise(samples)
    for name in drop:
        del summary[name]
    chunk = write_chunk(json.dumps({"schema": 1, "detail": {"samples": list(samples)}}).encode())
    return StepEvidence.objects.create(
        item=item,
        position=position,
        kind="genprm",
        summary=summary,
        chunk=chunk,
        created_at=timezone.now(),
    )


def spell_out(first: FirstError, steps: int) -> list[bool | None]:
    """Verdicts, step by step, of a judge that finds this first error."""
    match first:
        case At(position):
            return [at < position for at in range(steps)]
        case NoError():
            return [True] * steps
        case _:
            return [None] * steps


def ensure_run(job: ModelJob) -> ConsensusRun:
    """A comparison in the job's project that found nothing yet; made where there is none."""
    found = ConsensusRun.objects.filter(rpe_job=job).order_by("pk").first()
    return found or make_run(job)


def make_run(job: ModelJob) -> ConsensusRun:
    return ConsensusRun.objects.create(
        project=job.project,
        rpe_job=job,
        judge_job=job,
        rule={"vote": "unanimity", "scope": "all", "open_steps": "leave", "labels": {}},
        report={"funnel": {"given": 0, "kept": 0}, "decisions": {}},
        created_by=job.created_by,
        created_at=timezone.now(),
    )


def add_finding(run: ConsensusRun, solution: Solution) -> ConsensusFinding:
    return ConsensusFinding.objects.create(
        run=run,
        solution=solution,
        decision="kept",
        steps=[[True, True]] * solution.n_steps,
        judge_first_error={"none": True},
    )


def make_comparison(project: Project, by: User) -> ConsensusRun:
    """Two jobs on solutions of every ending, compared: one kept right, one kept wrong, and one or
    two dropped for each reason.
    """
    rpe, judge = make_rpe_job(project, by), make_job(project, by, "genprm")
    yes, late = (True,) * 4, (True, True, True, False)
    cases: Sequence[tuple[Words, Sequence[Verdicts]]] = (
        (("right",) * 4, (yes, yes)),
        (("right", "right", "wrong", "wrong"), ((True, True, False, False),) * 2),
        (("right",) * 4, (late, late)),
        (("right", "wrong", "wrong", "wrong"), (late, late)),
        (("right",) * 4, (yes, late)),
        (("right",) * 4, (yes, (True, None, True, True))),
        (("right", "open", "right", "right"), (yes, yes)),
        (("right", "right", "unknown", "right"), (yes, yes)),
    )
    for solution, (words, samples) in zip(
        make_solutions(project, len(cases), steps=4), cases, strict=True
    ):
        add_rollouts(rpe, solution, words)
        add_judgement(judge, solution, *samples)
    return compare(project=project, rpe_job=rpe, judge_job=judge, by=by)


def give_file(run: ConsensusRun) -> None:
    """A file of no conversations, as if the comparison had written it."""
    sha256 = hashlib.sha256(b"").hexdigest()
    folder = conversations_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{sha256}.jsonl").write_bytes(b"")
    run.report = {**run.report, "conversations": {"sha256": sha256, "size": 0, "rows": 0}}
    run.save()
