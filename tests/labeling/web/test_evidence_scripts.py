"""Evidence and equalities beside real work, in a browser: nothing else of the work is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from labeling import panels
from labeling.models import Assignment, Exposure, Project, User
from labeling.services.assignments import claim_item
from modeljobs.models import EqualityCheck, RationaleRating
from modeljobs.panels import equality_desk, step_evidence_panel
from modeljobs.services import equalities as equality_service
from tests.labeling.factories import enqueue, make_solution
from tests.modeljobs.web.rows import add_check, add_evidence, make_job

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 20_000
AXE = Path(__file__).resolve().parents[3] / "node_modules" / "axe-core" / "axe.min.js"
STEPS = ["We have $2+2=5$.", "So $(a+b)^2=a^2+b^2$.", "The answer is $4$."]


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_panels", {step_evidence_panel.name: step_evidence_panel})
    monkeypatch.setattr(panels, "_equalities", [equality_desk])
    monkeypatch.setattr(equality_service, "_send", lambda _pk: None)


@pytest.fixture
def held(project: Project, alice: User, bob: User) -> Assignment:
    project.machine_evidence = project.equality_checks = "always"
    project.save()
    solution = make_solution(project, "one", steps=STEPS)
    item = make_job(project, alice, [solution]).items.get()
    add_evidence(item, 0)
    return claim_item(user=bob, item=enqueue(solution))


@pytest.fixture
def open_as(open_page: Callable[..., Page], live_server: Any) -> Callable[..., Page]:
    """Opens a page as somebody."""

    def make(user: User, path: str, **options: Any) -> Page:
        client = Client()
        client.force_login(user)
        name = django_settings.SESSION_COOKIE_NAME
        page = open_page(base_url=live_server.url, **options)
        page.context.add_cookies(
            [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
        )
        page.set_default_timeout(PATIENCE_MS)
        page.goto(path)
        return page

    return make


def work_url(held: Assignment) -> str:
    return reverse("labeling:assignment", args=[held.pk])


def test_reasoning_is_rated_beside_ones_work(
    open_as: Callable[..., Page], held: Assignment, bob: User
):
    page = open_as(bob, work_url(held))
    page.locator("[data-evidence-of='0'] summary").first.click()
    page.locator("label", has_text="Right verdict for the wrong reason").click()
    page.get_by_text("Your rating: Right verdict for the wrong reason").wait_for()
    rating = RationaleRating.objects.get()
    assert (rating.person, rating.value, rating.position) == (bob, "wrong_reason", 0)
    # No step was rated by it, and it is no part of the work's form.
    assert not page.locator("#step-1 input:checked").count()
    assert (
        page.evaluate("[...new FormData(document.getElementById('work')).keys()].join()").count(
            "rationale"
        )
        == 0
    )
    page.get_by_text("Say why").click()
    page.locator("[data-rationale-note]").fill("It repeats the step.")
    page.get_by_role("button", name="Keep the note").click()
    page.get_by_text("Before: Right verdict").wait_for()
    assert RationaleRating.objects.latest("pk").note == "It repeats the step."


def test_an_equality_of_a_step_is_asked_beside_ones_work(
    open_as: Callable[..., Page], held: Assignment, bob: User
):
    page = open_as(bob, work_url(held))
    page.locator("[data-equality-place] summary").click()
    page.get_by_text("You have asked nothing of this item yet.").wait_for()
    # The formula of a step, as one selects it.
    page.evaluate(
        """() => {
          const math = document.querySelector("#step-2 .tex math");
          const range = document.createRange();
          range.selectNodeContents(math);
          getSelection().removeAllRanges();
          getSelection().addRange(range);
        }"""
    )
    page.evaluate(
        """async () => {
          const own = document.querySelector("script[src*='evidence']").src;
          const { askEquality } = await import(own.replace("evidence", "equality"));
          askEquality();
        }"""
    )
    page.locator(".equality", has_text="Queued").wait_for()
    page.get_by_text("No worker for the sandbox is running, so it waits.").wait_for()
    check = EqualityCheck.objects.get()
    assert (check.text, check.position, check.author) == ("(a+b)^2=a^2+b^2", 0, bob)
    assert Exposure.objects.filter(what="machine", detail__panel="equality").count() == 1
    done = add_check(held.item, bob)
    EqualityCheck.objects.filter(pk=check.pk).update(
        state="done", answer="false", reason=done.reason
    )
    done.delete()
    page.locator(".equality", has_text="False").wait_for()
    assert page.locator(".equality math").count() >= 1
    page.wait_for_function("document.querySelector('[data-announcer]').textContent === 'False'")
    # It stands beside the steps, and none of them moved or was rated.
    assert not page.locator("#step-1 input:checked").count()
    assert page.locator("main .equality").count() == 0


def test_an_equality_that_is_typed_submits_nothing(
    open_as: Callable[..., Page], held: Assignment, bob: User
):
    page = open_as(bob, work_url(held))
    page.locator("[data-equality-place] summary").click()
    page.locator("[data-equality-text]").fill("1+1=3")
    page.locator("[data-equality-text]").press("Enter")
    page.locator(".equality", has_text="Queued").wait_for()
    held.refresh_from_db()
    assert held.state == Assignment.State.OPEN
    # A second one at once is refused with a sentence, and the text stays.
    page.locator("[data-equality-text]").fill("1+1=4")
    page.get_by_role("button", name="Check it").click()
    page.get_by_text("still being checked").wait_for()
    assert page.locator("[data-equality-text]").input_value() == "1+1=4"


def test_those_who_decide_ask_on_the_solutions_page(
    open_as: Callable[..., Page], held: Assignment, carol: User
):
    page = open_as(carol, reverse("labeling:solution", args=[held.item.solution_id]))
    page.locator("[data-equality-place] summary").click()
    page.locator("[data-equality-text]").fill("1+1=3")
    page.get_by_role("button", name="Check it").click()
    page.locator(".equality", has_text="Queued").wait_for()
    assert EqualityCheck.objects.get().author == carol


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed (npm ci)")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_what_is_open_is_accessible(
    open_as: Callable[..., Page],
    held: Assignment,
    bob: User,
    scheme: str,
    width: int,
):
    add_check(held.item, bob)
    page = open_as(
        bob,
        work_url(held),
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    page.locator("[data-evidence-of='0'] summary").first.click()
    page.locator("[data-evidence-of='0'] .trial-editor summary").first.click()
    page.locator("[data-equality-place] summary").click()
    page.locator(".equality").first.wait_for()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run(document).then((result) => result.violations.flatMap((rule) =>"
        " rule.nodes.map((node) => `${rule.id}: ${node.html}`)))"
    )
    assert found == []
    # The three ratings are large enough for a thumb.
    boxes = [one.bounding_box() for one in page.locator(".rationale .choice__option").all()]
    assert len(boxes) == 3
    assert all(box is not None and box["height"] >= 44 for box in boxes)
