from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labeling.content import RatingContent, parse_content
from labeling.models import Annotation, AnnotationRevision, Assignment, Exposure, Project, User
from labeling.records import Author as LabelAuthor
from labeling.records import LabelSet, StepLabel, Validity, label_from_rating
from labeling.selectors.proposals import (
    find_proposal,
    list_proposal_methods,
    read_ratings,
    show_proposal,
)
from labeling.services.annotations import Incomplete, revise, submit
from labeling.services.assignments import claim_item, claim_next, expire_leases
from labeling.services.audit import record_exposure
from labeling.services.suggestions import record_suggestion
from tests.labeling.factories import make_items, rating

METHOD = "genprm"


def propose(solution: Any, *ratings: int | None, method: str = METHOD, seed: int = 0) -> None:
    labels = tuple(None if one is None else label_from_rating(one) for one in ratings)
    stored = record_suggestion(
        solution=solution,
        label_set=LabelSet(author=LabelAuthor.MACHINE, labels=labels, method=method, rater="tiny"),
        producer="tiny",
        settings={"seed": seed},
        reference={},
        provenance={},
        is_scripted=True,
    )
    assert stored is not None


@pytest.fixture
def confirming(project: Project) -> Project:
    """A project whose reviewers confirm what a machine says, all of them."""
    project.proposal_method, project.blind_share = METHOD, 0
    project.save()
    return project


def take(user: User, project: Project) -> Assignment:
    assignment = claim_next(user=user, project=project)
    assert assignment is not None
    return assignment


def hand_in(assignment: Assignment, data: dict[str, Any]) -> AnnotationRevision:
    return submit(
        assignment=assignment,
        lease_token=assignment.lease_token,
        data=data,
        idempotency_key=uuid.uuid4(),
    )


def read(revision: AnnotationRevision, n_steps: int = 3) -> RatingContent:
    content = parse_content(revision.content, n_steps=n_steps)
    assert isinstance(content, RatingContent)
    return content


def test_the_newest_labels_of_the_method_are_proposed(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, 1)
    propose(item.solution, 1, None, -1, seed=1)
    propose(item.solution, 0, 0, 0, method="prm")
    proposal = find_proposal(take(bob, confirming))
    assert proposal is not None
    assert proposal.ratings == (1, None, -1)


def test_what_is_proposed_is_logged_as_shown(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, -1)
    held = take(bob, confirming)
    shown = Exposure.objects.get(item=item, person=bob, what=Exposure.What.MACHINE)
    assert shown.detail["panel"] == "proposal"
    assert shown.detail["suggestion"] == held.suggestion_id
    assert shown.detail["is_scripted"] is True


def test_what_is_kept_back_is_neither_shown_nor_logged(confirming: Project, bob: User) -> None:
    confirming.blind_share = 100
    confirming.save()
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, -1)
    held = take(bob, confirming)
    assert (held.proposal, held.blind_probability) == (Assignment.Proposal.BLIND, 1.0)
    assert held.suggestion is not None
    assert show_proposal(held) is None
    assert not Exposure.objects.filter(item=item, what=Exposure.What.MACHINE).exists()


def test_a_solution_without_labels_has_nothing_to_draw(confirming: Project, bob: User) -> None:
    make_items(confirming, 1)
    held = take(bob, confirming)
    assert (held.proposal, held.suggestion, held.blind_probability) == ("none", None, None)


def test_the_share_is_kept_back(
    confirming: Project, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirming.blind_share = 25
    confirming.save()
    draws = iter([0.2499, 0.25, 0.9])
    monkeypatch.setattr("labeling.services.proposals._chance.random", lambda: next(draws))
    found = []
    for item in make_items(confirming, 3):
        propose(item.solution, 1, 1, 1)
    for _index in range(3):
        held = take(bob, confirming)
        found.append((held.proposal, held.blind_probability))
        hand_in(held, rating("correct", "correct", "correct"))
    assert found == [("blind", 0.25), ("shown", 0.25), ("shown", 0.25)]


def test_nobody_draws_again_by_letting_a_lease_run_out(confirming: Project, bob: User) -> None:
    confirming.blind_share = 100
    confirming.save()
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, 1)
    held = take(bob, confirming)
    later = timezone.now() + timedelta(days=1)
    expire_leases(now=later)
    confirming.blind_share = 0
    confirming.save()
    again = claim_item(user=bob, item=held.item, now=later)
    assert (again.pk != held.pk, again.proposal) == (True, Assignment.Proposal.BLIND)


def test_confirming_keeps_the_two_words_apart(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, -1)
    held = take(bob, confirming)
    content = read(hand_in(held, rating("correct", "correct", "wrong")))
    assert content.proposal is not None
    assert content.proposal.ratings == (1, 1, -1)
    assert content.overrides == ()
    assert [judgement.label.validity for judgement in content.steps] == [
        *(Validity.CORRECT, Validity.CORRECT, Validity.WRONG)
    ]


def test_an_override_needs_a_reason(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, -1)
    held = take(bob, confirming)
    with pytest.raises(Incomplete) as refused:
        hand_in(held, rating("correct", "wrong", "correct"))
    gaps: Any = refused.value.extra["gaps"]
    assert [gap["position"] for gap in gaps] == [1, 2]


def test_reasons_are_kept_only_where_the_words_differ(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, -1)
    held = take(bob, confirming)
    data = rating("correct", "correct", "correct") | {
        "overrides": [
            {"position": 0, "reason": "other"},
            {"position": 2, "reason": "false_alarm"},
        ]
    }
    content = read(hand_in(held, data))
    assert [(one.position, str(one.reason)) for one in content.overrides] == [(2, "false_alarm")]


def test_a_document_cannot_make_up_what_was_proposed(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = take(bob, project)
    data = rating("correct", "correct", "correct") | {
        "proposal": {"suggestion": 7, "ratings": [1, 1, 1]},
        "before_reveal": [{"position": 0, "validity": "wrong"}],
    }
    content = read(hand_in(held, data))
    assert (content.proposal, content.before_reveal) == (None, ())


def test_being_unsure_overrides_nothing(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, -1, 1, 1)
    held = take(bob, confirming)
    data = rating("correct", "correct", "correct")
    data["steps"][0] = {"position": 0, "unsure": True}
    assert read(hand_in(held, data)).overrides == ()


def test_a_revision_is_checked_against_the_same_proposal(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, 1)
    hand_in(take(bob, confirming), rating("correct", "correct", "correct"))
    propose(item.solution, -1, -1, -1, seed=1)
    annotation = Annotation.objects.get(item=item, annotator=bob)
    change: dict[str, Any] = {
        "annotation": annotation,
        "by": bob,
        "reason": "looked again",
        "seen_number": 1,
        "idempotency_key": uuid.uuid4(),
    }
    with pytest.raises(Incomplete):
        revise(data=rating("correct", "correct", "wrong"), **change)
    data = rating("correct", "correct", "wrong") | {
        "overrides": [{"position": 2, "reason": "missed_error"}]
    }
    revised = read(revise(data=data, **change))
    assert revised.proposal is not None
    assert revised.proposal.ratings == (1, 1, 1)


def test_in_a_binary_project_a_neutral_step_is_proposed_as_right() -> None:
    labels = [{"validity": "correct", "contribution": "neutral"}, None, {"validity": "wrong"}]
    assert read_ratings(labels, binary=True) == (1, None, -1)
    assert read_ratings(labels, binary=False) == (0, None, -1)


def test_the_methods_to_choose_from_are_those_with_labels(confirming: Project) -> None:
    items = make_items(confirming, 2)
    propose(items[0].solution, 1, 1, 1, method="rpe")
    propose(items[1].solution, 1, 1, 1, method="rpe")
    assert list_proposal_methods(confirming) == ["genprm", "rpe"]


# --- Before and after a reveal --------------------------------------------------------------------


def open_evidence(held: Assignment, position: int, **own_word: Any) -> None:
    record_exposure(
        item=held.item,
        person=held.annotator,
        what=Exposure.What.MACHINE,
        project=held.project,
        panel="step_evidence",
        position=position,
        sources=[],
        own_word=own_word,
    )


def test_the_word_before_a_reveal_is_kept_beside_the_later_one(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = take(bob, project)
    open_evidence(held, 1, validity="correct", rating=1)
    open_evidence(held, 1, validity="wrong", rating=-1)
    revision = hand_in(held, rating("correct", "wrong", "correct"))
    before = read(revision).before_reveal
    assert [(one.position, one.label) for one in before] == [
        (1, StepLabel(validity=Validity.CORRECT, rating=1))
    ]
    assert revision.after_reveal


def test_a_word_that_stayed_is_kept_once(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = take(bob, project)
    open_evidence(held, 0, validity="correct", rating=1)
    open_evidence(held, 2)
    revision = hand_in(held, rating("correct", "correct", "correct"))
    assert read(revision).before_reveal == ()
    assert revision.after_reveal


def test_proposals_from_the_start_are_no_reveal(confirming: Project, bob: User) -> None:
    [item] = make_items(confirming, 1)
    propose(item.solution, 1, 1, 1)
    assert not hand_in(take(bob, confirming), rating("correct", "correct", "correct")).after_reveal


def test_a_revision_after_the_reveal_says_so_and_keeps_the_first(
    project: Project, bob: User
) -> None:
    [item] = make_items(project, 1)
    held = take(bob, project)
    open_evidence(held, 0, validity="wrong", rating=-1)
    first = hand_in(held, rating("correct", "correct", "correct"))
    later = revise(
        annotation=first.annotation,
        by=bob,
        data=rating("correct", "correct", "wrong"),
        reason="saw it",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    assert later.after_reveal
    assert [one.position for one in read(later).before_reveal] == [0]
