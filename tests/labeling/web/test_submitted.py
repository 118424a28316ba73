"""What one has submitted: found again, opened again, and never overwritten."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import (
    Annotation,
    AnnotationRevision,
    Assignment,
    Dispute,
    Exposure,
    Project,
    ReviewItem,
    SourceReport,
    User,
)
from labeling.records import At
from labeling.services.adjudications import decide
from labeling.services.annotations import reveal_claim, revise, submit
from labeling.services.assignments import claim_item, skip
from labeling.services.reports import confirm, dismiss, report_original
from tests.labeling.factories import (
    enqueue,
    make_injection_item,
    make_items,
    make_solution,
    rating,
    verdict,
)
from tests.labeling.web.helpers import check_html, count_queries, read, submit_as, words_of

RIGHT = ("correct", "correct", "correct")
WRONG = ("correct", "wrong", "wrong")


def address_of(project: Project) -> str:
    return reverse("labeling:submitted", args=[project.slug])


def search(client: Client, project: Project, **query: str) -> str:
    return words_of(client.get(address_of(project), query))


def find(client: Client, project: Project, **query: str) -> list[int]:
    """The annotations that are listed, in order."""
    listed = client.get(address_of(project), query)
    assert listed.status_code == 200
    return [own.annotation.pk for own in listed.context["words"]]


def change(annotation: Annotation, data: dict[str, Any], reason: str = "I looked again.") -> None:
    annotation.refresh_from_db()
    assert annotation.annotator is not None
    revise(
        annotation=annotation,
        by=annotation.annotator,
        data=data,
        reason=reason,
        seen_number=annotation.current_number,
        idempotency_key=uuid.uuid4(),
    )


def said_by(person: User, item: ReviewItem) -> Annotation:
    return Annotation.objects.get(item=item, annotator=person)


def closed_page(person: User, item: ReviewItem) -> str:
    held = Assignment.objects.filter(item=item, annotator=person).latest("pk")
    return reverse("labeling:assignment", args=[held.pk])


def reopen_page(annotation: Annotation) -> str:
    return reverse("labeling:annotation-reopen", args=[annotation.pk])


@pytest.fixture
def two(project: Project, bob: User) -> list[Annotation]:
    """Bob rated one solution right, and of another he found the second step wrong."""
    items = [
        enqueue(make_solution(project, key="sum", question="What is $2+2$?")),
        enqueue(
            make_solution(
                project,
                key="root",
                question="Find the square root of nine.",
                steps=("Nine is $3^2$.", "So its root is 3.", "Thus three."),
            )
        ),
    ]
    submit_as(bob, items[0], rating(*RIGHT))
    wrong = rating(*WRONG, note="Sign of the root is ignored.")
    wrong["steps"][1] |= {"error_types": ["deception", "step_contradiction"], "note": "±3, 不对"}
    submit_as(bob, items[1], wrong)
    return [said_by(bob, item) for item in items]


# --- The list -------------------------------------------------------------------------------------


def test_it_works(annotator: Client, project: Project, two: list[Annotation]) -> None:
    assert find(annotator, project) == [two[1].pk, two[0].pk]
    words = search(annotator, project)
    assert "first error at step 2" in words
    assert "Open again" in words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"text": "square ROOT"}, [1]),
        ({"text": "2+2"}, [0]),
        ({"text": "is $3^2$"}, [1]),
        ({"text": "cube"}, []),
        ({"note": "sign of"}, [1]),
        ({"note": "不对"}, [1]),
        ({"note": "±3"}, [1]),
        ({"note": "wrong"}, []),
        ({"said": "error"}, [1]),
        ({"said": "no_error"}, [0]),
        ({"said": "accept"}, []),
        ({"error_type": "deception"}, [1]),
        ({"error_type": "step_contradiction"}, [1]),
        ({"error_type": "circular"}, []),
        ({"state": "waiting"}, [1, 0]),
        ({"state": "decided"}, []),
        ({"changed": "on"}, []),
        ({"said": "error", "text": "2+2"}, []),
        # What means nothing is passed over.
        ({"said": "nonsense", "since": "soon"}, [1, 0]),
    ],
)
def test_it_is_searched(
    annotator: Client,
    project: Project,
    two: list[Annotation],
    query: dict[str, str],
    found: list[int],
) -> None:
    assert find(annotator, project, **query) == [two[index].pk for index in found]


def test_days_are_both_included(annotator: Client, project: Project, two: list[Annotation]) -> None:
    day = timezone.localdate(AnnotationRevision.objects.get(annotation=two[0]).created_at)
    earlier = (day - timedelta(days=1)).isoformat()
    AnnotationRevision.objects.filter(annotation=two[1]).update(
        created_at=timezone.now() - timedelta(days=3)
    )
    assert find(annotator, project, since=day.isoformat(), until=day.isoformat()) == [two[0].pk]
    assert find(annotator, project, until=earlier) == [two[1].pk]


def test_verdicts_are_searched_by_what_they_say(
    annotator: Client, project: Project, bob: User
) -> None:
    for key, data in (
        ("a", verdict()),
        ("b", verdict("reject", reject_code="wrong_type", error_positions=[], error_type="")),
        ("c", verdict("bad_problem", error_positions=[], error_type="", note="It has no answer.")),
        ("d", verdict("unsure", error_positions=[], error_type="")),
    ):
        submit_as(bob, make_injection_item(project, key), data)
    submit_as(bob, make_items(project, 1)[0], rating(outcome="gave_up", note="Too long."))
    for said in ("accept", "reject", "bad_problem", "unsure", "gave_up"):
        assert len(find(annotator, project, said=said)) == 1, said
    assert find(annotator, project, error_type="deception") == [
        Annotation.objects.earliest("pk").pk
    ]


def test_changed_words_come_first_and_show_what_was_said_first(
    annotator: Client, project: Project, two: list[Annotation]
) -> None:
    change(two[0], rating("wrong", "correct", "correct"))
    assert find(annotator, project) == [two[0].pk, two[1].pk]
    assert find(annotator, project, changed="on") == [two[0].pk]
    assert "first error at step 1" in search(annotator, project, changed="on")
    assert "at first: no error" in search(annotator, project, changed="on")
    # Search goes by what is said now.
    assert find(annotator, project, said="no_error") == []


def test_nothing_yet_and_nothing_found_are_two_things(
    annotator: Client, project: Project, two: list[Annotation], lead: Client
) -> None:
    assert "You have not submitted anything here yet" in search(lead, project)
    assert "Nothing of yours fits these filters" in search(annotator, project, text="cube")


def test_it_is_ones_own_alone(lead: Client, project: Project, two: list[Annotation]) -> None:
    assert find(lead, project) == []


def test_hostile_words_stay_words(
    annotator: Client, project: Project, two: list[Annotation]
) -> None:
    for value in ('"><script>', "%_\\", "{}", "\x00", "x" * 5_000):
        for name in ("text", "note", "error_type", "since"):
            check_html(read(annotator.get(address_of(project), {name: value})))


def test_a_longer_list_asks_no_more(annotator: Client, project: Project, bob: User) -> None:
    project.decisions_shown = True
    project.save(update_fields=["decisions_shown"])
    items = make_items(project, 6)
    submit_as(bob, items[0], rating(*RIGHT))
    few = count_queries(annotator, address_of(project))
    for item in items[1:]:
        submit_as(bob, item, rating(*RIGHT))
    change(said_by(bob, items[1]), rating(*WRONG))
    assert count_queries(annotator, address_of(project)) == few


def test_a_page_has_twenty_five(annotator: Client, project: Project, bob: User) -> None:
    for item in make_items(project, 26):
        submit_as(bob, item, rating(*RIGHT))
    assert len(find(annotator, project)) == 25
    assert len(find(annotator, project, page="2", state="waiting")) == 1


# --- What stays blind -----------------------------------------------------------------------------


@pytest.fixture
def decided(project: Project, bob: User, erin: User, carol: User) -> ReviewItem:
    """Bob and Erin differ, and Carol decides with a reason."""
    item = make_items(project, 1)[0]
    submit_as(bob, item, rating(*RIGHT))
    submit_as(erin, item, rating(*WRONG))
    decide(
        dispute=Dispute.objects.get(),
        by=carol,
        data=rating("correct", "correct", "wrong"),
        reason="Step 3 drops the unit.",
        seen_version=1,
        idempotency_key=uuid.uuid4(),
    )
    return item


def test_a_decision_stays_with_those_who_decide(
    annotator: Client, project: Project, bob: User, decided: ReviewItem
) -> None:
    for address in (address_of(project), closed_page(bob, decided)):
        words = words_of(annotator.get(address))
        assert "Step 3 drops the unit" not in words
        assert "first error at step 3" not in words
        # Nor what the other reviewer said.
        assert "first error at step 2" not in words


def test_it_is_shown_where_the_project_shows_decisions(
    annotator: Client, project: Project, bob: User, decided: ReviewItem
) -> None:
    project.decisions_shown = True
    project.save(update_fields=["decisions_shown"])
    assert "first error at step 3" in words_of(annotator.get(address_of(project)))
    words = words_of(annotator.get(closed_page(bob, decided)))
    assert "Step 3 drops the unit." in words
    assert "first error at step 2" not in words


# --- Opened again ---------------------------------------------------------------------------------


def page_data(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="page" type="application/json">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def fill(*values: str, **more: str) -> dict[str, str]:
    ratings = {f"rating-{position}": value for position, value in enumerate(values)}
    return {"action": "submit", "idempotency_key": str(uuid.uuid4()), **ratings, **more}


def test_one_s_own_is_opened_with_what_one_says_now(
    annotator: Client, two: list[Annotation]
) -> None:
    change(two[0], rating("correct", "wrong", "correct"))
    data = page_data(read(annotator.get(reopen_page(two[0]))))
    assert [step["validity"] for step in data["draft"]["content"]["steps"]] == [
        *("correct", "wrong", "correct"),
    ]
    assert data["way"]["kind"] == "revise"
    assert data["way"]["asks_reason"] is True
    assert data["way"]["extra"] == {"number": 2}
    assert data["urls"]["submit"] == reverse("api:annotation-revise", args=[two[0].pk])
    assert data["urls"]["draft"] == data["urls"]["heartbeat"] == data["urls"]["skip"] == ""


def test_looking_at_it_writes_nothing(annotator: Client, two: list[Annotation]) -> None:
    before = (Exposure.objects.count(), Assignment.objects.count())
    read(annotator.get(reopen_page(two[0])))
    assert (Exposure.objects.count(), Assignment.objects.count()) == before
    assert AnnotationRevision.objects.count() == 2


def test_the_script_s_submission_leads_to_the_closed_page(
    annotator: Client, bob: User, two: list[Annotation]
) -> None:
    data = page_data(read(annotator.get(reopen_page(two[0]))))
    body = {
        "content": rating(*WRONG),
        "idempotency_key": str(uuid.uuid4()),
        "active_ms": 900,
        "step_ms": {"0": 400},
        "reason": "Step 2 is off by one.",
        **data["way"]["extra"],
    }
    answer = annotator.post(data["urls"]["submit"], body, content_type="application/json")
    assert answer.status_code == 201
    item = two[0].item
    assert item is not None
    assert answer.json()["next_url"] == closed_page(bob, item)
    words = words_of(annotator.get(answer.json()["next_url"]))
    assert "first judgement" in words
    assert "in force" in words
    assert "Step 2 is off by one." in words


def test_without_a_script_the_reason_is_asked_on_a_page_of_its_own(
    annotator: Client, bob: User, two: list[Annotation]
) -> None:
    address = f"{reopen_page(two[0])}?number=1"
    page = read(annotator.get(reopen_page(two[0])))
    assert f'action="{address}"' in page
    asked = annotator.post(address, fill("1", "-1", "-1", note="Off by one."))
    words = words_of(asked)
    assert "Why do you change your judgement?" in words
    assert AnnotationRevision.objects.filter(annotation=two[0]).count() == 1
    hidden = {name: asked.context[name] for name in ("content", "key", "address")}
    explained = {
        "action": "explain",
        "content": hidden["content"],
        "idempotency_key": hidden["key"],
        "reason": "",
    }
    empty = annotator.post(hidden["address"], explained)
    assert empty.status_code == 400
    assert AnnotationRevision.objects.filter(annotation=two[0]).count() == 1
    explained["reason"] = "I misread it."
    for _press in range(2):
        # Pressed twice it counts once.
        done = annotator.post(hidden["address"], explained)
    item = two[0].item
    assert item is not None
    assert done.headers["Location"] == closed_page(bob, item)
    first, second = AnnotationRevision.objects.filter(annotation=two[0]).order_by("number")
    assert (first.first_error_state, first.reason) == ("none", "")
    assert (second.first_error_position, second.reason) == (1, "I misread it.")
    assert second.content["note"] == "Off by one."


def test_gaps_are_said_before_the_reason_is_asked(annotator: Client, two: list[Annotation]) -> None:
    answer = annotator.post(f"{reopen_page(two[0])}?number=1", fill("1"))
    assert answer.status_code == 400
    assert "Step 2 is not judged yet" in check_html(answer.content.decode())


def test_two_windows_keep_both_texts(annotator: Client, two: list[Annotation]) -> None:
    asked = annotator.post(f"{reopen_page(two[0])}?number=1", fill("1", "-1", "-1"))
    change(two[0], rating("wrong", "correct", "correct"), reason="In the other window.")
    explained = {"action": "explain", "content": asked.context["content"], "reason": "Here."}
    stale = annotator.post(asked.context["address"], explained)
    assert stale.status_code == 400
    html = stale.content.decode()
    assert "another window" in check_html(html)
    # This window's text is in the page, which now changes the newer revision.
    data = page_data(html)
    assert data["way"]["extra"] == {"number": 2}
    kept = data["draft"]["content"]["steps"]
    assert [step["rating"] for step in kept] == [1, -1, -1]
    assert AnnotationRevision.objects.filter(annotation=two[0]).count() == 2


def test_over_rest_a_stale_number_is_answered_with_the_newer_text(
    annotator: Client, two: list[Annotation]
) -> None:
    change(two[0], rating("wrong", "correct", "correct"))
    body = {
        "content": rating(*WRONG),
        "idempotency_key": str(uuid.uuid4()),
        "reason": "Here.",
        "number": 1,
    }
    address = reverse("api:annotation-revise", args=[two[0].pk])
    answer = annotator.post(address, body, content_type="application/json")
    assert answer.status_code == 409
    detail = answer.json()["error"]["detail"]
    assert detail["number"] == 2
    assert detail["content"]["steps"][0]["validity"] == "wrong"


def test_what_was_decided_is_not_opened_again(
    annotator: Client, bob: User, decided: ReviewItem
) -> None:
    annotation = said_by(bob, decided)
    closed = closed_page(bob, decided)
    for answer in (
        annotator.get(reopen_page(annotation)),
        annotator.post(f"{reopen_page(annotation)}?number=1", fill("1", "1", "1")),
    ):
        assert answer.headers["Location"] == closed
    page = read(annotator.get(closed))
    words = check_html(page)
    assert "This item has been adjudicated. Comment on it instead." in words
    assert "Open again" not in words
    held = Assignment.objects.get(item=decided, annotator=bob)
    assert reverse("labeling:assignment-comments", args=[held.pk]) in page


def test_decided_while_it_was_open_the_text_is_kept(
    annotator: Client, bob: User, erin: User, carol: User, project: Project
) -> None:
    item = make_items(project, 1)[0]
    submit_as(bob, item, rating(*RIGHT))
    annotation = said_by(bob, item)
    submit_as(erin, item, rating(*WRONG))
    decide(
        dispute=Dispute.objects.get(),
        by=carol,
        data=rating(*WRONG),
        reason="Step 2.",
        seen_version=1,
        idempotency_key=uuid.uuid4(),
    )
    body = {
        "content": rating(*WRONG),
        "idempotency_key": str(uuid.uuid4()),
        "reason": "Late.",
        "number": 1,
    }
    address = reverse("api:annotation-revise", args=[annotation.pk])
    answer = annotator.post(address, body, content_type="application/json")
    assert answer.status_code == 409
    assert "comment on it instead" in answer.json()["error"]["message"]


def test_another_s_is_not_there(
    lead: Client, adjudicator: Client, outsider: Client, two: list[Annotation]
) -> None:
    for client in (lead, adjudicator, outsider):
        assert client.get(reopen_page(two[0])).status_code == 404


@pytest.mark.parametrize("kept", ["", "[]", "{", "[" * 100_000])
def test_a_kept_judgement_that_is_none_is_refused(
    annotator: Client, two: list[Annotation], kept: str
) -> None:
    body = {"action": "explain", "content": kept, "reason": "So."}
    assert annotator.post(f"{reopen_page(two[0])}?number=1", body).status_code == 400


def test_saving_for_later_says_that_nothing_is_kept(
    annotator: Client, two: list[Annotation]
) -> None:
    answer = annotator.post(f"{reopen_page(two[0])}?number=1", fill("1", "-1", action="save"))
    assert "your earlier judgement stands" in check_html(answer.content.decode())
    assert [
        step["rating"] for step in page_data(answer.content.decode())["draft"]["content"]["steps"]
    ] == [
        1,
        -1,
    ]


# --- Verdicts -------------------------------------------------------------------------------------


def submit_verdict(person: User, item: ReviewItem, data: dict[str, Any], *, opened: bool) -> None:
    held = claim_item(user=person, item=item)
    if opened:
        reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=At(1))
    submit(assignment=held, lease_token=held.lease_token, data=data, idempotency_key=uuid.uuid4())


def test_a_verdict_is_opened_with_its_claim(annotator: Client, project: Project, bob: User) -> None:
    item = make_injection_item(project)
    submit_verdict(bob, item, verdict(), opened=True)
    annotation = said_by(bob, item)
    data = page_data(read(annotator.get(reopen_page(annotation))))
    assert data["claim"]["reason"] == "Step 2 adds wrongly."
    assert data["blind_first_error"] == {"at": 1}
    assert data["draft"]["content"]["verdict"] == "accept"
    address = f"{reopen_page(annotation)}?number=1"
    rejected = {"action": "submit", "verdict": "reject", "reject_code": "wrong_type"}
    asked = annotator.post(address, rejected)
    explained = {"action": "explain", "content": asked.context["content"], "reason": "Not that."}
    annotator.post(address, explained)
    second = AnnotationRevision.objects.get(annotation=annotation, number=2)
    assert second.verdict == "reject"
    assert second.content["blind_first_error"] == {"at": 1}


def test_what_was_never_opened_stays_sealed(annotator: Client, project: Project, bob: User) -> None:
    item = make_injection_item(project)
    submit_verdict(bob, item, verdict("unsure", error_positions=[], error_type=""), opened=False)
    answer = annotator.get(reopen_page(said_by(bob, item)))
    assert answer.headers["Location"] == closed_page(bob, item)
    assert "without opening its claim" in words_of(annotator.get(closed_page(bob, item)))


# --- Closed otherwise -----------------------------------------------------------------------------


def test_a_skipped_item_has_no_word_of_mine(annotator: Client, project: Project, bob: User) -> None:
    item = make_items(project, 1)[0]
    held = claim_item(user=bob, item=item)
    skip(assignment=held, lease_token=held.lease_token, reason="not for me")
    words = words_of(annotator.get(closed_page(bob, item)))
    assert "You skipped this item" in words
    assert "What you said" not in words


def test_whose_item_left_the_queue_is_told_why(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    item = make_injection_item(project)
    claim_item(user=bob, item=item)
    confirm(report=report_original(item=item, reporter=erin), by=carol, reason="Step 1.")
    words = words_of(annotator.get(closed_page(bob, item)))
    assert "This item left the queue" in words
    assert "turned out to be wrong" in words


def test_who_reported_an_original_reads_what_became_of_it(
    annotator: Client, project: Project, bob: User, carol: User
) -> None:
    item = make_injection_item(project)
    wrong = {"reject_code": "original_wrong", "error_positions": [], "error_type": ""}
    submit_verdict(bob, item, verdict("reject", **wrong), opened=True)
    report = report_original(item=item, reporter=bob)
    dismiss(report=SourceReport.objects.get(pk=report.pk), by=carol, reason="7 is prime.")
    words = words_of(annotator.get(closed_page(bob, item)))
    assert "found it right" in words
    assert "7 is prime." in words
