from __future__ import annotations

import uuid
from typing import Any

import pytest

from labeling.content import parse_content
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Assignment,
    Dispute,
    Draft,
    Exposure,
    Project,
    ReviewItem,
    StepRating,
    User,
)
from labeling.records import At, NoError
from labeling.selectors.exposures import find_blind_judgement
from labeling.services.annotations import (
    Incomplete,
    reveal_claim,
    revise,
    submit,
)
from labeling.services.assignments import LeaseLost, claim_next, expire_leases, save_draft
from tests.labeling.factories import make_injection_item, make_items, rating, verdict
from workbench.errors import Conflict, InvalidInput

CORRECT = ("correct", "correct", "correct")


def take(user: User, project: Project) -> Assignment:
    assignment = claim_next(user=user, project=project)
    assert assignment is not None
    return assignment


def hand_in(assignment: Assignment, data: dict[str, Any], **kwargs: Any) -> AnnotationRevision:
    kwargs.setdefault("idempotency_key", uuid.uuid4())
    return submit(assignment=assignment, lease_token=assignment.lease_token, data=data, **kwargs)


def test_it_works(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    assignment = take(bob, project)
    save_draft(
        assignment=assignment,
        lease_token=assignment.lease_token,
        content={"note": "half"},
        seen_version=0,
    )
    revision = hand_in(assignment, rating("correct", "wrong", "correct"), active_ms=4000)
    assert revision.number == 1
    assert revision.first_error_position == 1
    assert revision.active_ms == 4000
    assert revision.guideline_version == project.guideline_version
    assert [r.rating for r in StepRating.objects.order_by("step__position")] == [1, -1, 1]
    assert not Draft.objects.filter(item=item).exists()
    item.refresh_from_db()
    assert item.state == ReviewItem.State.WAITING


def test_a_submit_pressed_twice_counts_once(project: Project, bob: User) -> None:
    make_items(project, 1)
    assignment = take(bob, project)
    key = uuid.uuid4()
    first = hand_in(assignment, rating(*CORRECT), idempotency_key=key)
    again = hand_in(assignment, rating(*CORRECT), idempotency_key=key)
    assert again == first
    assert AnnotationRevision.objects.count() == 1


def test_another_submission_of_a_finished_item_is_refused(project: Project, bob: User) -> None:
    make_items(project, 1)
    assignment = take(bob, project)
    hand_in(assignment, rating(*CORRECT))
    with pytest.raises(LeaseLost, match="already submitted"):
        hand_in(assignment, rating(*CORRECT))


def test_a_submission_after_the_lease_keeps_the_draft(project: Project, bob: User) -> None:
    make_items(project, 1)
    assignment = take(bob, project)
    save_draft(
        assignment=assignment,
        lease_token=assignment.lease_token,
        content={"note": "half"},
        seen_version=0,
    )
    expire_leases(now=assignment.lease_expires_at)
    with pytest.raises(LeaseLost):
        hand_in(assignment, rating(*CORRECT))
    assert Draft.objects.get().content == {"note": "half"}
    assert not Annotation.objects.exists()


def test_gaps_are_named_with_their_step(project: Project, bob: User) -> None:
    make_items(project, 1)
    with pytest.raises(Incomplete) as refused:
        hand_in(take(bob, project), rating("correct", None, None))
    gaps: Any = refused.value.extra["gaps"]
    assert [gap["position"] for gap in gaps] == [1, 2]


def test_a_note_alone_is_no_judgement(project: Project, bob: User) -> None:
    make_items(project, 1)
    data = rating("correct", "correct", None)
    data["steps"].append({"position": 2, "note": "I wonder about this one."})
    with pytest.raises(Incomplete, match="Step 3 is not judged yet"):
        hand_in(take(bob, project), data)


def test_after_the_first_error_nothing_is_asked_where_the_project_stops_there(
    project: Project, bob: User
) -> None:
    project.mode = Project.Mode.FIRST_ERROR
    project.save()
    make_items(project, 1)
    revision = hand_in(take(bob, project), rating("correct", "wrong", None))
    content = parse_content(revision.content, n_steps=3)
    assert content.first_error(3) == At(1)
    # The step after it is not judged: no rating row, not a neutral one.
    assert StepRating.objects.count() == 2


@pytest.mark.parametrize(
    "data",
    [
        {"task": "verify_injection", "verdict": "accept"},
        {"task": "rate_steps", "steps": [{"position": 7, "validity": "correct"}]},
        {"task": "rate_steps", "steps": [{"position": True, "validity": "correct"}]},
        {"task": "rate_steps", "steps": "all fine"},
        {"task": "rate_steps", "steps": [{"position": 0, "validity": "perfect"}]},
        ["a list"],
        None,
    ],
)
def test_malformed_documents_are_refused_and_nothing_is_stored(
    project: Project, bob: User, data: Any
) -> None:
    make_items(project, 1)
    with pytest.raises(InvalidInput):
        hand_in(take(bob, project), data)
    assert not Annotation.objects.exists()


def test_an_error_type_outside_the_taxonomy_is_refused(project: Project, bob: User) -> None:
    make_items(project, 1)
    data = rating(*CORRECT)
    data["steps"][0]["error_types"] = ["witchcraft"]
    with pytest.raises(Incomplete, match="witchcraft"):
        hand_in(take(bob, project), data)


def test_two_who_agree_settle_the_item(project: Project, bob: User, erin: User) -> None:
    [item] = make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    second = hand_in(take(erin, project), rating(*CORRECT))
    item.refresh_from_db()
    assert item.state == ReviewItem.State.AGREED
    assert item.agreed_revision is not None
    assert item.agreed_revision.annotation.annotator == bob
    assert second.annotation.annotator == erin
    assert not Dispute.objects.exists()


def test_two_who_differ_open_one_dispute(project: Project, bob: User, erin: User) -> None:
    [item] = make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating("correct", "wrong", "correct"))
    item.refresh_from_db()
    assert item.state == ReviewItem.State.DISPUTED
    assert Dispute.objects.get().kinds == ["existence"]


def test_a_revision_is_kept_beside_the_first_and_can_end_a_dispute(
    project: Project, bob: User, erin: User
) -> None:
    [item] = make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    theirs = hand_in(take(erin, project), rating("correct", "wrong", "correct"))
    key = uuid.uuid4()
    kwargs: dict[str, Any] = {
        "annotation": theirs.annotation,
        "by": erin,
        "data": rating(*CORRECT),
        "idempotency_key": key,
    }
    with pytest.raises(InvalidInput, match="why"):
        revise(**kwargs, reason="", seen_number=1)
    with pytest.raises(Conflict, match="another window"):
        revise(**kwargs, reason="I misread step 2", seen_number=0)
    revised = revise(**kwargs, reason="I misread step 2", seen_number=1)
    assert revised.number == 2
    assert revise(**kwargs, reason="again", seen_number=1) == revised
    assert theirs.annotation.revisions.count() == 2
    item.refresh_from_db()
    assert item.state == ReviewItem.State.AGREED
    assert Dispute.objects.get().state == Dispute.State.CLOSED


def test_the_first_judgement_on_an_injection_cannot_be_rewritten(
    project: Project, bob: User
) -> None:
    item = make_injection_item(project)
    assignment = take(bob, project)
    token = assignment.lease_token
    assert find_blind_judgement(item=item, person=bob) is None
    assert (
        reveal_claim(assignment=assignment, lease_token=token, blind_first_error=NoError())
        == NoError()
    )
    # A second opening keeps what was said first.
    assert (
        reveal_claim(assignment=assignment, lease_token=token, blind_first_error=At(1)) == NoError()
    )
    revision = hand_in(assignment, verdict("accept", blind_first_error={"at": 1}))
    assert revision.content["blind_first_error"] == {"none": True}
    assert revision.after_reveal
    assert revision.verdict == "accept"
    assert Exposure.objects.filter(what=Exposure.What.CLAIM, person=bob).count() == 1


def test_a_rejection_needs_a_code(project: Project, bob: User) -> None:
    make_injection_item(project)
    assignment = take(bob, project)
    with pytest.raises(Incomplete, match="why"):
        hand_in(assignment, verdict("reject", error_positions=[]))
    hand_in(assignment, verdict("reject", error_positions=[], reject_code="not_an_error"))


def test_k_agree_asks_more_people_until_enough_agree(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    Project.objects.filter(pk=project.pk).update(
        strategy=Project.Strategy.K_AGREE, overlap=2, agree_target=2, max_overlap=3
    )
    project.refresh_from_db()
    [item] = make_items(project, 1, overlap=2)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating("correct", "wrong", "correct"))
    item.refresh_from_db()
    assert (item.state, item.overlap, item.free_slots) == ("waiting", 3, 1)
    hand_in(take(alice, project), rating(*CORRECT))
    item.refresh_from_db()
    assert item.state == ReviewItem.State.AGREED
