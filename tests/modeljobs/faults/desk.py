"""`python -m tests.modeljobs.faults.desk`: a process beside the workers that makes jobs, does the
reaper's chores and says what stands in the rows. One JSON request and one answer a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

SEED = 7
SOLUTIONS = 8
STEPS = 3
# Of the job that labels by rollouts.
PROBLEMS = 3


def main() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from modeljobs.services import jobs

    # A reaper that is not patient: what one wake did not do, the next does soon.
    jobs.FIRST_WAKE_DELAY = timedelta(seconds=1)
    say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("do")
        say(ACTIONS[name](**request))


def say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def prepare(url: str) -> dict[str, Any]:
    """A project whose solutions an engine at `url` is to judge."""
    from labeling.models import User
    from modeljobs.services.engines import create_engine
    from tests.labeling.factories import make_project, make_solution
    from tests.modeljobs.rolling import make_problems

    lead = User(username="alice", is_superuser=True)
    lead.set_unusable_password()
    lead.save()
    project = make_project(lead)
    for number in range(SOLUTIONS):
        make_solution(
            project,
            f"s{number}",
            question=f"What is ${number}+{number}$?",
            steps=[f"Step {step} of solution {number}." for step in range(STEPS)],
        )
    engine = create_engine(
        name="Answers",
        kind="openai_compatible",
        settings={"base_url": url, "model": "hash", "max_concurrency": 4, "max_attempts": 1},
        by=lead,
    )
    rolling = make_project(lead, "rolling")
    make_problems(rolling, PROBLEMS)
    return {"project": project.pk, "rolling": rolling.pk, "engine": engine.pk}


def start(project: int, engine: int, messages: int = 1) -> dict[str, Any]:
    """Start another job on the same solutions; what earlier ones said is taken away, so that this
    one says it anew.
    """
    from labeling.models import Project, Suggestion, User
    from modeljobs.models import Engine
    from modeljobs.services import jobs
    from modeljobs.tasks import run_batch
    from tests.modeljobs.stepping import NAME

    Suggestion.objects.all().delete()
    found, lead = Project.objects.get(pk=project), User.objects.get()
    job = jobs.create_job(
        project=found,
        engine=Engine.objects.get(pk=engine),
        method=NAME,
        parameters={},
        seed=SEED,
        selection={},
        by=lead,
    )
    jobs.start(job=job, by=lead)
    for _ in range(messages - 1):
        run_batch.delay(job.pk)
    return {"job": job.pk}


def start_rollouts(project: int, engine: int, messages: int = 1) -> dict[str, Any]:
    """Start another job that labels by rollouts, on the same solutions."""
    from labeling.models import Project, Suggestion, User
    from modeljobs.models import Engine
    from modeljobs.services import jobs
    from modeljobs.tasks import run_batch
    from tests.modeljobs.rolling import PARAMETERS

    Suggestion.objects.all().delete()
    lead = User.objects.get()
    job = jobs.create_job(
        project=Project.objects.get(pk=project),
        engine=Engine.objects.get(pk=engine),
        method="rpe",
        parameters=PARAMETERS,
        seed=SEED,
        selection={},
        by=lead,
    )
    jobs.start(job=job, by=lead)
    for _ in range(messages - 1):
        run_batch.delay(job.pk)
    return {"job": job.pk}


def tend(job: int) -> dict[str, Any]:
    """Do what the reaper does every few seconds; how the job stands."""
    from modeljobs.models import JobItem, ModelJob
    from modeljobs.services import jobs

    jobs.tend_jobs()
    found = ModelJob.objects.get(pk=job)
    states = JobItem.objects.filter(job=job).values_list("state", flat=True)
    return {"state": found.state, "note": found.note, "items": sorted(states)}


def list_stored(job: int) -> list[str]:
    """The prompts whose answers are stored."""
    from modeljobs.models import JobItem
    from modeljobs.services.calls import list_exchanges

    return [
        one.record.request.prompt or ""
        for item in JobItem.objects.filter(job=job)
        for one in list_exchanges(item)
        if one.record is not None
    ]


def read(job: int) -> list[dict[str, Any]]:
    """What the job left, item by item, with everything but ids, times, attempts and workers."""
    from modeljobs.models import JobItem

    items = JobItem.objects.filter(job=job).order_by("solution_id")
    return [read_item(item) for item in items]


def read_item(item: Any) -> dict[str, Any]:
    from labeling.models import Suggestion
    from modeljobs.evidence_views import read_detail
    from modeljobs.services.calls import list_exchanges
    from modeljobs.services.evidence import load_runs

    calls = []
    for one in list_exchanges(item):
        row, record = one.row, one.record
        calls.append(
            {
                "place": row.place,
                "purpose": row.purpose,
                "outcome": row.outcome,
                "tokens": [row.prompt_tokens, row.completion_tokens],
                "settings": row.settings,
                "prompt": record.request.prompt if record else one.missing,
                "text": record.reply.completions[0].text if record else "",
            }
        )
    suggestions = Suggestion.objects.filter(solution=item.solution_id)
    return {
        "solution": item.solution_id,
        "state": item.state,
        "reason": item.reason,
        "tokens": [item.prompt_tokens, item.completion_tokens],
        "outcome": item.result.get("outcome"),
        "products": [product["kind"] for product in item.result.get("products", ())],
        "calls": calls,
        "run_places": list(item.code_runs.order_by("place").values_list("place", "key", "status")),
        "runs": [[run.key, run.code, run.result.output] for run in load_runs(item)],
        "steps": [
            [step.position, step.kind, step.summary, read_detail(step)]
            for step in item.evidence.order_by("position")
        ],
        "suggestions": [
            [one.labels, one.first_error, one.payload["evidence"], one.provenance["end"]]
            for one in suggestions
        ],
    }


def list_rolled(job: int) -> list[str]:
    """The chats whose answers are stored, of all items together and as often as they are."""
    from modeljobs.models import JobItem
    from modeljobs.services.calls import list_exchanges
    from tests.modeljobs.faults.system import name_chat
    from tests.modeljobs.rolling import join_messages

    requests = [
        one.record.request
        for item in JobItem.objects.filter(job=job)
        for one in list_exchanges(item)
        if one.record is not None
    ]
    return sorted(
        name_chat(
            join_messages([(one.role, one.content) for one in request.messages]),
            request.sampling.seed,
        )
        for request in requests
    )


def read_rollouts(job: int) -> dict[str, Any]:
    """What the job left, but for ids, times, attempts and which item sampled what is shared."""
    from modeljobs.models import JobItem, RolloutChunk
    from tests.modeljobs.rolling import read_chunks, read_rolled

    items = JobItem.objects.filter(job=job).order_by("solution_id")
    chunks = RolloutChunk.objects.filter(origin__startswith=f"{job}/")
    return {
        "items": [read_rolled(item) for item in items],
        "chunks": read_chunks(chunks),
        "calls": list_rolled(job),
    }


def count_again(job: int) -> dict[str, Any]:
    """How many items were begun more than once."""
    from modeljobs.models import JobItem

    return {"again": JobItem.objects.filter(job=job, attempts__gt=1).count()}


ACTIONS: dict[str, Callable[..., Any]] = {
    "count_again": count_again,
    "list_rolled": list_rolled,
    "list_stored": list_stored,
    "prepare": prepare,
    "read": read,
    "read_rollouts": read_rollouts,
    "start": start,
    "start_rollouts": start_rollouts,
    "tend": tend,
}

if __name__ == "__main__":
    main()
