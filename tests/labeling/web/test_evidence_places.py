"""Where pages open what machines said, and where equalities are checked."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling import panels
from labeling.evidence_places import build_evidence_places, build_solution_places
from labeling.models import Assignment, Exposure, Project, ReviewItem, User
from labeling.selectors.review import get_workspace
from labeling.services.assignments import claim_item
from modeljobs.models import JobItem
from modeljobs.panels import equality_desk, step_evidence_panel
from tests.labeling.factories import enqueue, make_solution
from tests.labeling.web.helpers import check_html, read, words_of
from tests.modeljobs.web.rows import add_check, add_evidence, add_rating, add_trial, make_job


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_panels", {step_evidence_panel.name: step_evidence_panel})
    monkeypatch.setattr(panels, "_equalities", [equality_desk])


@pytest.fixture
def item(project: Project, alice: User) -> ReviewItem:
    solution = make_solution(project, "one")
    add_evidence(make_job(project, alice, [solution]).items.get(), 0)
    return enqueue(solution)


@pytest.fixture
def held(item: ReviewItem, bob: User) -> Assignment:
    return claim_item(user=bob, item=item)


def set_protocol(held: Assignment, **protocol: str) -> None:
    for name, value in protocol.items():
        setattr(held.project, name, value)
    held.project.save()


def places(held: Assignment) -> dict[str, Any]:
    return build_evidence_places(get_workspace(held))


# --- Beside one's work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "is_there"),
    [("never", False), ("after_submit", False), ("after_judgement", True), ("always", True)],
)
def test_equalities_have_a_place_where_they_can_be_checked(
    held: Assignment, when: str, is_there: bool
):
    set_protocol(held, machine_evidence="never", equality_checks=when)
    url = reverse("modeljobs:assignment-equalities", args=[held.pk])
    assert places(held)["equality"] == ({"url": url} if is_there else None)
    assert places(held)["panels"] == []


def test_an_item_that_nobody_holds_has_no_place(project: Project, item: ReviewItem, bob: User):
    project.equality_checks = "always"
    nobodys = Assignment(project=project, item=item, annotator=bob)
    assert build_evidence_places(get_workspace(nobodys, content={}))["equality"] is None


def test_where_nobody_checks_equalities_there_is_no_place(
    held: Assignment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(panels, "_equalities", [])
    set_protocol(held, equality_checks="always")
    assert places(held)["equality"] is None


def test_whom_chance_keeps_evidence_from_sees_no_seal(held: Assignment):
    set_protocol(held, machine_evidence="after_judgement")
    assert places(held)["note"]
    held.proposal = Assignment.Proposal.BLIND
    found = places(held)
    assert (found["note"], found["panels"]) == ("", [])


def test_the_page_of_work_has_the_place(held: Assignment, annotator: Client):
    set_protocol(held, equality_checks="always")
    html = read(annotator.get(reverse("labeling:assignment", args=[held.pk])))
    check_html(html)
    assert f'data-equality="{reverse("modeljobs:assignment-equalities", args=[held.pk])}"' in html
    assert "Is an equality true? Ask on a page of its own" in html


# --- Beside a decision ----------------------------------------------------------------------------


def test_a_solution_has_a_place_for_each_step_and_nothing_is_logged(
    item: ReviewItem, carol: User, adjudicator: Client
):
    found = build_solution_places(item.solution, item=item, user=carol)
    url = reverse("modeljobs:solution-evidence", args=[item.solution_id])
    assert found["panels"] == [{"title": "Step verification", "url": url}]
    assert (found["is_logged"], found["note"]) == (False, "")
    assert [step.position for step in found["steps"]] == [0, 1, 2]
    assert found["equality"] == {"url": reverse("modeljobs:item-equalities", args=[item.pk])}
    text = words_of(adjudicator.get(f"{url}?fragment=step&position=0"))
    assert "Of 1 sample: 1 says yes" in text
    assert not Exposure.objects.filter(what=Exposure.What.MACHINE).exists()


def test_without_a_person_there_is_nobody_to_check_equalities_for(item: ReviewItem):
    assert build_solution_places(item.solution)["equality"] is None


def test_an_engineer_reads_and_does_not_ask(item: ReviewItem, frank: User):
    assert build_solution_places(item.solution, item=item, user=frank)["equality"] is None


def test_a_solution_without_evidence_has_no_place(project: Project):
    found = build_solution_places(make_solution(project, "bare"))
    assert (found["panels"], found["url"]) == ([], "")


def test_the_evidence_of_a_solution_on_a_page_of_its_own(
    item: ReviewItem, alice: User, bob: User, adjudicator: Client
):
    run = JobItem.objects.get(solution=item.solution)
    add_trial(run, bob, output="seven")
    add_rating(run, bob)
    html = read(adjudicator.get(reverse("modeljobs:solution-evidence", args=[item.solution_id])))
    text = check_html(html)
    assert "Step 3" in text
    # Those who decide see what reviewers made of it.
    assert "Run by bob" in text
    assert "This run alone" in text


def test_a_solution_that_no_machine_has_checked(project: Project, adjudicator: Client):
    bare = make_solution(project, "bare")
    address = reverse("modeljobs:solution-evidence", args=[bare.pk])
    assert "No machine has checked this solution" in words_of(adjudicator.get(address))
    fragment = words_of(adjudicator.get(f"{address}?fragment=step&position=0"))
    assert "No machine has checked this step." in fragment


def test_who_may_read_it(everyone: dict[str, Client], item: ReviewItem):
    address = reverse("modeljobs:solution-evidence", args=[item.solution_id])
    for query in ("", "?fragment=step&position=0"):
        got = {role: client.get(address + query).status_code for role, client in everyone.items()}
        assert got == {
            "lead": 200,
            "annotator": 403,
            "adjudicator": 200,
            "engineer": 200,
            "outsider": 404,
            "nobody": 302,
        }


# --- The solution's page --------------------------------------------------------------------------


def test_the_solutions_page_asks_of_its_place_in_the_queue(
    item: ReviewItem, adjudicator: Client, engineer: Client, carol: User
):
    add_check(item, carol)
    address = reverse("labeling:solution", args=[item.solution_id])
    url = reverse("modeljobs:item-equalities", args=[item.pk])
    assert f'data-equality="{url}"' in read(adjudicator.get(address))
    assert "data-equality" not in read(engineer.get(address))


def test_a_solution_outside_of_the_queue_has_no_place(project: Project, lead: Client):
    bare = make_solution(project, "bare")
    assert "data-equality" not in read(lead.get(reverse("labeling:solution", args=[bare.pk])))
