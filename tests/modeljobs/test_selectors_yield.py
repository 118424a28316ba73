from __future__ import annotations

import uuid
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from labeling.models import Adjudication, Annotation, AnnotationRevision, Injection, ReviewItem
from modeljobs.models import JobItem, ModelJob
from modeljobs.runner import run_job
from modeljobs.selectors_yield import (
    Acceptance,
    Share,
    YieldRow,
    build_yield,
    measure_acceptance,
    name_model,
)
from tests.labeling.factories import make_injection_item, make_project, make_user, verdict
from tests.modeljobs.worlds import NOON, Clock, World, make_world


def run(job: ModelJob) -> None:
    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)
    job.refresh_from_db()


def settle(injection: Injection, value: str, *, decided: str = "", **content: Any) -> None:
    """The reviewers agree on a verdict, or an adjudicator decides against it."""
    item = ReviewItem.objects.get(solution=injection.modified)
    reviewer = make_user(f"reviewer-{uuid.uuid4()}")
    annotation = Annotation.objects.create(
        project=item.project,
        solution=item.solution,
        item=item,
        annotator=reviewer,
        current_number=1,
        created_at=NOON,
    )
    revision = AnnotationRevision.objects.create(
        annotation=annotation,
        number=1,
        content=verdict(value, **({} if decided else content)),
        verdict=value,
        first_error_state="unknown",
        created_at=NOON,
    )
    item.state, item.agreed_revision = "agreed", revision
    if decided:
        item.state, item.agreed_revision = "decided", None
        for number, each in enumerate(("unsure", decided), 1):
            Adjudication.objects.create(
                project=item.project,
                item=item,
                adjudicator=reviewer,
                number=number,
                content=verdict(each, **content),
                reason="Seen.",
                created_at=NOON,
            )
    item.save()


def made(error_type: str = "deception") -> list[Injection]:
    return list(Injection.objects.filter(error_type=error_type).order_by("pk"))


def put_lints(injection: Injection, *codes: str, blocking: int = 0) -> None:
    lints = [{"code": code, "severity": "warn", "message": f"About {code}."} for code in codes]
    Injection.objects.filter(pk=injection.pk).update(lints=lints, blocking_lints=blocking)


def counts(row: YieldRow) -> dict[str, int]:
    names = ("items", "asked", "parsed", "new", "lint_free", "differs", "reviewed")
    return {name: getattr(row, name) for name in names}


def test_it_works(world: World) -> None:
    job = world.make_job(error_types=["deception", "circular"])
    run(job)
    for injection in Injection.objects.all():
        put_lints(injection)
    first, second, third = made()
    settle(first, "accept")
    settle(second, "reject", reject_code="not_different")
    settle(third, "reject", decided="accept_with_edits")

    circular, deception = build_yield(world.project)

    assert deception.injector == ("Scripted", "deception", job.prompt_version)
    assert (deception.jobs, deception.is_scripted) == ((job.pk,), True)
    assert set(counts(deception).values()) == {3}
    assert (deception.accepted, deception.edited, deception.rejected, deception.unclear) == (
        1,
        1,
        1,
        0,
    )
    assert deception.reject_codes == (("not_different", 1),)
    assert deception.acceptance == Share.of(2, 3)
    assert deception.difference == Share.of(2, 3)
    assert counts(circular) == {**dict.fromkeys(counts(circular), 3), "reviewed": 0}
    assert circular.acceptance == Share(None, None, None)


def test_wilsons_interval() -> None:
    # 8 of 10 at 95 %: z = 1.96, centre (0.8 + 0.192) / 1.384 = 0.717, half width 0.227.
    share = Share.of(8, 10)
    assert share.value == 0.8
    assert share.low == pytest.approx(0.490, abs=1e-3)
    assert share.high == pytest.approx(0.943, abs=1e-3)


def test_a_job_that_has_not_begun(world: World) -> None:
    world.draft_job()
    [row] = build_yield(world.project)
    assert (row.model, row.items, row.asked, row.parsed, row.new) == ("Scripted", 3, 0, 0, 0)


def test_nothing_at_all(world: World) -> None:
    assert build_yield(world.project) == []


def test_a_lint_of_the_collection_is_not_the_injectors_fault(world: World) -> None:
    run(world.make_job())
    first, second, third = made()
    put_lints(first, "E05", blocking=1)
    put_lints(second, "E07", blocking=1)
    put_lints(third, "E05", "E07", blocking=2)

    [row] = build_yield(world.project)

    assert (row.new, row.lint_free, row.differs) == (3, 1, 1)


def test_a_near_duplicate_does_not_differ(world: World) -> None:
    run(world.make_job())
    first, second, third = made()
    put_lints(first, "W24")
    put_lints(second, "W24", "E05", blocking=1)
    put_lints(third, "W22")

    [row] = build_yield(world.project)

    assert (row.new, row.lint_free, row.differs) == (3, 2, 1)


def test_the_same_again_is_not_new(world: World) -> None:
    run(world.make_job())
    run(world.make_job())

    [row] = build_yield(world.project)

    assert len(row.jobs) == 2
    assert (row.asked, row.parsed, row.new) == (6, 6, 3)


def test_what_was_read_and_refused_was_read(world: World) -> None:
    job = world.make_job()
    codes = ("same_as_source", "wrong_answer", "no_json")
    for item, code in zip(JobItem.objects.filter(job=job).order_by("pk"), codes, strict=True):
        JobItem.objects.filter(pk=item.pk).update(state="failed", reason_code=code)

    [row] = build_yield(world.project)

    assert (row.items, row.parsed, row.new) == (3, 2, 0)


def test_models_prompts_and_classes_are_told_apart(world: World) -> None:
    for model, prompts in (("m-1", "p-1"), ("m-1", "p-2"), ("m-2", "p-1"), ("m-1", "p-1")):
        job = world.make_job(error_types=["circular", "deception"])
        snapshot = {"name": "e", "settings": {"model": model}}
        ModelJob.objects.filter(pk=job.pk).update(engine_snapshot=snapshot, prompt_version=prompts)

    rows = build_yield(world.project)

    assert [(row.model, row.prompt_version, row.error_type, len(row.jobs)) for row in rows] == [
        ("m-1", "p-1", "circular", 2),
        ("m-1", "p-1", "deception", 2),
        ("m-1", "p-2", "circular", 1),
        ("m-1", "p-2", "deception", 1),
        ("m-2", "p-1", "circular", 1),
        ("m-2", "p-1", "deception", 1),
    ]


def test_what_no_job_made_is_not_counted(world: World) -> None:
    make_injection_item(world.project)
    settle(Injection.objects.get(), "accept")
    assert build_yield(world.project) == []


def test_other_projects_are_left_out(world: World) -> None:
    run(world.make_job())
    assert build_yield(make_project(make_user("bob"), slug="other")) == []


def test_verdicts_that_decide_nothing_are_reviewed_all_the_same(world: World) -> None:
    run(world.make_job())
    first, second, third = made()
    settle(first, "unsure")
    settle(second, "bad_problem")
    settle(third, "reject", decided="reject", reject_code="wrong_type")

    [row] = build_yield(world.project)

    assert (row.reviewed, row.unclear, row.rejected) == (3, 2, 1)
    assert row.reject_codes == (("wrong_type", 1),)
    assert row.acceptance.value == 0.0


def test_acceptance_counts_all_jobs_of_the_injector(world: World) -> None:
    run(world.make_job(error_types=["deception", "circular"]))
    settle(made()[0], "accept")
    settle(made()[1], "reject")
    settle(made("circular")[0], "reject")
    later = world.make_job()

    assert measure_acceptance(later) == {
        "deception": Acceptance(2, 1),
        "circular": Acceptance(1, 0),
    }
    ModelJob.objects.filter(pk=later.pk).update(prompt_version="another")
    later.refresh_from_db()
    assert measure_acceptance(later) == {}


@pytest.mark.parametrize(
    ("snapshot", "name"),
    [
        ({"name": "e", "settings": {"model": "m"}}, "m"),
        ({"name": "e", "settings": {"model": "m", "revision": "abc"}}, "m@abc"),
        ({"name": "e", "settings": {}}, "e"),
        ({}, ""),
    ],
)
def test_how_a_model_is_called(snapshot: dict[str, Any], name: str) -> None:
    assert name_model(snapshot) == name


def test_it_costs_the_same_however_many_there_are(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        run(world.make_job(error_types=["deception", "circular", "confidence"]))
    settle(made()[0], "accept")
    with django_assert_num_queries(5):
        build_yield(world.project)


def test_both_databases_count_alike(any_database: str, texts_folder: object, sent: object) -> None:
    world = make_world()
    run(world.make_job())
    first, second, third = made()
    put_lints(first, "E07", blocking=1)
    put_lints(second, "W24")
    put_lints(third, "E05", blocking=1)
    settle(first, "accept")
    settle(second, "reject", decided="reject", reject_code="implausible")

    [row] = build_yield(world.project)

    assert counts(row) == {
        "items": 3,
        "asked": 3,
        "parsed": 3,
        "new": 3,
        "lint_free": 2,
        "differs": 1,
        "reviewed": 2,
    }
    assert row.reject_codes == (("implausible", 1),)
    assert measure_acceptance(ModelJob.objects.get()) == {"deception": Acceptance(2, 1)}
