"""The page of the yield, the section of a job, its guard, and sources put before people."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from labeling.models import Project, ReviewItem, Solution
from labeling.services.projects import update_protocol
from labeling.templatetags.desk import reject_word
from modeljobs.methods.catalog import METHODS
from modeljobs.models import Engine, ModelJob
from modeljobs.selectors_yield import Share
from modeljobs.web.forms import JobForm
from modeljobs.web.yield_views import BAR_WIDTH, build_groups, plot_interval
from tests.labeling.web.helpers import count_queries, read, words_of
from tests.modeljobs.services.test_acceptance import guard, put_reviewed
from tests.modeljobs.test_selectors_yield import made, run, settle
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")


@pytest.fixture
def url(world: World) -> str:
    return reverse("modeljobs:yield", args=[world.project.slug])


def pause(job: ModelJob) -> ModelJob:
    ModelJob.objects.filter(pk=job.pk).update(state="paused")
    job.refresh_from_db()
    return job


# --- The page -----------------------------------------------------------------------------------


def test_it_works(lead: Client, url: str, world: World) -> None:
    job = world.make_job()
    run(job)
    settle(made()[0], "accept")
    settle(made()[1], "reject", reject_code="implausible")

    text = words_of(lead.get(url))

    assert "Scripted scripted" in text
    assert job.prompt_version in text
    # Asked, readable, new of three, and two reviewed.
    assert "Deception" in text
    assert "50 % 9 to 91 %" in text
    assert f"{reject_word('implausible')} 1" in text
    assert reverse("modeljobs:job", args=[job.pk]) in read(lead.get(url))


def test_nothing_was_asked_yet(lead: Client, url: str, world: World) -> None:
    assert "No model has been asked for an injection yet" in words_of(lead.get(url))


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("yield", "get", (200, 403, 403, 200, 404, 302)),
        ("sources-verify", "post", (302, 403, 403, 403, 404, 302)),
    ],
)
def test_who_may(
    name: str, method: str, expected: tuple[int, ...], everyone: dict[str, Client], world: World
) -> None:
    address = reverse(f"modeljobs:{name}", args=[world.project.slug])
    assert tuple(getattr(everyone[role], method)(address).status_code for role in ROLES) == expected


def test_who_may_change_a_guard(everyone: dict[str, Client], world: World) -> None:
    address = reverse("modeljobs:job-guards", args=[pause(world.make_job()).pk])
    codes = tuple(everyone[role].post(address).status_code for role in ROLES)
    assert codes == (302, 403, 403, 403, 404, 302)


def test_what_a_model_is_called_is_shown_as_text(lead: Client, url: str, world: World) -> None:
    attack = "<img src=x onerror=alert(1)>"
    job = world.make_job()
    snapshot = {"name": "e", "settings": {"model": attack}}
    ModelJob.objects.filter(pk=job.pk).update(engine_snapshot=snapshot, prompt_version=attack)
    html = read(lead.get(url))
    assert attack not in html
    assert escape(attack) in html


def test_it_costs_the_same_for_more_jobs(lead: Client, url: str, world: World) -> None:
    run(world.make_job())
    before = count_queries(lead, url)
    for _ in range(3):
        run(world.make_job(error_types=["circular", "confidence"]))
    assert count_queries(lead, url) == before


def test_an_interval_on_its_bar() -> None:
    bar = plot_interval(Share(0.5, 0.25, 0.75))
    assert bar is not None
    assert (bar.x, bar.length, bar.at) == (24.0, 48.0, 48.0)
    assert plot_interval(Share(None, None, None)) is None
    whole = plot_interval(Share(1.0, 1.0, 1.0))
    assert whole is not None
    assert whole.at + 2.0 <= BAR_WIDTH


def test_groups_of_nothing() -> None:
    assert build_groups([]) == []


# --- Sources ------------------------------------------------------------------------------------


def test_sources_are_put_before_people(lead: Client, url: str, world: World) -> None:
    assert "Put them before people" in words_of(lead.get(url))
    response = lead.post(reverse("modeljobs:sources-verify", args=[world.project.slug]))
    assert response.headers["Location"] == url
    assert ReviewItem.objects.filter(task="rate_steps").count() == 3
    assert "3 solutions come first in the queue now." in words_of(lead.get(url))


def test_where_all_are_settled_nothing_is_put(lead: Client, url: str, world: World) -> None:
    Solution.objects.update(final_answer_correct=False)
    assert "Put them before people" not in words_of(lead.get(url))
    lead.post(reverse("modeljobs:sources-verify", args=[world.project.slug]))
    assert not ReviewItem.objects.exists()


def test_a_project_that_asks_for_it_says_so_where_a_job_is_made(lead: Client, world: World) -> None:
    address = reverse("modeljobs:job-new", args=[world.project.slug]) + "?method=injection"
    assert "only solutions that people found right" not in words_of(lead.get(address))
    Project.objects.update(verify_sources=True)
    text = words_of(lead.get(address))
    assert "This project takes only solutions that people found right: 0 of 3." in text
    assert "3 wait for people" in text


def test_the_setting_is_kept(world: World) -> None:
    update_protocol(
        project=world.project,
        by=world.alice,
        seen_version=world.project.version,
        verify_sources=True,
    )
    assert Project.objects.get(pk=world.project.pk).verify_sources is True


# --- A job --------------------------------------------------------------------------------------


def test_the_section_of_a_job(lead: Client, world: World) -> None:
    job = world.make_job()
    run(job)
    settle(made()[0], "accept_with_edits")
    text = words_of(lead.get(reverse("modeljobs:job", args=[job.pk])))
    assert "Yield over all jobs" in text
    assert "Nothing stops this job when people reject what it makes." in text


def test_the_section_says_what_stops_it(lead: Client, world: World) -> None:
    job = guard(world.make_job())
    put_reviewed(job, accepted=0, rejected=5)
    text = words_of(lead.get(reverse("modeljobs:job", args=[pause(job).pk])))
    assert "People accepted 0 of 5 of class 'deception'" in text
    assert "Stops by itself when people accept less than 50 % of a class" in text


def test_a_guard_is_changed(lead: Client, world: World) -> None:
    job = pause(world.make_job())
    address = reverse("modeljobs:job-guards", args=[job.pk])
    lead.post(address, {"guard-min_acceptance": "0.4", "guard-min_reviewed": ""})
    job.refresh_from_db()
    assert job.guards == {"min_acceptance": 0.4, "min_reviewed": 20}
    lead.post(address, {"guard-min_acceptance": "", "guard-min_reviewed": ""})
    job.refresh_from_db()
    assert job.guards == {}


@pytest.mark.parametrize(
    ("sent_form", "words"),
    [
        ({"guard-min_acceptance": "7"}, "less than or equal to 1"),
        ({"guard-min_reviewed": "5"}, "give both, or neither"),
    ],
)
def test_a_guard_that_is_none_is_said(
    sent_form: dict[str, Any], words: str, lead: Client, world: World
) -> None:
    job = pause(world.make_job())
    lead.post(reverse("modeljobs:job-guards", args=[job.pk]), sent_form)
    assert words in words_of(lead.get(reverse("modeljobs:job", args=[job.pk])))
    job.refresh_from_db()
    assert job.guards == {}


def test_the_form_of_a_new_job_offers_a_guard_where_people_accept(
    lead: Client, world: World
) -> None:
    address = reverse("modeljobs:job-new", args=[world.project.slug])
    assert "Where people stop it" in words_of(lead.get(f"{address}?method=injection"))
    assert "Where people stop it" not in words_of(lead.get(f"{address}?method=genprm"))


def test_a_guard_of_the_form_goes_to_the_service(world: World) -> None:
    engines = Engine.objects.all()
    data = {
        "engine": str(world.engine.pk),
        "seed": "0",
        "option-error_types": ["deception"],
        "option-max_tokens": "512",
        "option-examples": "1",
        "option-temperature": "1",
        "option-top_p": "1",
        "guard-min_acceptance": "0.5",
        "verified_only": "on",
    }
    form = JobForm(data, method=METHODS["injection"], engines=engines, sources=[])
    assert form.is_valid(), form.errors
    assert form.build_limits() == {"guards": {"min_acceptance": 0.5}}
    assert form.build_selection()["verified_only"] is True
