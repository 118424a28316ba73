"""Reported originals over REST: the same as on the page."""

from __future__ import annotations

import uuid

import pytest

from labeling.models import ReviewItem, SourceReport
from labeling.services.annotations import submit
from labeling.services.assignments import claim_item
from labeling.services.reports import note_verdict
from tests.labeling.api.helpers import API, new_key, read_error, sign_in
from tests.labeling.factories import make_injection_item, verdict

WRONG = {"reject_code": "original_wrong", "error_positions": [], "error_type": ""}


@pytest.fixture
def item(project) -> ReviewItem:
    return make_injection_item(project)


@pytest.fixture
def report(item, bob) -> SourceReport:
    held = claim_item(user=bob, item=item)
    revision = submit(
        assignment=held,
        lease_token=held.lease_token,
        data=verdict("reject", note="7 is not even.", **WRONG),
        idempotency_key=uuid.UUID(new_key()),
    )
    note_verdict(revision)
    return SourceReport.objects.get()


def address(report: SourceReport, action: str = "") -> str:
    return f"{API}/source-reports/{report.pk}/{action}"


def test_open_ones_are_listed_without_names(project, carol, report):
    url = f"{API}/projects/{project.slug}/source-reports/"
    [row] = sign_in(carol).get(url).json()["results"]
    assert row["original"] == report.original_id
    assert row["note"] == "7 is not even."
    assert row["reporter"] == project.memberships.get(user__username="bob").pseudonym
    assert (row["state"], row["decided_by"], row["withdrawn_items"]) == ("open", None, [])
    assert sign_in(carol).get(url, {"state": "confirmed"}).json()["results"] == []


def test_all_that_a_decision_needs(carol, report, item):
    answer = sign_in(carol).get(address(report)).json()
    assert len(answer["steps"]) == 3
    assert [voice["note"] for voice in answer["voices"]] == ["7 is not even."]
    [made] = answer["made"]
    assert made["said"] == [{"verdict": "reject", "reject_code": "original_wrong", "n": 1}]


def test_it_is_confirmed_and_taken_back(carol, report, item):
    client = sign_in(carol)
    answer = client.post(address(report, "decide/"), {"state": "confirmed"})
    assert answer.status_code == 200
    assert answer.json()["report"]["withdrawn_items"] == [item.pk]
    assert answer.json()["report"]["decided_by"] == "carol"
    assert answer.json()["made"][0]["is_withdrawn"]
    answer = client.post(address(report, "reopen/"))
    assert answer.json()["report"]["state"] == "open"
    assert ReviewItem.objects.get(pk=item.pk).state == ReviewItem.State.WAITING


def test_that_it_is_right_needs_a_reason(carol, report):
    client = sign_in(carol)
    error = read_error(
        client.post(address(report, "decide/"), {"state": "dismissed"}), 400, "invalid_input"
    )
    assert error["detail"]["field"] == "reason"
    body = {"state": "dismissed", "reason": "7 is prime."}
    assert client.post(address(report, "decide/"), body).status_code == 200


def test_it_is_decided_once(carol, alice, report):
    body = {"state": "dismissed", "reason": "7 is prime."}
    assert sign_in(carol).post(address(report, "decide/"), body).status_code == 200
    read_error(sign_in(alice).post(address(report, "decide/"), body), 409, "conflict")


@pytest.mark.parametrize("body", [{}, {"state": "open"}, {"state": "confirmed", "why": "so"}])
def test_decisions_that_are_none(carol, report, body):
    read_error(sign_in(carol).post(address(report, "decide/"), body), 400, "invalid_input")


def test_annotators_neither_see_nor_decide(bob, dave, report):
    client = sign_in(bob)
    body = {"state": "confirmed"}
    read_error(client.get(address(report)), 403, "not_allowed")
    read_error(client.post(address(report, "decide/"), body), 403, "not_allowed")
    read_error(sign_in(dave).get(address(report)), 404, "not_found")
