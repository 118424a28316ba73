"""What scripts add to the desk pages, in a real browser, under the policy that is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from labeling.models import ImportBatch, Membership, Project, User
from labeling.services.projects import ensure_source
from modeljobs.models import ModelJob
from modeljobs.services.engines import ensure_scripted_engine
from modeljobs.services.jobs import create_job, start
from tests.labeling.factories import make_solution

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 10_000


@pytest.fixture
def desk(
    open_page: Callable[..., Page], live_server: Any, alice: User, project: Project
) -> Callable[..., Page]:
    """Opens a page as alice, who leads the project."""

    def make(**options: Any) -> Page:
        client = Client()
        client.force_login(alice)
        page = open_page(base_url=live_server.url, **options)
        page.context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                    "url": live_server.url,
                }
            ]
        )
        page.set_default_timeout(PATIENCE_MS)
        return page

    return make


def is_refreshed(response: Any) -> bool:
    """Is this the answer to a live part that asked for itself?"""
    return "fragment=progress" in response.url


def test_an_import_shows_its_progress_by_itself(desk: Callable[..., Page], project: Project):
    batch = ImportBatch.objects.create(
        project=project,
        source=ensure_source(project=project, name="s"),
        format="problems",
        filename="rows.jsonl",
        size=100,
        bytes_done=10,
        state="running",
        heartbeat_at=timezone.now(),
    )
    page = desk()
    page.goto(f"/imports/{batch.pk}/")
    page.get_by_text("10 %").wait_for()
    batch.issues.create(line=4, message="It is $x$ <b>no</b> JSON.")
    ImportBatch.objects.update(
        state="done", bytes_done=100, issues_count=1, finished_at=timezone.now()
    )
    # Nobody reloads: the part comes again, with its mathematics and without any element of theirs.
    page.get_by_text("It is $x$ <b>no</b> JSON.").wait_for()
    page.locator("[data-live-done]").wait_for()
    assert page.locator("td b").count() == 0


def test_a_job_is_counted_as_the_form_changes(desk: Callable[..., Page], project: Project):
    ensure_scripted_engine()
    for index in range(3):
        make_solution(project, f"right-{index}", final_answer_correct=True)
    page = desk()
    page.goto(f"/projects/{project.slug}/jobs/new/")
    # Eight classes, three solutions.
    page.get_by_text("24 items").wait_for()
    page.get_by_label("At most so many solutions").fill("2")
    page.get_by_text("16 items").wait_for()
    page.get_by_label("At most so many solutions").fill("0")
    page.get_by_text("greater than or equal to 1").wait_for()
    assert not ModelJob.objects.exists()


def test_a_job_is_cancelled_though_its_part_is_refreshed(
    desk: Callable[..., Page],
    project: Project,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("modeljobs.services.jobs._send", lambda job_id, count: None)
    engine = ensure_scripted_engine()
    make_solution(project, final_answer_correct=True)
    job = create_job(
        project=project,
        engine=engine,
        method="injection",
        parameters={},
        seed=1,
        selection={},
        by=alice,
    )
    start(job=job, by=alice)
    page = desk()
    page.clock.install()
    page.goto(f"/jobs/{job.pk}/")
    with page.expect_response(is_refreshed):
        page.clock.run_for(1_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    # The part asks for itself once a second, but not while the question is open.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(5_000)
    assert asked == []
    page.get_by_role("button", name="Cancel the job").click()
    page.get_by_text("The job is cancelled.").wait_for()


def test_a_live_part_is_held_still(
    desk: Callable[..., Page], project: Project, alice: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("modeljobs.services.jobs._send", lambda job_id, count: None)
    engine = ensure_scripted_engine()
    make_solution(project, final_answer_correct=True)
    job = create_job(
        project=project,
        engine=engine,
        method="injection",
        parameters={"error_types": ["deception"]},
        seed=1,
        selection={},
        by=alice,
    )
    start(job=job, by=alice)
    page = desk()
    page.clock.install()
    page.goto(f"/jobs/{job.pk}/")
    with page.expect_response(is_refreshed):
        page.clock.run_for(1_000)
    hold = page.get_by_role("button", name="Hold still")
    hold.click()
    job.items.update(state="failed", reason_code="timeout", finished_at=timezone.now())
    page.clock.run_for(5_000)
    assert page.get_by_text("The engine did not answer in time").count() == 0
    hold.click()
    page.clock.run_for(1_000)
    page.get_by_text("The engine did not answer in time").wait_for()


def test_removing_somebody_is_asked_first(desk: Callable[..., Page], project: Project, bob: User):
    row = Membership.objects.get(project=project, user=bob)
    page = desk()
    page.goto(f"/projects/{project.slug}/members/")
    remove = page.locator(f"form[data-confirm='remove-{row.pk}'] button")
    remove.click()
    page.get_by_role("button", name="Keep as a member").click()
    row.refresh_from_db()
    assert row.is_active
    remove.click()
    page.locator(f"#remove-{row.pk} button[value=yes]").click()
    page.get_by_text("bob is no longer a member.").wait_for()


def test_a_secret_is_copied(desk: Callable[..., Page]):
    page = desk(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/account/tokens/")
    page.get_by_label("Name").fill("script")
    page.get_by_label("Read problems").check()
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator("#token-secret").input_value()
    page.get_by_role("button", name="Copy").click()
    page.locator("[data-copy][data-done]").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == secret


def test_without_script_everything_is_a_form(
    desk: Callable[..., Page], project: Project, monkeypatch: pytest.MonkeyPatch
):
    # No worker takes the job, so that it stays as it begins.
    monkeypatch.setattr("modeljobs.services.jobs._send", lambda job_id, count: None)
    ensure_scripted_engine()
    make_solution(project, final_answer_correct=True)
    page = desk(java_script_enabled=False)
    page.goto(f"/projects/{project.slug}/jobs/new/")
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_text("8 items").wait_for()
    page.get_by_role("button", name="Start the job").click()
    page.get_by_text("The job is started.").wait_for()
    assert page.get_by_text("Reload the page to see how far it is.").is_visible()
