"""A source is verified once: reports that an original is wrong, and what is decided on them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import (
    AnnotationRevision,
    Assignment,
    AuditEvent,
    Comment,
    Dispute,
    Draft,
    Injection,
    Membership,
    Project,
    ReviewItem,
    Solution,
    SourceReport,
    User,
)
from labeling.selectors.reports import build_dossiers, find_report, list_reports, state_of
from labeling.selectors.truth import LeftOut, TruthOptions, iterate_truth
from labeling.services.annotations import revise, submit
from labeling.services.assignments import LeaseLost, claim_item, claim_next, save_draft
from labeling.services.consistency import find_inconsistencies
from labeling.services.injections import record_injection
from labeling.services.ordering import reorder_queue
from labeling.services.reports import confirm, dismiss, note_verdict, reopen, report_original
from tests.labeling.factories import (
    STEPS,
    enqueue,
    join,
    make_project,
    make_solution,
    make_user,
    verdict,
)
from tests.labeling.services.test_ordering import import_all, injection_record
from workbench.errors import Conflict, InvalidInput, NotAllowed

WRONG = {"verdict": "reject", "reject_code": "original_wrong", "error_positions": []}
State = SourceReport.State


def says_wrong(note: str = "Step 2 of the original is wrong.") -> dict[str, Any]:
    return {"task": "verify_injection", **WRONG, "note": note}


@pytest.fixture
def original(project: Project) -> Solution:
    return make_solution(project, key="original")


def make_from(original: Solution, nth: int) -> ReviewItem:
    """An injection into the original."""
    steps = (STEPS[0], f"Then $2+2={nth + 5}$.", STEPS[2])
    modified = make_solution(original.project, key=f"made-{nth}", steps=steps)
    Injection.objects.create(
        project=original.project,
        original=original,
        modified=modified,
        error_type="deception",
        claimed_error_positions=[1],
        claimed_changed_positions=[1],
        producer="test",
        created_at=timezone.now(),
    )
    return enqueue(modified, task=ReviewItem.Task.VERIFY_INJECTION)


@pytest.fixture
def siblings(original: Solution) -> list[ReviewItem]:
    return [make_from(original, nth) for nth in range(3)]


def say(user: User, item: ReviewItem, data: dict[str, Any]) -> AnnotationRevision:
    """Let the person submit this of the item; what follows from it follows."""
    held = claim_item(user=user, item=item)
    revision = submit(
        assignment=held, lease_token=held.lease_token, data=data, idempotency_key=uuid.uuid4()
    )
    note_verdict(revision)
    return revision


def say_instead(user: User, item: ReviewItem, data: dict[str, Any]) -> AnnotationRevision:
    annotation = item.annotations.get(annotator=user)
    revision = revise(
        annotation=annotation,
        by=user,
        data=data,
        reason="I looked again.",
        seen_number=annotation.current_number,
        idempotency_key=uuid.uuid4(),
    )
    note_verdict(revision)
    return revision


def fresh(item: ReviewItem) -> ReviewItem:
    return ReviewItem.objects.get(pk=item.pk)


def find_faults() -> list[str]:
    return [str(one) for one in find_inconsistencies() if one.what.startswith("item")]


# --- Reporting ------------------------------------------------------------------------------------


def test_the_first_who_says_so_opens_a_report(
    project: Project, bob: User, original: Solution, siblings: list[ReviewItem]
) -> None:
    say(bob, siblings[0], says_wrong("7 is not even."))
    report = SourceReport.objects.get()
    assert (report.original, report.item, report.reporter) == (original, siblings[0], bob)
    assert (report.state, report.note) == (State.OPEN, "7 is not even.")
    event = AuditEvent.objects.get(verb="source_report.opened")
    assert event.detail == {"original": original.pk, "item": siblings[0].pk}


def test_the_second_who_says_so_opens_no_other(
    bob: User, erin: User, siblings: list[ReviewItem]
) -> None:
    say(bob, siblings[0], says_wrong())
    say(erin, siblings[1], says_wrong())
    assert SourceReport.objects.count() == 1


@pytest.mark.parametrize(
    "data",
    [
        verdict(),
        verdict("reject", reject_code="wrong_type", error_positions=[]),
        verdict("bad_problem", error_positions=[], note="It has no answer."),
        verdict("unsure", error_positions=[]),
    ],
)
def test_other_verdicts_report_nothing(
    bob: User, siblings: list[ReviewItem], data: dict[str, Any]
) -> None:
    say(bob, siblings[0], data)
    assert not SourceReport.objects.exists()


def test_a_first_verdict_that_reports_nothing_costs_no_query(
    bob: User, siblings: list[ReviewItem]
) -> None:
    revision = say(bob, siblings[0], verdict())
    with CaptureQueriesContext(connection) as queries:
        note_verdict(revision)
    assert len(queries) == 0


def test_a_word_taken_back_takes_its_report_back(bob: User, siblings: list[ReviewItem]) -> None:
    say(bob, siblings[0], says_wrong())
    say_instead(bob, siblings[0], verdict())
    report = SourceReport.objects.get()
    assert (report.state, report.decided_by, report.reason) == (State.DISMISSED, bob, "")
    assert state_of(report) == "withdrawn"
    assert find_report(report.original_id) is None
    assert not list_reports(report.project).exists()
    assert AuditEvent.objects.filter(verb="source_report.withdrawn").count() == 1


def test_a_report_stays_while_somebody_else_says_so(
    bob: User, erin: User, siblings: list[ReviewItem]
) -> None:
    say(bob, siblings[0], says_wrong())
    say(erin, siblings[1], says_wrong())
    say_instead(bob, siblings[0], verdict())
    assert SourceReport.objects.get().state == State.OPEN


def test_a_word_changed_to_it_reports_too(bob: User, siblings: list[ReviewItem]) -> None:
    say(bob, siblings[0], verdict())
    say_instead(bob, siblings[0], says_wrong())
    assert SourceReport.objects.get().state == State.OPEN


def test_saying_it_again_after_it_was_dismissed_opens_nothing(
    bob: User, carol: User, siblings: list[ReviewItem]
) -> None:
    say(bob, siblings[0], says_wrong())
    dismiss(report=SourceReport.objects.get(), by=carol, reason="7 is prime, not even.")
    say_instead(bob, siblings[0], says_wrong("Still."))
    assert SourceReport.objects.count() == 1


def test_somebody_else_who_says_so_later_opens_another(
    bob: User, erin: User, carol: User, siblings: list[ReviewItem]
) -> None:
    say(bob, siblings[0], says_wrong())
    dismiss(report=SourceReport.objects.get(), by=carol, reason="It is right.")
    say(erin, siblings[1], says_wrong())
    assert list(SourceReport.objects.order_by("pk").values_list("state", flat=True)) == [
        State.DISMISSED,
        State.OPEN,
    ]


def test_only_what_was_made_from_something_has_an_original(project: Project, bob: User) -> None:
    item = enqueue(make_solution(project))
    with pytest.raises(InvalidInput, match="no original"):
        report_original(item=item, reporter=bob)


# --- Found wrong ----------------------------------------------------------------------------------


@pytest.fixture
def report(bob: User, siblings: list[ReviewItem]) -> SourceReport:
    """Bob says so of the first sibling; the others wait."""
    say(bob, siblings[0], says_wrong())
    return SourceReport.objects.get()


def test_what_waits_leaves_the_queue(
    project: Project, report: SourceReport, siblings: list[ReviewItem], carol: User, erin: User
) -> None:
    confirm(report=report, by=carol, reason="Step 2.")
    assert {(fresh(item).state, fresh(item).free_slots) for item in siblings} == {
        (ReviewItem.State.DISCARDED, 0)
    }
    assert claim_next(user=erin, project=project) is None
    event = AuditEvent.objects.get(verb="source_report.confirmed")
    assert event.actor == carol
    assert event.detail == {
        "original": report.original_id,
        "reason": "Step 2.",
        "withdrawn": 3,
        "ended": 0,
    }
    assert find_faults() == []


def test_what_is_settled_stays(
    report: SourceReport, siblings: list[ReviewItem], bob: User, erin: User, carol: User
) -> None:
    for person in (bob, erin):
        say(person, siblings[1], verdict())
    confirm(report=report, by=carol)
    assert fresh(siblings[1]).state == ReviewItem.State.AGREED
    assert fresh(siblings[2]).state == ReviewItem.State.DISCARDED


def test_a_dispute_over_it_is_closed_and_opens_again(
    report: SourceReport, siblings: list[ReviewItem], erin: User, carol: User
) -> None:
    say(erin, siblings[0], verdict())
    assert fresh(siblings[0]).state == ReviewItem.State.DISPUTED
    confirm(report=report, by=carol)
    assert fresh(siblings[0]).state == ReviewItem.State.DISCARDED
    assert not Dispute.objects.filter(state=Dispute.State.OPEN).exists()
    assert find_faults() == []
    reopen(report=report, by=carol)
    assert fresh(siblings[0]).state == ReviewItem.State.DISPUTED
    assert Dispute.objects.filter(state=Dispute.State.OPEN).count() == 1
    assert find_faults() == []


def test_who_holds_one_loses_it_and_keeps_the_draft(
    report: SourceReport, siblings: list[ReviewItem], erin: User, carol: User
) -> None:
    held = claim_item(user=erin, item=siblings[1])
    save_draft(
        assignment=held, lease_token=held.lease_token, content={"note": "so far"}, seen_version=0
    )
    confirm(report=report, by=carol)
    held.refresh_from_db()
    assert held.state == Assignment.State.EXPIRED
    assert Draft.objects.get(item=siblings[1]).content == {"note": "so far"}
    with pytest.raises(LeaseLost):
        submit(
            assignment=held,
            lease_token=held.lease_token,
            data=verdict(),
            idempotency_key=uuid.uuid4(),
        )
    with pytest.raises(LeaseLost):
        claim_item(user=erin, item=siblings[1])
    assert find_faults() == []


def test_undone_everything_is_as_its_reviewers_left_it(
    report: SourceReport, siblings: list[ReviewItem], erin: User, carol: User
) -> None:
    claim_item(user=erin, item=siblings[1])
    confirm(report=report, by=carol)
    reopen(report=report, by=carol)
    report.refresh_from_db()
    assert (report.state, report.decided_by, report.withdrawn_items) == (State.OPEN, None, [])
    assert [(fresh(item).state, fresh(item).free_slots) for item in siblings] == [
        (ReviewItem.State.WAITING, 1),
        # Erin's hold was ended.
        (ReviewItem.State.WAITING, 2),
        (ReviewItem.State.WAITING, 2),
    ]
    claim_item(user=erin, item=siblings[1])
    assert find_faults() == []


def test_a_word_revised_meanwhile_counts_once_it_is_undone(
    report: SourceReport, siblings: list[ReviewItem], bob: User, erin: User, carol: User
) -> None:
    say(erin, siblings[0], verdict())
    confirm(report=report, by=carol)
    say_instead(bob, siblings[0], verdict())
    assert fresh(siblings[0]).state == ReviewItem.State.DISCARDED
    assert find_faults() == []
    reopen(report=report, by=carol)
    assert fresh(siblings[0]).state == ReviewItem.State.AGREED
    assert find_faults() == []


def test_a_new_order_leaves_out_what_left_the_queue(
    project: Project, report: SourceReport, siblings: list[ReviewItem], carol: User
) -> None:
    confirm(report=report, by=carol)
    other = enqueue(make_solution(project, key="other"))
    assert reorder_queue(project) == 1
    assert fresh(other).state == ReviewItem.State.WAITING


def test_a_fault_is_found_and_mended(
    report: SourceReport, siblings: list[ReviewItem], carol: User
) -> None:
    confirm(report=report, by=carol)
    ReviewItem.objects.filter(pk=siblings[2].pk).update(
        state=ReviewItem.State.WAITING, free_slots=2
    )
    assert len(find_faults()) == 2
    list(find_inconsistencies(repair=True))
    assert find_faults() == []
    assert fresh(siblings[2]).state == ReviewItem.State.DISCARDED


def test_injections_made_later_do_not_enter_the_queue(
    project: Project, report: SourceReport, carol: User
) -> None:
    confirm(report=report, by=carol)
    made = record_injection(
        original=report.original,
        proposal=injection_record("later", 0),
        producer="test",
        provenance={},
        is_scripted=True,
    )
    assert made is not None
    item = ReviewItem.objects.get(solution=made.modified)
    assert (item.state, item.free_slots) == (ReviewItem.State.DISCARDED, 0)
    report.refresh_from_db()
    reopen(report=report, by=carol)
    assert fresh(item).state == ReviewItem.State.WAITING


def test_imported_later_neither(project: Project, bob: User, carol: User) -> None:
    import_all(project, [injection_record("a", 0)])
    say(bob, ReviewItem.objects.get(), says_wrong())
    confirm(report=SourceReport.objects.get(), by=carol)
    import_all(project, [injection_record("a", 1), injection_record("b", 0)])
    states = dict(ReviewItem.objects.values_list("solution__source_key", "state"))
    assert states == {"a-0": "discarded", "a-1": "discarded", "b-0": "waiting"}
    assert find_faults() == []


def test_nothing_made_from_a_wrong_original_is_released(
    project: Project, report: SourceReport, siblings: list[ReviewItem], carol: User
) -> None:
    bob, erin = User.objects.get(username="bob"), User.objects.get(username="erin")
    for person in (bob, erin):
        say(person, siblings[1], verdict())
    assert [row.item_id for row in iterate_truth(project, TruthOptions())] == [siblings[1].pk]
    confirm(report=report, by=carol)
    left_out = LeftOut()
    assert not list(iterate_truth(project, TruthOptions(include_single=True), left_out=left_out))
    assert left_out.reasons == {"original is wrong": 3}
    reopen(report=report, by=carol)
    assert [row.item_id for row in iterate_truth(project, TruthOptions())] == [siblings[1].pk]


# --- Found right ----------------------------------------------------------------------------------


def test_found_right_its_siblings_go_on_and_who_said_so_is_told(
    report: SourceReport, siblings: list[ReviewItem], bob: User, carol: User
) -> None:
    dismiss(report=report, by=carol, reason="7 is prime: see the definition.")
    assert {fresh(item).state for item in siblings} == {ReviewItem.State.WAITING}
    comment = Comment.objects.get()
    assert (comment.item, comment.author, comment.text) == (
        siblings[0],
        carol,
        "7 is prime: see the definition.",
    )
    assert [mention.person for mention in comment.mentions.all()] == [bob]


def test_everybody_who_said_so_is_told_once(
    report: SourceReport, siblings: list[ReviewItem], bob: User, erin: User, carol: User
) -> None:
    say(bob, siblings[1], says_wrong())
    say(erin, siblings[2], says_wrong())
    dismiss(report=report, by=carol, reason="It is right.")
    told = Comment.objects.order_by("pk").values_list("mentions__person", flat=True)
    assert list(told) == [bob.pk, erin.pk]


def test_who_reviewed_it_decides_and_tells_nobody(
    project: Project, report: SourceReport, siblings: list[ReviewItem], alice: User
) -> None:
    """Of an item that one reviews one does not speak for the desk."""
    say(alice, siblings[0], verdict())
    dismiss(report=report, by=alice, reason="It is right.")
    assert not Comment.objects.exists()
    assert SourceReport.objects.get().state == State.DISMISSED


def test_a_person_who_left_is_not_told(report: SourceReport, bob: User, carol: User) -> None:
    Membership.objects.filter(user=bob).update(is_active=False)
    dismiss(report=report, by=carol, reason="It is right.")
    assert not Comment.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 4_001])
def test_the_reason_is_needed_and_not_endless(
    report: SourceReport, carol: User, reason: str
) -> None:
    with pytest.raises(InvalidInput):
        dismiss(report=report, by=carol, reason=reason)
    assert SourceReport.objects.get().state == State.OPEN


def test_a_dismissal_is_undone(report: SourceReport, carol: User) -> None:
    dismiss(report=report, by=carol, reason="It is right.")
    reopen(report=report, by=carol)
    assert (report.state, report.reason) == (State.OPEN, "")
    assert AuditEvent.objects.get(verb="source_report.reopened").detail["reason"] == "It is right."


# --- Who may, and who was first -------------------------------------------------------------------


def test_annotators_do_not_decide(report: SourceReport, erin: User) -> None:
    for action in (confirm, dismiss):
        with pytest.raises(NotAllowed):
            action(report=report, by=erin, reason="no")
    with pytest.raises(NotAllowed):
        reopen(report=report, by=erin)


def test_of_two_who_decide_at_once_one_is_told(
    report: SourceReport, siblings: list[ReviewItem], alice: User, carol: User
) -> None:
    stale = SourceReport.objects.get()
    dismiss(report=report, by=carol, reason="It is right.")
    with pytest.raises(Conflict, match="decided already"):
        confirm(report=stale, by=alice)
    assert fresh(siblings[2]).state == ReviewItem.State.WAITING


def test_what_is_open_or_was_taken_back_cannot_be_undone(
    report: SourceReport, siblings: list[ReviewItem], bob: User, carol: User
) -> None:
    with pytest.raises(Conflict, match="open already"):
        reopen(report=report, by=carol)
    say_instead(bob, siblings[0], verdict())
    with pytest.raises(Conflict, match="took this report back"):
        reopen(report=report, by=carol)


def test_what_a_newer_report_replaced_cannot_be_undone(
    report: SourceReport, siblings: list[ReviewItem], erin: User, carol: User
) -> None:
    dismiss(report=report, by=carol, reason="It is right.")
    say(erin, siblings[1], says_wrong())
    with pytest.raises(Conflict, match="newer report"):
        reopen(report=report, by=carol)


# --- What reviewers and leads see -----------------------------------------------------------------


def test_reviewers_of_siblings_are_told_without_names(
    report: SourceReport, siblings: list[ReviewItem], carol: User
) -> None:
    view = find_report(report.original_id)
    assert view is not None
    assert (view.state, view.reason, view.n_waiting, view.n_done) == ("open", "", 3, 0)
    confirm(report=report, by=carol, reason="Step 2.")
    view = find_report(report.original_id)
    assert view is not None
    assert (view.state, view.reason, view.n_waiting, view.n_done) == ("confirmed", "Step 2.", 0, 0)


def test_a_reviewer_does_not_learn_what_another_says_of_the_same_item(
    report: SourceReport, siblings: list[ReviewItem], erin: User, carol: User
) -> None:
    assert find_report(report.original_id, beside_item=siblings[0].pk) is None
    assert find_report(report.original_id, beside_item=siblings[1].pk) is not None
    dismiss(report=report, by=carol, reason="It is right.")
    assert find_report(report.original_id, beside_item=siblings[0].pk) is not None


def test_no_report_is_none(original: Solution) -> None:
    assert find_report(original.pk) is None


def test_a_lead_sees_who_said_so_and_what_else_was_made(
    project: Project, report: SourceReport, siblings: list[ReviewItem], erin: User
) -> None:
    say(erin, siblings[1], verdict())
    [dossier] = build_dossiers(list(list_reports(project)), project)
    pseudonym = project.memberships.get(user__username="bob").pseudonym
    assert dossier.steps == STEPS
    assert [(voice.name, voice.note) for voice in dossier.voices] == [
        (pseudonym, "Step 2 of the original is wrong.")
    ]
    assert [
        [(said.verdict, said.reject_code, said.n) for said in made.said] for made in dossier.made
    ] == [[("reject", "original_wrong", 1)], [("accept", "", 1)], []]
    assert [made.state for made in dossier.made] == ["waiting"] * 3
    project.hide_names = False
    [dossier] = build_dossiers(list(list_reports(project)), project)
    assert [voice.name for voice in dossier.voices] == ["bob"]


def test_more_reports_take_no_more_queries(
    project: Project, report: SourceReport, bob: User
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            build_dossiers(list(list_reports(project)), project)
        return len(queries)

    few = count()
    for nth in range(3):
        item = make_from(make_solution(project, key=f"other-{nth}"), nth + 10)
        say(bob, item, says_wrong())
    assert list_reports(project).count() == 4
    assert count() == few


@pytest.mark.postgres
def test_it_works_on_postgresql_too(postgres_db: None) -> None:
    lead = make_user("alice")
    project = make_project(lead)
    bob, carol = make_user("bob"), make_user("carol")
    join(project, bob, Membership.Role.ANNOTATOR)
    join(project, carol, Membership.Role.ADJUDICATOR)
    original = make_solution(project, key="original")
    items = [make_from(original, nth) for nth in range(2)]
    say(bob, items[0], says_wrong())
    report = SourceReport.objects.get()
    assert build_dossiers([report], project)[0].voices[0].note
    confirm(report=report, by=carol)
    assert {fresh(item).state for item in items} == {ReviewItem.State.DISCARDED}
    assert find_faults() == []
    reopen(report=report, by=carol)
    assert find_faults() == []
    say_instead(bob, items[0], verdict())
    assert state_of(SourceReport.objects.get()) == "withdrawn"
