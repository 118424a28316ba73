"""The list of jobs, one job as it runs, and what is done to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Injection
from labeling.services.audit import record_event
from modeljobs import selectors
from modeljobs.models import JobItem, ModelJob
from modeljobs.services import jobs as service
from modeljobs.services.workers import record_beat
from modeljobs.web.views.jobs import build_segments
from tests.labeling.web.helpers import check_html, count_queries, words_of
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import add_evidence, make_sample
from tests.modeljobs.web.rows import make_job as make_genprm_job
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")

ACTIONS = ("start", "pause", "resume", "cancel")


@pytest.fixture
def job(world: World, sent: list[Any]) -> ModelJob:
    return world.make_job()


def url(job: ModelJob, name: str = "job") -> str:
    return reverse(f"modeljobs:{name}", args=[job.pk])


def list_url(world: World) -> str:
    return reverse("modeljobs:jobs", args=[world.project.slug])


def set_states(job: ModelJob, *states: str, **facts: Any) -> None:
    """Bring the job's items into these states, in order."""
    for item, state in zip(job.items.order_by("pk"), states, strict=False):
        JobItem.objects.filter(pk=item.pk).update(state=state, finished_at=timezone.now(), **facts)


def test_it_works(lead: Client, job: ModelJob):
    text = words_of(lead.get(url(job)))
    assert "0 of 3 items done" in text
    assert "Waiting 3" in text
    assert "Nothing has come in yet." in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jobs", (200, 403, 403, 200, 404, 302)),
        ("job-new", (200, 403, 403, 403, 404, 302)),
        ("job", (200, 403, 403, 200, 404, 302)),
        ("items", (200, 403, 403, 200, 404, 302)),
        ("item", (200, 403, 403, 200, 404, 302)),
    ],
)
def test_who_may_open(name, expected, everyone: dict[str, Client], job: ModelJob, world: World):
    argument: Any = job.pk
    if name in ("jobs", "job-new"):
        argument = world.project.slug
    elif name == "item":
        argument = job.items.order_by("pk")[0].pk
    address = reverse(f"modeljobs:{name}", args=[argument])
    assert tuple(everyone[role].get(address).status_code for role in ROLES) == expected


@pytest.mark.parametrize("action", [*ACTIONS, "retry"])
@pytest.mark.parametrize(
    ("role", "status"),
    [("engineer", 403), ("annotator", 403), ("outsider", 404), ("nobody", 302)],
)
def test_who_may_not_act(action, role, status, everyone: dict[str, Client], job: ModelJob):
    assert everyone[role].post(url(job, f"job-{action}")).status_code == status
    job.refresh_from_db()
    assert job.state == "running"


@pytest.mark.parametrize("action", [*ACTIONS, "retry"])
def test_a_link_does_nothing(action, lead: Client, job: ModelJob):
    assert lead.get(url(job, f"job-{action}")).status_code == 405


def test_pausing_and_going_on(lead: Client, job: ModelJob):
    assert lead.post(url(job, "job-pause")).headers["Location"] == url(job)
    job.refresh_from_db()
    assert job.state == "paused"
    text = words_of(lead.get(url(job)))
    assert "The job is paused" in text
    assert "Go on" in text
    lead.post(url(job, "job-resume"))
    job.refresh_from_db()
    assert job.state == "running"


def test_a_draft_is_started(lead: Client, world: World):
    job = world.draft_job()
    assert "Start" in words_of(lead.get(url(job)))
    lead.post(url(job, "job-start"))
    job.refresh_from_db()
    assert job.state == "running"


def test_cancelling_asks_first_and_names_the_job(lead: Client, job: ModelJob):
    html = lead.get(url(job)).content.decode()
    assert 'data-confirm="cancel-job"' in html
    assert f"Cancel job {job.pk}?" in html
    lead.post(url(job, "job-cancel"))
    job.refresh_from_db()
    assert job.state == "cancelled"
    html = lead.get(url(job)).content.decode()
    assert "data-live-done" in html
    assert "cancel-job" not in html


def test_somebody_was_faster(lead: Client, job: ModelJob):
    lead.post(url(job, "job-cancel"))
    lead.post(url(job, "job-pause"))
    assert "cannot be paused" in words_of(lead.get(url(job)))


def test_failures_by_reason_are_tried_again(lead: Client, job: ModelJob):
    set_states(job, "failed", "failed", reason_code="no_json", reason="The reply holds no JSON.")
    text = words_of(lead.get(url(job)))
    assert "No JSON in the reply" in text
    lead.post(url(job, "job-retry"), {"reason_code": "no_json"})
    assert "2 items are tried again." in words_of(lead.get(url(job)))
    assert not job.items.filter(state="failed").exists()


def test_nothing_failed_for_that_reason(lead: Client, job: ModelJob):
    lead.post(url(job, "job-retry"), {"reason_code": "timeout"})
    assert "No item of this job has failed" in words_of(lead.get(url(job)))


def test_an_engineer_looks_and_does_not_act(engineer: Client, job: ModelJob):
    set_states(job, "failed", reason_code="no_json")
    html = engineer.get(url(job)).content.decode()
    check_html(html)
    for action in (*ACTIONS, "retry"):
        assert f"/{action}/" not in html


def test_no_worker_is_running(lead: Client, job: ModelJob, world: World):
    for address in (url(job), list_url(world)):
        text = words_of(lead.get(address))
        assert "No worker is running" in text
        assert "celery --app=workbench.celery worker" in text
    now = timezone.now()
    record_beat(name="w", queues=["models"], pid=1, started_at=now, now=now)
    for address in (url(job), list_url(world)):
        assert "No worker is running" not in words_of(lead.get(address))


def test_a_job_that_is_done_waits_for_nobody(lead: Client, job: ModelJob):
    ModelJob.objects.update(state="done", finished_at=timezone.now())
    assert "No worker is running" not in words_of(lead.get(url(job)))


def test_scripted_is_said_everywhere(lead: Client, job: ModelJob, world: World):
    item = job.items.order_by("pk")[0]
    for address in (
        url(job),
        list_url(world),
        url(job, "items"),
        reverse("modeljobs:item", args=[item.pk]),
    ):
        assert "scripted" in words_of(lead.get(address)).lower(), address


def test_a_paused_job_says_why(lead: Client, job: ModelJob):
    ModelJob.objects.update(state="paused", note="The key NODE3 is not set.")
    text = words_of(lead.get(url(job)))
    assert "The key NODE3 is not set." in text


def test_what_happened_says_why_and_nothing_else(lead: Client, job: ModelJob):
    """The detail of an event is a mapping, which has `items` whether or not it holds any."""
    record_event(project=job.project, actor=None, verb="job.paused", target=job, note="No key.")
    record_event(project=job.project, actor=None, verb="job.retried", target=job, items=1200)
    text = words_of(lead.get(url(job)))
    assert "Paused: No key." in text
    assert "Tried again 1,200 items" in text


def test_items_that_wait_for_their_next_try(lead: Client, job: ModelJob):
    JobItem.objects.update(not_before=timezone.now() + timedelta(minutes=5))
    assert "3 items wait for their next try." in words_of(lead.get(url(job)))


def test_what_comes_in_leads_to_its_injection(lead: Client, job: ModelJob, world: World):
    from tests.labeling.factories import make_injection_item

    made = make_injection_item(world.project).solution.injection
    Injection.objects.update(reason="Step 2 says $5$.", blocking_lints=2)
    set_states(
        job,
        "done",
        "done",
        result={"products": [{"kind": "injection", "id": made.pk}]},
    )
    JobItem.objects.filter(pk=job.items.order_by("-pk")[1].pk).update(
        result={"products": [{"kind": "injection", "id": None}]}
    )
    html = lead.get(url(job)).content.decode()
    text = check_html(html)
    assert reverse("labeling:injection", args=[made.pk]) in html
    assert "Step 2 says $5$." in text
    assert "2 blocking lints" in text
    assert "there already" in text


def test_the_part_asks_for_itself_once_a_second(lead: Client, job: ModelJob):
    html = lead.get(url(job)).content.decode()
    assert f'data-live="{url(job)}?fragment=progress" data-live-every="1000"' in html
    fragment = lead.get(f"{url(job)}?fragment=progress").content.decode()
    assert "<html" not in fragment
    check_html(fragment)
    # Its buttons work, and its forms carry their token.
    assert "csrfmiddlewaretoken" in fragment


def test_tokens_that_nobody_counted_are_not_nothing(lead: Client, job: ModelJob):
    assert "Tokens written – not counted by the engine" in words_of(lead.get(url(job)))
    JobItem.objects.update(prompt_tokens=1000, completion_tokens=500)
    text = words_of(lead.get(url(job)))
    assert "Tokens read 3,000" in text
    assert "Tokens written 1,500" in text


def test_the_bar(world: World, job: ModelJob):
    set_states(job, "done", "failed")
    parts = build_segments(selectors.get_progress(job, now=timezone.now()))
    assert [(part.state, part.count) for part in parts] == [
        *(("done", 1), ("failed", 1), ("set_aside", 0), ("leased", 0), ("pending", 1)),
    ]
    # A third of 1000 each.
    assert [part.width for part in parts] == [333.33, 333.33, 0.0, 0.0, 333.33]
    assert [part.x for part in parts] == [0.0, 333.33, 666.67, 666.67, 666.67]


def test_the_list(lead: Client, job: ModelJob, world: World):
    set_states(job, "done", "failed")
    text = words_of(lead.get(list_url(world)))
    assert f"Inject errors, job {job.pk}" in text
    assert "2 of 3" in text
    html = lead.get(list_url(world)).content.decode()
    assert f'{url(job, "items")}?state=failed">1</a>' in html


def test_no_job_has_run(lead: Client, engineer: Client, world: World):
    text = words_of(lead.get(list_url(world)))
    assert "No job has run yet" in text
    assert "New job" in text
    assert "New job" not in words_of(engineer.get(list_url(world)))


def test_the_list_costs_the_same_for_many_jobs(lead: Client, job: ModelJob, world: World):
    few = count_queries(lead, list_url(world))
    for _more in range(5):
        world.make_job()
    assert count_queries(lead, list_url(world)) == few


def test_a_job_costs_the_same_for_many_items(lead: Client, world: World):
    small = world.make_job(selection={"limit": 1})
    large = world.make_job(error_types=("deception", "circular", "confidence"))
    assert large.items.count() == 9
    set_states(large, *["failed"] * 4, reason_code="no_json")
    set_states(small, "failed", reason_code="no_json")
    assert count_queries(lead, url(large)) == count_queries(lead, url(small))


def test_there_is_no_such_job(lead: Client):
    assert lead.get("/jobs/12345/").status_code == 404


def test_hostile_text(lead: Client, job: ModelJob, world: World):
    attack = "<script>alert(1)</script>"
    ModelJob.objects.update(state="paused", note=attack)
    set_states(job, "failed", reason_code=attack, reason=attack)
    world.solutions[0].problem.text = attack
    world.solutions[0].problem.save()
    item = job.items.order_by("pk")[0]
    for address in (
        url(job),
        list_url(world),
        url(job, "items"),
        reverse("modeljobs:item", args=[item.pk]),
    ):
        html = lead.get(address).content.decode()
        check_html(html)
        assert attack not in html


def test_the_service_decides_and_the_page_says_so(
    lead: Client, job: ModelJob, monkeypatch: pytest.MonkeyPatch
):
    from workbench.errors import Conflict

    def refuse(**_given: Any) -> None:
        raise Conflict("Not now.")

    monkeypatch.setattr(service, "pause", refuse)
    lead.post(url(job, "job-pause"))
    assert "Not now." in words_of(lead.get(url(job)))


# --- A job that verifies steps --------------------------------------------------------------------


@pytest.fixture
def verifying(world: World) -> ModelJob:
    return make_genprm_job(world.project, world.alice, world.solutions, state="running")


def test_verified_steps_stream_in(lead: Client, verifying: ModelJob):
    item = verifying.items.order_by("pk")[0]
    address = f"{url(verifying)}?fragment=progress"
    assert "The first steps show here as they are finished." in words_of(lead.get(address))
    add_evidence(item, 0, [make_sample(0, 0.9)])
    add_evidence(item, 1, [make_sample(0, 0.2)])
    html = lead.get(address).content.decode()
    text = check_html(html)
    assert "Steps verified 2" in text
    # The newest comes first, with its text, and leads to its item.
    assert text.index("wrong P(Yes) 0.200") < text.index("correct P(Yes) 0.900")
    assert "We add $2+2=4$." in text
    assert f"{reverse('modeljobs:item', args=[item.pk])}#step-2" in html
    # It has no proposals that anybody could accept.
    assert "From asking to acceptance" not in text


def test_a_step_without_verdict_is_in_the_stream(lead: Client, verifying: ModelJob):
    add_evidence(verifying.items.order_by("pk")[0], 0, [make_sample(0, None)])
    text = words_of(lead.get(url(verifying)))
    assert "no verdict" in text
    assert "no sample could be read" in text


def test_many_steps_cost_the_same(lead: Client, verifying: ModelJob):
    for item in verifying.items.all():
        add_evidence(item, 0)
    few = count_queries(lead, url(verifying))
    for item in verifying.items.all():
        add_evidence(item, 1)
    assert count_queries(lead, url(verifying)) == few


def test_a_cost_that_nobody_knows_says_why(lead: Client, verifying: ModelJob):
    assert "Cost – Unknown. There is no model to pay for." in words_of(lead.get(url(verifying)))


def test_a_cost_that_is_known(lead: Client, verifying: ModelJob):
    prices = {"price_prompt": 2.0, "price_completion": 6.0, "currency": "EUR"}
    snapshot = verifying.engine_snapshot | {"settings": prices}
    ModelJob.objects.update(engine_snapshot=snapshot, is_scripted=False)
    verifying.items.update(prompt_tokens=10_000, completion_tokens=5_000)
    # 3 items: 30,000 read at 2 and 15,000 written at 6 for a million.
    assert "Cost 0.1500 EUR" in words_of(lead.get(url(verifying)))


def test_budgets_and_what_is_used_of_them(lead: Client, verifying: ModelJob):
    ModelJob.objects.filter(pk=verifying.pk).update(
        budgets={"max_tokens": 4000, "max_seconds": 600, "max_cost": 2}, ran_seconds=150
    )
    text = words_of(lead.get(url(verifying)))
    # Nobody counted tokens: their use is not known, and neither is the cost.
    assert "Budget: Tokens – of 4,000; use not known" in text
    assert "Budget: Time 2 minutes of 10 minutes, 25 %" in text
    assert "Budget: Cost – of 2.00; use not known" in text
    verifying.items.update(prompt_tokens=300, completion_tokens=100)
    # 3 items of 400.
    assert "Budget: Tokens 1,200 of 4,000, 30 %" in words_of(lead.get(url(verifying)))


def test_budgets_are_changed_while_a_job_rests(lead: Client, job: ModelJob):
    assert "Change the budgets" not in words_of(lead.get(url(job)))
    lead.post(url(job, "job-pause"))
    assert "Change the budgets" in words_of(lead.get(url(job)))
    lead.post(url(job, "job-budgets"), {"budget-max_tokens": "5000"})
    assert "The budgets are changed." in words_of(lead.get(url(job)))
    job.refresh_from_db()
    assert job.budgets == {"max_tokens": 5000}
    # What is left empty has no bound any more.
    lead.post(url(job, "job-budgets"), {})
    job.refresh_from_db()
    assert job.budgets == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"budget-max_tokens": "0"}, "greater than or equal to 1"),
        ({"budget-max_cost": "3"}, "The engine has no prices"),
    ],
)
def test_budgets_that_cannot_be_kept(fields, words, lead: Client, job: ModelJob):
    lead.post(url(job, "job-pause"))
    lead.post(url(job, "job-budgets"), fields)
    assert words in words_of(lead.get(url(job)))
    job.refresh_from_db()
    assert job.budgets == {}


def test_who_may_change_budgets(everyone: dict[str, Client], job: ModelJob):
    got = tuple(everyone[role].post(url(job, "job-budgets")).status_code for role in ROLES)
    assert got == (302, 403, 403, 403, 404, 302)
    job.refresh_from_db()
    assert job.budgets == {}


def test_a_tiny_model_is_named_as_one(lead: Client, world: World):
    job = make_genprm_job(world.project, world.alice, world.solutions, kind="tiny")
    assert "tiny arithmetic model" in words_of(lead.get(url(job)))


def test_its_items_say_how_far_each_is(lead: Client, verifying: ModelJob):
    item = verifying.items.order_by("pk")[0]
    add_evidence(item, 0)
    text = words_of(lead.get(url(verifying, "items")))
    assert "Steps checked" in text
    assert "1 of 2" in text
    assert "0 of 2" in text


def test_hostile_steps(lead: Client, verifying: ModelJob, world: World):
    attack = "<script>alert(1)</script>"
    item = verifying.items.order_by("pk")[0]
    item.solution.steps.update(text=attack)
    add_evidence(item, 0)
    html = lead.get(url(verifying)).content.decode()
    check_html(html)
    assert attack not in html
