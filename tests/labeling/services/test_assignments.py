from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import (
    Assignment,
    Draft,
    Exposure,
    Membership,
    Project,
    ReviewItem,
    User,
)
from labeling.records import Unknown
from labeling.selectors.exposures import find_blind_judgement, has_seen_others_word
from labeling.services.assignments import (
    LeaseLost,
    StaleDraft,
    claim_item,
    claim_next,
    expire_leases,
    extend_lease,
    save_draft,
    skip,
    undo_skip,
)
from tests.labeling.factories import make_injection_item, make_items
from workbench.errors import Conflict, InvalidInput, NotAllowed


def test_it_works(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    assignment = claim_next(user=bob, project=project)
    assert assignment is not None
    assert assignment.item == item
    item.refresh_from_db()
    assert item.free_slots == item.overlap - 1


def test_claiming_again_gives_the_open_one_back(project: Project, bob: User) -> None:
    make_items(project, 2)
    first = claim_next(user=bob, project=project)
    assert claim_next(user=bob, project=project) == first


def test_overlap_is_never_exceeded_and_nobody_gets_an_item_twice(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_items(project, 1)
    assert claim_next(user=bob, project=project)
    assert claim_next(user=erin, project=project)
    assert claim_next(user=alice, project=project) is None


def test_an_empty_queue_gives_nothing(project: Project, bob: User) -> None:
    assert claim_next(user=bob, project=project) is None


def test_those_who_do_not_annotate_are_refused(
    project: Project, carol: User, frank: User, dave: User
) -> None:
    make_items(project, 1)
    for person in (carol, frank, dave):
        with pytest.raises(NotAllowed):
            claim_next(user=person, project=project)


def test_an_expired_lease_returns_the_item_to_others_and_to_its_holder(
    project: Project, bob: User, erin: User
) -> None:
    [item] = make_items(project, 1, overlap=1)
    now = timezone.now()
    held = claim_next(user=bob, project=project, now=now)
    assert held is not None
    assert claim_next(user=erin, project=project, now=now) is None
    later = held.lease_expires_at + timedelta(seconds=1)
    assert expire_leases(now=later) == 1
    assert expire_leases(now=later) == 0
    again = claim_item(user=bob, item=item, now=later)
    assert again.pk != held.pk
    assert again.lease_token != held.lease_token


def test_an_item_that_came_back_behind_the_cursor_is_found(
    project: Project, bob: User, erin: User
) -> None:
    first, second = make_items(project, 2, overlap=1)
    now = timezone.now()
    held = claim_next(user=erin, project=project, now=now)
    assert held is not None
    assert held.item == first
    mine = claim_next(user=bob, project=project, now=now)
    assert mine is not None
    assert mine.item == second
    skip(assignment=mine, lease_token=mine.lease_token, reason="too long", now=now)
    expire_leases(now=held.lease_expires_at)
    back = claim_next(user=bob, project=project, now=held.lease_expires_at)
    assert back is not None
    assert back.item == first


def test_a_heartbeat_extends_the_lease(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = claim_next(user=bob, project=project)
    assert held is not None
    later = held.lease_expires_at - timedelta(seconds=1)
    end = extend_lease(assignment=held, lease_token=held.lease_token, now=later)
    assert end == later + timedelta(minutes=project.lease_minutes)
    with pytest.raises(LeaseLost):
        extend_lease(assignment=held, lease_token=uuid.uuid4(), now=later)


def test_a_skipped_item_goes_to_somebody_else(project: Project, bob: User, erin: User) -> None:
    [item] = make_items(project, 1, overlap=1)
    held = claim_next(user=bob, project=project)
    assert held is not None
    with pytest.raises(InvalidInput, match="why"):
        skip(assignment=held, lease_token=held.lease_token, reason=" ")
    skip(assignment=held, lease_token=held.lease_token, reason="I know the author")
    assert claim_next(user=bob, project=project) is None
    theirs = claim_next(user=erin, project=project)
    assert theirs is not None
    assert theirs.item == item


def test_a_skip_can_be_undone_while_nobody_has_the_item(
    project: Project, bob: User, erin: User
) -> None:
    make_items(project, 1, overlap=1)
    held = claim_next(user=bob, project=project)
    assert held is not None
    skip(assignment=held, lease_token=held.lease_token, reason="by mistake")
    again = undo_skip(assignment=Assignment.objects.get(pk=held.pk))
    assert again.state == Assignment.State.OPEN
    skip(assignment=again, lease_token=again.lease_token, reason="really")
    assert claim_next(user=erin, project=project)
    with pytest.raises(LeaseLost):
        undo_skip(assignment=Assignment.objects.get(pk=again.pk))


def test_a_draft_is_kept_and_a_stale_one_refused(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = claim_next(user=bob, project=project)
    assert held is not None

    def save(text: str, seen: int) -> Draft:
        return save_draft(
            assignment=held,
            lease_token=held.lease_token,
            content={"note": text},
            seen_version=seen,
        )

    assert save("one", 0).version == 1
    assert save("two", 1).version == 2
    with pytest.raises(StaleDraft) as refused:
        save("from another tab", 1)
    assert refused.value.extra["content"] == {"note": "two"}
    assert refused.value.extra["version"] == 2


def test_a_draft_outlives_its_lease(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    held = claim_next(user=bob, project=project)
    assert held is not None
    save_draft(
        assignment=held, lease_token=held.lease_token, content={"note": "half"}, seen_version=0
    )
    later = held.lease_expires_at
    expire_leases(now=later)
    with pytest.raises(LeaseLost, match="draft is safe"):
        save_draft(
            assignment=held,
            lease_token=held.lease_token,
            content={"note": "more"},
            seen_version=1,
            now=later,
        )
    assert Draft.objects.get(item=item, annotator=bob).content == {"note": "half"}


def test_the_cursor_makes_everybody_walk_in_order(project: Project, bob: User, erin: User) -> None:
    items = make_items(project, 3)
    seen = []
    for _ in items:
        held = claim_next(user=bob, project=project)
        assert held is not None
        seen.append(held.item_id)
        Assignment.objects.filter(pk=held.pk).update(state=Assignment.State.SUBMITTED)
    assert seen == [item.pk for item in items]
    assert claim_next(user=bob, project=project) is None
    theirs = claim_next(user=erin, project=project)
    assert theirs is not None
    assert theirs.item_id == items[0].pk


def test_one_person_cannot_be_held_twice_by_the_database(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    held = claim_next(user=bob, project=project)
    assert held is not None
    Assignment.objects.filter(pk=held.pk).update(state=Assignment.State.SUBMITTED)
    with pytest.raises(Conflict):
        claim_item(user=bob, item=item)
    assert Membership.objects.get(project=project, user=bob).queue_cursor == item.queue_order
    assert ReviewItem.objects.get(pk=item.pk).free_slots == 1


def test_what_is_shown_is_logged_when_it_is_claimed(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    claim_next(user=bob, project=project)
    seen = Exposure.objects.get(item=item, person=bob)
    assert (seen.what, seen.detail) == ("item", {"reference_answer": True})
    assert seen.guideline_version == project.guideline_version


def test_a_claim_that_is_never_hidden_is_logged_as_seen_from_the_start(
    project: Project, bob: User
) -> None:
    project.hide_claim = False
    project.save()
    item = make_injection_item(project)
    held = claim_next(user=bob, project=project)
    assert held is not None
    assert has_seen_others_word(item_id=held.item_id, person_id=held.annotator_id)
    judged = find_blind_judgement(item=item, person=bob)
    assert judged == Unknown("the claim was shown from the start")
