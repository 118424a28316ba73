"""The lead's page of originals that reviewers found wrong."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Injection, Project, ReviewItem, SourceReport, User
from labeling.services.annotations import submit
from labeling.services.assignments import claim_item
from labeling.services.reports import note_verdict
from tests.labeling.factories import make_injection_item, verdict
from tests.labeling.web.helpers import ATTACK, count_queries, read, words_of

WRONG: dict[str, Any] = {"reject_code": "original_wrong", "error_positions": [], "error_type": ""}


def report_as(person: User, item: ReviewItem, note: str = "7 is not even.") -> None:
    held = claim_item(user=person, item=item)
    revision = submit(
        assignment=held,
        lease_token=held.lease_token,
        data=verdict("reject", note=note, **WRONG),
        idempotency_key=uuid.uuid4(),
    )
    note_verdict(revision)


@pytest.fixture
def item(project: Project) -> ReviewItem:
    return make_injection_item(project)


@pytest.fixture
def report(item: ReviewItem, bob: User) -> SourceReport:
    report_as(bob, item)
    return SourceReport.objects.get()


@pytest.fixture
def address(project: Project) -> str:
    return reverse("labeling:reports", args=[project.slug])


def decide(client: Client, report: SourceReport, state: str, reason: str = "") -> Any:
    url = reverse("labeling:report-decide", args=[report.pk])
    return client.post(url, {"state": state, "reason": reason}, follow=True)


def test_it_says_who_finds_what_wrong(
    adjudicator: Client, project: Project, report: SourceReport, address: str
) -> None:
    words = words_of(adjudicator.get(address))
    assert "7 is not even." in words
    assert project.memberships.get(user__username="bob").pseudonym in words
    assert "bob" not in words
    assert "Then $2+2=4$." in words
    assert "The original is wrong already" in words


def test_the_bar_counts_what_is_open(
    lead: Client, adjudicator: Client, annotator: Client, project: Project, report: SourceReport
) -> None:
    overview = reverse("labeling:overview", args=[project.slug])
    for client in (lead, adjudicator):
        assert "Originals 1" in words_of(client.get(overview))
    assert "Originals" not in words_of(annotator.get(overview))


def test_nothing_reported_says_how_it_comes(adjudicator: Client, address: str) -> None:
    assert "No original is reported" in words_of(adjudicator.get(address))
    assert "There is none in this state" in words_of(adjudicator.get(f"{address}?state=confirmed"))


def test_found_wrong_and_undone(
    adjudicator: Client, report: SourceReport, item: ReviewItem
) -> None:
    words = words_of(decide(adjudicator, report, "confirmed", "Step 2."))
    assert "Noted: the original is wrong" in words
    assert "left the queue" in words
    assert "Step 2." in words
    assert ReviewItem.objects.get(pk=item.pk).free_slots == 0
    undone = adjudicator.post(reverse("labeling:report-reopen", args=[report.pk]), follow=True)
    assert "The report is open again" in words_of(undone)
    assert ReviewItem.objects.get(pk=item.pk).free_slots == 1


def test_found_right_needs_a_reason(adjudicator: Client, report: SourceReport) -> None:
    assert "Say why the original is right" in words_of(decide(adjudicator, report, "dismissed"))
    words = words_of(decide(adjudicator, report, "dismissed", "7 is prime."))
    assert "Noted: the original is right" in words
    assert "7 is prime." in words


def test_decided_twice_is_said(adjudicator: Client, lead: Client, report: SourceReport) -> None:
    decide(adjudicator, report, "dismissed", "7 is prime.")
    assert "decided already" in words_of(decide(lead, report, "confirmed"))


def test_solution_and_injection_pages_show_it(
    lead: Client, engineer: Client, report: SourceReport, item: ReviewItem
) -> None:
    injection = Injection.objects.get(modified=item.solution)
    pages = [
        reverse("labeling:solution", args=[report.original_id]),
        reverse("labeling:injection", args=[injection.pk]),
    ]
    for page in pages:
        words = words_of(lead.get(page))
        assert "A reviewer reports that the original is wrong." in words
        assert "Decide on it" in words
        # Who cannot decide is told, and led nowhere.
        assert "Decide on it" not in words_of(engineer.get(page))
    decide(lead, report, "confirmed")
    for page in pages:
        assert "nothing that was made from it is released" in words_of(lead.get(page))
    modified = reverse("labeling:solution", args=[item.solution_id])
    assert "nothing that was made from it" not in words_of(lead.get(modified))


def test_hostile_words_stay_words(
    adjudicator: Client, item: ReviewItem, bob: User, address: str
) -> None:
    report_as(bob, item, note=ATTACK)
    html = read(adjudicator.get(address))
    assert "<script>alert" not in html


def test_only_those_who_adjudicate_may(
    everyone: dict[str, Client], report: SourceReport, address: str
) -> None:
    expected = {
        "lead": 200,
        "adjudicator": 200,
        "annotator": 403,
        "engineer": 403,
        "outsider": 404,
        "nobody": 302,
    }
    for name, client in everyone.items():
        assert client.get(address).status_code == expected[name], name
        for action in ("report-decide", "report-reopen"):
            url = reverse(f"labeling:{action}", args=[report.pk])
            wanted = 302 if expected[name] == 200 else expected[name]
            assert client.post(url, {"state": "dismissed"}).status_code == wanted, name
            assert client.get(url).status_code in (302, 405), name


def test_more_reports_ask_no_more(
    adjudicator: Client, project: Project, report: SourceReport, bob: User, address: str
) -> None:
    few = count_queries(adjudicator, address)
    for index in range(3):
        report_as(bob, make_injection_item(project, f"more-{index}"))
    assert SourceReport.objects.count() == 4
    assert count_queries(adjudicator, address) == few
