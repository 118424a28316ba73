"""Machine evidence beside what is judged: sealed, opened by the reviewer, and on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from labeling import panels
from labeling.models import Assignment, Exposure, Project, Solution, User
from labeling.records import At
from labeling.services.annotations import reveal_claim, submit
from labeling.services.assignments import claim_item, expire_leases, save_draft
from modeljobs.models import CodeTrial, JobItem
from modeljobs.panels import step_evidence_panel
from modeljobs.services import trials as trial_service
from tests.labeling.factories import enqueue, make_injection_item, make_solution, rating
from tests.labeling.web.helpers import check_html, count_queries, read, sign_in, words_of
from tests.modeljobs.web.rows import add_evidence, make_block, make_job, make_sample

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECRET = "The secret analysis."


@pytest.fixture(autouse=True)
def panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling knows the panel of step evidence, and no other."""
    monkeypatch.setattr(panels, "_panels", {step_evidence_panel.name: step_evidence_panel})


def protect(project: Project, evidence: str, **protocol: Any) -> None:
    """Set when the project's reviewers may see what machines said."""
    Project.objects.filter(pk=project.pk).update(machine_evidence=evidence, **protocol)
    project.refresh_from_db()


def check_steps(solution: Solution, lead: User, *, positions: tuple[int, ...] = (0,)) -> JobItem:
    """A run that checked these steps, and said something that is told apart."""
    item = make_job(solution.project, lead, [solution]).items.get()
    for position in positions:
        samples = [make_sample(0, 0.07, analysis=SECRET, blocks=[make_block("print('mine')")])]
        add_evidence(item, position, samples)
    return item


@pytest.fixture
def held(project: Project, alice: User, bob: User) -> Assignment:
    """bob holds an item to rate, on whose first two steps a machine has a word."""
    solution = make_solution(project, "one")
    check_steps(solution, alice, positions=(0, 1))
    return claim_item(user=bob, item=enqueue(solution))


@pytest.fixture
def verifying(project: Project, alice: User, bob: User) -> Assignment:
    """bob holds an injection to verify, on whose first two steps a machine has a word."""
    item = make_injection_item(project)
    check_steps(item.solution, alice, positions=(0, 1))
    return claim_item(user=bob, item=item)


def page_url(held: Assignment) -> str:
    return reverse("labeling:assignment", args=[held.pk])


def open_url(held: Assignment) -> str:
    return reverse("modeljobs:assignment-evidence", args=[held.pk])


def open_step(client: Client, held: Assignment, position: int = 0) -> Any:
    return client.post(f"{open_url(held)}?fragment=step", {"position": position})


def list_exposures() -> list[dict[str, Any]]:
    rows = Exposure.objects.filter(what=Exposure.What.MACHINE).order_by("pk")
    return [row.detail for row in rows]


def rate_first_step(held: Assignment) -> None:
    save_draft(
        assignment=held,
        lease_token=held.lease_token,
        content={"task": "rate_steps", "steps": [{"position": 0, "validity": "wrong"}]},
        seen_version=0,
    )


def submit_ratings(held: Assignment) -> None:
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=rating("correct", "correct", "correct"),
        idempotency_key=uuid.uuid4(),
    )
    held.refresh_from_db()


def assert_nothing_in(html: str) -> None:
    """No word of the machine's, in no place of the page."""
    check_html(html)
    for word in (SECRET, "print(", "0.07", "P(Yes)", "scripted engine"):
        assert word not in html


# --- Never ----------------------------------------------------------------------------------------


def test_where_machines_are_not_shown_nothing_says_that_they_spoke(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "never")
    html = read(annotator.get(page_url(held)))
    assert_nothing_in(html)
    # The word is among those of the keys; of a place for it there is nothing.
    assert "h-evidence" not in html
    refused = open_step(annotator, held)
    assert refused.status_code == 403
    assert_nothing_in(refused.content.decode())
    assert list_exposures() == []
    assert "This project shows no machine evidence" in words_of(annotator.get(open_url(held)))


# --- After submitting -----------------------------------------------------------------------------


def test_until_submitted_it_is_sealed(annotator: Client, project: Project, held: Assignment):
    protect(project, "after_submit")
    html = read(annotator.get(page_url(held)))
    assert_nothing_in(html)
    assert "Machine evidence opens after you submit." in html
    assert "data-evidence-url" not in html
    refused = open_step(annotator, held)
    assert refused.status_code == 409
    assert "Machine evidence opens after you submit." in refused.content.decode()
    assert_nothing_in(refused.content.decode())
    assert_nothing_in(read(annotator.get(open_url(held))))
    assert list_exposures() == []


def test_after_submitting_it_opens_step_by_step(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "after_submit")
    submit_ratings(held)
    closed = annotator.get(page_url(held))
    assert closed.context["evidence_url"] == open_url(held)
    text = words_of(annotator.get(open_url(held)))
    assert "Open the evidence on step 1" in text
    assert SECRET not in text
    answer = open_step(annotator, held)
    assert SECRET in words_of(answer)
    [shown] = list_exposures()
    assert shown["submitted"] is True
    # It stands on the page from now on, and the other step does not.
    html = read(annotator.get(open_url(held)))
    assert html.count(f"{SECRET}</div>") == 1


# --- After one's own judgement --------------------------------------------------------------------


def test_a_step_opens_with_its_own_rating(annotator: Client, project: Project, held: Assignment):
    protect(project, "after_judgement")
    html = read(annotator.get(page_url(held)))
    assert_nothing_in(html)
    assert "opens with your own rating of it" in html
    refused = open_step(annotator, held)
    assert refused.status_code == 409
    assert "Rate this step first" in refused.content.decode()
    rate_first_step(held)
    assert SECRET in words_of(open_step(annotator, held, 0))
    # The second step is not rated yet.
    assert open_step(annotator, held, 1).status_code == 409
    [shown] = list_exposures()
    # What the person had said by then stays on record.
    assert (shown["position"], shown["own_word"]) == (0, {"validity": "wrong"})


def test_an_injection_opens_with_the_judgement_of_it(
    annotator: Client, project: Project, verifying: Assignment
):
    protect(project, "after_judgement")
    html = read(annotator.get(page_url(verifying)))
    assert_nothing_in(html)
    assert "Machine evidence opens with your judgement." in html
    assert open_step(annotator, verifying).status_code == 409
    reveal_claim(assignment=verifying, lease_token=verifying.lease_token, blind_first_error=At(1))
    assert SECRET in words_of(open_step(annotator, verifying))
    html = read(annotator.get(page_url(verifying)))
    assert "Machine evidence opens with" not in html
    assert_nothing_in(html)


# --- From the start -------------------------------------------------------------------------------


def test_an_open_page_holds_nothing_before_it_is_asked_for(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "always")
    html = read(annotator.get(page_url(held)))
    assert_nothing_in(html)
    assert f'data-evidence-url="{open_url(held)}?fragment=step"' in html
    assert list_exposures() == []


def test_opening_is_on_record_with_its_source(
    annotator: Client, project: Project, held: Assignment, bob: User
):
    protect(project, "always")
    assert SECRET in words_of(open_step(annotator, held))
    item = JobItem.objects.get()
    exposure = Exposure.objects.get(what="machine")
    assert (exposure.person, exposure.item_id) == (bob, held.item_id)
    assert exposure.detail == {
        "panel": "step_evidence",
        "position": 0,
        "sources": [
            {
                "item": item.pk,
                "job": item.job_id,
                "method": "genprm",
                "engine": "scripted engine",
                "model": "",
                "is_scripted": True,
                "is_tiny": False,
            }
        ],
        "own_word": {},
        "submitted": False,
    }


def test_the_same_evidence_is_recorded_once(
    annotator: Client, project: Project, held: Assignment, alice: User
):
    protect(project, "always")
    open_step(annotator, held)
    open_step(annotator, held)
    assert len(list_exposures()) == 1
    # Another machine's word is another exposure.
    check_steps(held.item.solution, alice)
    open_step(annotator, held)
    assert [len(detail["sources"]) for detail in list_exposures()] == [1, 2]


def test_every_step_has_its_place_whatever_was_found(
    annotator: Client, project: Project, held: Assignment
):
    """A checker that stops at the first error would tell by the steps that have no place."""
    protect(project, "always")
    html = read(annotator.get(page_url(held)))
    assert html.count("data-evidence-url=") == 3
    JobItem.objects.get().evidence.filter(position=1).delete()
    assert read(annotator.get(page_url(held))).count("data-evidence-url=") == 3


def test_that_nothing_was_found_is_shown_and_on_record(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "always")
    assert "No machine has checked this step." in words_of(open_step(annotator, held, 2))
    [shown] = list_exposures()
    assert (shown["position"], shown["sources"]) == (2, [])


def test_a_link_opens_nothing(annotator: Client, project: Project, held: Assignment):
    protect(project, "always")
    assert_nothing_in(read(annotator.get(open_url(held))))
    assert_nothing_in(read(annotator.get(f"{open_url(held)}?fragment=step&position=0")))
    assert list_exposures() == []


def test_without_script_a_page_of_its_own_does_it(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "always")
    assert open_url(held) in read(annotator.get(page_url(held)))
    answer = annotator.post(open_url(held), {"position": "1"})
    assert answer.headers["Location"] == f"{open_url(held)}#step-2"
    assert SECRET in words_of(annotator.get(open_url(held)))


@pytest.mark.parametrize("position", ["3", "-1", "x", ""])
def test_a_step_that_is_none(position, annotator: Client, project: Project, held: Assignment):
    protect(project, "always")
    assert open_step(annotator, held, position).status_code == 400
    assert list_exposures() == []


def test_an_item_one_no_longer_holds(annotator: Client, project: Project, held: Assignment):
    protect(project, "always")
    expire_leases(now=held.lease_expires_at)
    assert open_step(annotator, held).status_code == 409
    assert list_exposures() == []


def test_others_have_no_business_here(
    project: Project, held: Assignment, everyone: dict[str, Client], erin: User
):
    protect(project, "always")
    for role in ("lead", "adjudicator", "engineer", "outsider"):
        assert open_step(everyone[role], held).status_code == 404, role
        assert everyone[role].get(open_url(held)).status_code == 404, role
    assert open_step(sign_in(erin), held).status_code == 404
    assert open_step(everyone["nobody"], held).status_code == 302
    assert list_exposures() == []


def test_verifying_from_the_start(annotator: Client, project: Project, verifying: Assignment):
    protect(project, "always")
    html = read(annotator.get(page_url(verifying)))
    assert_nothing_in(html)
    assert html.count("data-evidence-of=") == 3
    assert "data-evidence-note" not in html
    assert SECRET in words_of(open_step(annotator, verifying, 1))


def test_a_solution_without_evidence_has_no_panel(annotator: Client, project: Project, bob: User):
    protect(project, "always")
    held = claim_item(user=bob, item=enqueue(make_solution(project, "bare")))
    html = read(annotator.get(page_url(held)))
    # The word is among those of the keys; of a place for it there is nothing.
    assert "h-evidence" not in html
    assert "data-evidence-of" not in html


def test_a_page_of_work_costs_the_same_for_much_evidence(
    annotator: Client, project: Project, held: Assignment, alice: User
):
    protect(project, "always")
    few = count_queries(annotator, page_url(held))
    for _more in range(3):
        check_steps(held.item.solution, alice, positions=(0, 1, 2))
    assert count_queries(annotator, page_url(held)) == few


# --- Running its code again -----------------------------------------------------------------------


def trials_url() -> str:
    return reverse("modeljobs:trials", args=[JobItem.objects.get().pk])


def test_code_can_be_run_where_its_step_was_opened(
    annotator: Client, project: Project, held: Assignment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trial_service, "_send", lambda _pk: None)
    protect(project, "always")
    wanted = {"position": 0, "sample": 0, "block": 0, "code": "print(1)"}
    assert annotator.post(trials_url(), wanted).status_code == 403
    assert "data-trial-run" in read(open_step(annotator, held, 0))
    assert annotator.post(trials_url(), wanted | {"position": 1}).status_code == 403
    assert annotator.post(trials_url(), wanted).status_code == 302
    assert CodeTrial.objects.get().author == held.annotator


def test_a_project_that_seals_again_takes_it_away(
    annotator: Client, project: Project, held: Assignment
):
    protect(project, "always")
    open_step(annotator, held, 0)
    protect(project, "never")
    assert annotator.get(f"{trials_url()}?position=0&sample=0&block=0").status_code == 403


# --- In a browser ---------------------------------------------------------------------------------

PATIENCE_MS = 20_000


@pytest.fixture
def desk(open_page: Callable[..., Page], live_server: Any) -> Callable[..., Page]:
    """Opens a page as somebody, and notes what is asked for with POST."""

    def make(user: User, **options: Any) -> Page:
        client = Client()
        client.force_login(user)
        page = open_page(base_url=live_server.url, **options)
        page.context.add_cookies(
            [
                {
                    "name": django_settings.SESSION_COOKIE_NAME,
                    "value": client.cookies[django_settings.SESSION_COOKIE_NAME].value,
                    "url": live_server.url,
                }
            ]
        )
        page.set_default_timeout(PATIENCE_MS)
        return page

    return make


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_step_opens_in_place_and_by_keyboard(
    desk: Callable[..., Page], project: Project, held: Assignment, bob: User
):
    protect(project, "always")
    page = desk(bob)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.goto(page_url(held))
    place = page.locator("[data-evidence-of='0'] summary").first
    place.wait_for()
    # Only the current step's place is shown, and nothing was asked for yet.
    assert page.locator("[data-evidence-of='1']").is_hidden()
    assert not any("evidence/?fragment" in one for one in asked)
    place.focus()
    page.keyboard.press("Enter")
    page.locator(".analysis", has_text=SECRET).wait_for()
    assert page.locator("[data-evidence-of='0'] pre", has_text="print('mine')").count() == 1
    # Closed and opened again: it is not asked for twice.
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    opened = [one for one in asked if "evidence/?fragment" in one]
    assert len(opened) == 1
    assert opened[0].startswith("POST ")
    # The cursor moves on, and the place with it.
    page.locator("#step-2").click(position={"x": 5, "y": 5})
    page.locator("[data-evidence-of='1'] summary").first.wait_for()
    assert page.locator("[data-evidence-of='0']").is_hidden()
    assert len(list_exposures()) == 1


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_what_is_refused_is_said_in_its_place(
    desk: Callable[..., Page], project: Project, held: Assignment, bob: User
):
    protect(project, "after_judgement")
    page = desk(bob)
    page.goto(page_url(held))
    place = page.locator("[data-evidence-of='0'] summary").first
    place.click()
    page.get_by_text("Rate this step first").wait_for()
    rate_first_step(held)
    place.click()
    place.click()
    page.locator(".analysis", has_text=SECRET).wait_for()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_code_is_edited_and_run_beside_the_models_own(
    desk: Callable[..., Page],
    project: Project,
    held: Assignment,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(trial_service, "_send", lambda _pk: None)
    protect(project, "always")
    page = desk(bob)
    page.goto(page_url(held))
    page.locator("[data-evidence-of='0'] summary").first.click()
    page.locator("summary", has_text="Edit and run").click()
    page.locator("[data-trial-code]").fill("print(2 + 3)")
    # Keys of the page rest while somebody writes code.
    page.locator("[data-trial-code]").press("1")
    page.get_by_role("button", name="Run in the sandbox").click()
    page.locator(".trial", has_text="Queued").wait_for()
    trial = CodeTrial.objects.get()
    assert (trial.code, trial.author) == ("print(2 + 3)1", bob)
    assert not page.locator("#step-1 input:checked").count()
    CodeTrial.objects.update(state="done", status="ok", output="<b>five</b>")
    # The part asks for itself: nobody reloads, and what was printed is text.
    page.locator(".trial pre", has_text="<b>five</b>").wait_for()
    assert page.locator(".trial b").count() == 0
    assert page.locator("[data-evidence-of='0'] pre", has_text="print('mine')").count() == 1
    # A second one at once is refused with a sentence, and the code stays.
    CodeTrial.objects.update(state="running")
    page.get_by_role("button", name="Run in the sandbox").click()
    page.get_by_text("still under way").wait_for()
    assert page.locator("[data-trial-code]").input_value() == "print(2 + 3)1"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_evidence_on_an_injection_comes_with_the_claim(
    desk: Callable[..., Page], project: Project, verifying: Assignment, bob: User
):
    protect(project, "after_judgement")
    page = desk(bob)
    page.goto(page_url(verifying))
    note = page.get_by_text("Machine evidence opens with your judgement.")
    note.wait_for()
    assert page.locator("[data-evidence-places]").is_hidden()
    page.get_by_role("button", name="Cannot tell").click()
    page.locator("[data-evidence-places]").wait_for()
    assert note.is_hidden()
    page.locator(".evidence-place[data-current] summary").first.click()
    page.locator(".analysis", has_text=SECRET).wait_for()
