from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modeljobs.models import ModelJob
from modeljobs.services.workers import stopping
from tests.labeling.factories import make_user
from tests.modeljobs.worlds import World, count_states

GIVEN = ("--project", "algebra", "--engine", "Scripted", "--by", "alice")


def call(name: str, *args: Any) -> str:
    out = StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue().strip()


def test_make_a_job_and_run_it(world: World) -> None:
    number = call(
        "create_model_job",
        *GIVEN,
        "--parameters",
        '{"error_types": ["deception"]}',
        "--selection",
        '{"limit": 2}',
        "--seed",
        "3",
    )
    job = ModelJob.objects.get(pk=int(number))
    assert (job.state, job.seed, job.created_by) == ("running", 3, world.alice)
    assert not stopping.is_set()

    said = call("run_model_job", number)

    assert said.startswith("2 done, 0 failed")
    job.refresh_from_db()
    assert job.state == "done"
    assert count_states(job) == {"done": 2}


def test_a_job_that_pauses_itself_says_why(world: World) -> None:
    job = world.make_job(budgets={"max_seconds": 5})
    ModelJob.objects.filter(pk=job.pk).update(ran_seconds=5.0)

    said = call("run_model_job", str(job.pk))

    assert "0 handed back: a budget is used up." in said
    assert said.endswith(
        "The job is paused. The budget of 5 seconds at work is used up: it took 5, 0 beyond it."
    )


def test_a_draft_is_not_started(world: World) -> None:
    number = call("create_model_job", *GIVEN, "--draft")

    assert ModelJob.objects.get(pk=int(number)).state == "queued"
    with pytest.raises(CommandError, match="The job is queued"):
        call("run_model_job", number)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--project", "nowhere"), "--project names 'nowhere'"),
        (("--engine", "none"), "--engine names 'none'"),
        (("--by", "nobody"), "--by names 'nobody'"),
        (("--method", "magic"), "no method 'magic'"),
        (("--parameters", "{"), "--parameters is not JSON"),
        (("--selection", "[]"), "--selection is a JSON object"),
        (("--selection", '{"colour": 1}'), "no field 'colour'"),
        (("--by", "dave"), "no such thing"),
    ],
)
def test_refusals(world: World, changed: tuple[str, str], message: str) -> None:
    make_user("dave")

    with pytest.raises(CommandError, match=message):
        call("create_model_job", *GIVEN, *changed)
    assert not ModelJob.objects.exists()


def test_a_job_that_is_not_there(db: None) -> None:
    with pytest.raises(CommandError, match="There is no job 99"):
        call("run_model_job", "99")


def test_pruning(world: World) -> None:
    assert call("prune_call_texts", "--dry-run").startswith("Would remove 0 files")
    assert call("prune_call_texts").startswith("Removed 0 files")


def test_pruning_in_the_future_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="must not be negative"):
        call("prune_call_texts", "--older-than-days", "-1")
