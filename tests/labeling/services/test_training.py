"""The training set, rounds, the pass mark, and who may take items."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from labeling.demo.lessons import LESSONS
from labeling.models import (
    Exposure,
    Membership,
    Project,
    ReviewItem,
    TrainingAnswer,
    TrainingItem,
    TrainingRound,
    User,
)
from labeling.records import At, NoError
from labeling.selectors.training import (
    find_answer,
    find_round,
    find_standing,
    find_standings,
    get_round_view,
    get_training_workspace,
    list_learners,
    list_removed,
    list_set,
    list_settled_items,
    load_people,
    summarise_people,
)
from labeling.services.annotations import Incomplete
from labeling.services.demo import load_demo
from labeling.services.screening import NotScreened, require_passed
from labeling.services.training import (
    AlreadyAnswered,
    add_items,
    answer_item,
    choose_items,
    explain_item,
    let_in,
    move_item,
    put_back,
    remove_item,
    reveal_claim,
    start_round,
    take_back_letting_in,
)
from labeling.training_rules import count_needed
from tests.labeling.factories import (
    enqueue,
    join,
    make_items,
    make_project,
    make_solution,
    rating,
    verdict,
)
from tests.labeling.training_helpers import (
    RIGHT,
    WRONG,
    give_answer,
    give_right_answers,
    make_set,
    settle,
)
from tests.labeling.web.helpers import submit_as
from workbench.errors import Conflict, InvalidInput


def ask_for_training(project: Project, **more: Any) -> None:
    Project.objects.filter(pk=project.pk).update(screening_required=True, **more)
    project.refresh_from_db()


# --- The set ------------------------------------------------------------------------------------


def test_what_was_settled_is_frozen(project: Project, alice: User) -> None:
    item = settle(project)
    (row,) = add_items(project=project, by=alice, items=[item.pk])
    assert item.agreed_revision is not None
    assert row.expected == item.agreed_revision.content
    (line,) = list_set(project)
    assert (line.number, line.row.pk) == (1, row.pk)
    assert not list_settled_items(project).exists()


def test_only_settled_items_with_a_definite_answer_train_anybody(
    project: Project, alice: User, bob: User
) -> None:
    waiting = make_items(project, 1)[0]
    with pytest.raises(InvalidInput, match="is not settled"):
        add_items(project=project, by=alice, items=[waiting.pk])
    elsewhere = settle(make_project(alice, "geometry"))
    with pytest.raises(InvalidInput, match="is not settled"):
        add_items(project=project, by=alice, items=[elsewhere.pk])
    Project.objects.filter(pk=project.pk).update(allow_partial=True)
    project.refresh_from_db()
    open_ended = settle(project, rating("correct", None, "correct"))
    with pytest.raises(InvalidInput, match="leave open"):
        add_items(project=project, by=alice, items=[settle(project).pk, open_ended.pk])
    assert not TrainingItem.objects.exists()


def test_an_item_stands_once_in_the_set(project: Project, alice: User) -> None:
    item = settle(project)
    add_items(project=project, by=alice, items=[item.pk, item.pk])
    with pytest.raises(Conflict, match="already"):
        add_items(project=project, by=alice, items=[item.pk])


def test_the_order_is_changed_by_neighbours(project: Project, alice: User) -> None:
    first, second, third = make_set(project, alice, None, None, None)
    remove_item(row=second, by=alice)
    move_item(row=third, by=alice, later=False)
    assert [line.row.pk for line in list_set(project)] == [third.pk, first.pk]
    move_item(row=third, by=alice, later=False)
    assert [line.row.pk for line in list_set(project)] == [third.pk, first.pk]
    move_item(row=third, by=alice, later=True)
    assert [line.row.pk for line in list_set(project)] == [first.pk, third.pk]


def test_a_removal_is_undone_in_its_place(project: Project, alice: User) -> None:
    rows = make_set(project, alice, None, None, None)
    remove_item(row=rows[1], by=alice)
    assert [line.row.pk for line in list_removed(project)] == [rows[1].pk]
    put_back(row=rows[1], by=alice)
    assert [line.row.pk for line in list_set(project)] == [row.pk for row in rows]


def test_what_comes_back_by_another_choice_is_frozen_anew(project: Project, alice: User) -> None:
    (row,) = make_set(project, alice, None)
    remove_item(row=row, by=alice)
    TrainingItem.objects.filter(pk=row.pk).update(expected={})
    add_items(project=project, by=alice, items=[row.item_id])
    row.refresh_from_db()
    assert row.removed_at is None
    assert row.expected["task"] == "rate_steps"


def test_an_explanation_is_kept_as_it_was_written(project: Project, alice: User) -> None:
    (row,) = make_set(project, alice, None)
    explain_item(row=row, by=alice, explanation=" $2+2=4$,\r\nso step 2 is wrong. ")
    row.refresh_from_db()
    assert row.explanation == "$2+2=4$,\nso step 2 is wrong."
    with pytest.raises(InvalidInput, match="at most"):
        explain_item(row=row, by=alice, explanation="x" * 20_001)


def test_a_set_chosen_by_chance_is_filled_up_and_can_be_repeated(
    project: Project, alice: User
) -> None:
    for content in (RIGHT, RIGHT, WRONG, WRONG, verdict(), verdict()):
        settle(project, content)
    chosen = choose_items(project=project, by=alice, size=4, seed=5)
    tasks = sorted(row.item.task for row in chosen)
    assert tasks == ["rate_steps", "rate_steps", "verify_injection", "verify_injection"]
    events = project.audit_events.filter(verb="training.added")
    assert events.get().detail["seed"] == 5
    again = [row.item_id for row in chosen]
    TrainingItem.objects.all().delete()
    second = choose_items(project=project, by=alice, size=4, seed=5)
    assert [row.item_id for row in second] == again
    assert len(choose_items(project=project, by=alice, size=30)) == 2
    with pytest.raises(Conflict, match="already"):
        choose_items(project=project, by=alice, size=6)


def test_nothing_settled_is_said(project: Project, alice: User) -> None:
    with pytest.raises(Conflict, match="Nothing is settled"):
        choose_items(project=project, by=alice, size=30)


# --- Rounds -------------------------------------------------------------------------------------


def test_a_round_goes_from_its_first_item_to_its_result(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, RIGHT, WRONG, RIGHT, RIGHT)
    found = start_round(user=bob, project=project)
    assert (found.number, found.size, found.pass_percent) == (1, 4, 75)
    assert start_round(user=bob, project=project) == found
    for place, said in enumerate((RIGHT, WRONG, WRONG, RIGHT), start=1):
        assert get_round_view(found).next_place == place
        give_answer(found, place, said)
    view = get_round_view(find_round(bob, found.pk))
    assert [one.is_right for one in view.items] == [True, True, False, True]
    assert (view.right, view.answered, view.needed, view.round.passed) == (3, 4, 3, True)
    assert view.confusions[0][0]["kind"] == "missed"


def test_one_right_too_few_is_not_passed(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None, None, None, None)
    found = start_round(user=bob, project=project)
    for place, said in enumerate((RIGHT, WRONG, WRONG, RIGHT), start=1):
        give_answer(found, place, said)
    assert find_round(bob, found.pk).passed is False
    second = start_round(user=bob, project=project)
    assert second.number == 2
    assert TrainingRound.objects.filter(person=bob).count() == 2


def test_the_same_key_is_one_answer_and_another_is_refused(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None)
    found = start_round(user=bob, project=project)
    key = uuid.uuid4()
    first = give_answer(found, 1, RIGHT, key=key)
    assert give_answer(found, 1, WRONG, key=key).content == first.content
    with pytest.raises(AlreadyAnswered):
        give_answer(found, 1, WRONG)
    assert first.is_right
    assert (first.active_ms, first.language) == (4_000, "en")


def test_items_are_answered_in_their_order(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None, None)
    found = start_round(user=bob, project=project)
    with pytest.raises(Conflict, match="one after the other"):
        give_answer(found, 2, RIGHT)


def test_an_incomplete_answer_is_refused(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    found = start_round(user=bob, project=project)
    with pytest.raises(Incomplete):
        give_answer(found, 1, rating("correct"))
    assert find_standing(bob, project).done == 0


def test_a_change_of_the_set_changes_no_round_under_way(
    project: Project, alice: User, bob: User
) -> None:
    rows = make_set(project, alice, None, None)
    found = start_round(user=bob, project=project)
    remove_item(row=rows[0], by=alice)
    move_item(row=rows[1], by=alice, later=False)
    TrainingItem.objects.update(expected=WRONG)
    make_set(project, alice, None)
    view = get_round_view(found)
    assert [one.answer.training_item_id for one in view.items] == [row.pk for row in rows]
    assert give_answer(found, 1, RIGHT).is_right


def test_the_first_round_goes_in_order_and_later_ones_do_not(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    Project.objects.filter(pk=project.pk).update(screening_pass_percent=100)
    rows = make_set(project, alice, *[None] * 8)

    def order(found: TrainingRound) -> list[int]:
        return [one.answer.training_item_id for one in get_round_view(found).items]

    first = start_round(user=bob, project=project)
    assert order(first) == [row.pk for row in rows]
    give_right_answers(first)
    second = order(start_round(user=bob, project=project))
    assert second != order(first)
    assert sorted(second) == sorted(order(first))


def test_a_later_round_takes_what_was_answered_least(
    project: Project, alice: User, bob: User
) -> None:
    rows = make_set(project, alice, None, None, None)
    Project.objects.filter(pk=project.pk).update(screening_size=2)
    project.refresh_from_db()
    give_right_answers(start_round(user=bob, project=project))
    again = get_round_view(start_round(user=bob, project=project))
    assert again.round.size == 2
    assert rows[2].pk in {one.answer.training_item_id for one in again.items}


def test_what_one_has_worked_on_is_left_out(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    item = enqueue(make_solution(project, "ours"))
    for person in (bob, erin):
        submit_as(person, item, RIGHT)
    add_items(project=project, by=alice, items=[item.pk])
    make_set(project, alice, None)
    standing = find_standing(bob, project)
    assert (standing.size, standing.left_out) == (1, 1)
    found = start_round(user=bob, project=project)
    assert item.pk not in {one.item.pk for one in get_round_view(found).items}


def test_an_empty_set_begins_no_round(project: Project, bob: User) -> None:
    with pytest.raises(Conflict, match="nothing to train on"):
        start_round(user=bob, project=project)


def test_a_claim_stays_sealed_until_it_is_judged_in_every_round(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, verdict())
    found = start_round(user=bob, project=project)
    row = find_answer(found, 1)
    assert get_training_workspace(found, row).claim is None
    assert reveal_claim(row=row, blind_first_error=At(2)) == At(2)
    # The first judgement counts, whatever is said later.
    assert reveal_claim(row=row, blind_first_error=NoError()) == At(2)
    row = find_answer(found, 1)
    workspace = get_training_workspace(found, row)
    assert workspace.claim is not None
    assert workspace.evidence == "absent"
    answer = give_answer(found, 1, verdict(blind_first_error={"at": 1}))
    assert answer.content["blind_first_error"] == {"at": 2}
    assert answer.is_right
    again = start_round(user=bob, project=project)
    assert get_training_workspace(again, find_answer(again, 1)).claim is None


def test_there_is_no_claim_to_open_and_no_such_step(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, verdict())
    found = start_round(user=bob, project=project)
    with pytest.raises(InvalidInput, match="no claim"):
        reveal_claim(row=find_answer(found, 1), blind_first_error=NoError())
    with pytest.raises(InvalidInput, match="no step 9"):
        reveal_claim(row=find_answer(found, 2), blind_first_error=At(8))


def test_what_was_shown_is_logged(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, verdict())
    found = start_round(user=bob, project=project)
    reveal_claim(row=find_answer(found, 1), blind_first_error=At(1))
    give_answer(found, 1, verdict())
    logged = Exposure.objects.filter(person=bob).order_by("pk")
    assert list(logged.values_list("what", flat=True)) == ["claim", "item", "others"]
    assert {row.detail["training_round"] for row in logged} == {found.pk}


def test_training_holds_nothing_of_the_queue(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    before = list(ReviewItem.objects.order_by("pk").values("state", "free_slots"))
    give_right_answers(start_round(user=bob, project=project))
    assert list(ReviewItem.objects.order_by("pk").values("state", "free_slots")) == before
    assert not bob.assignments.exists()
    assert not bob.annotations.exists()


# --- Who may work -------------------------------------------------------------------------------


def test_nobody_is_asked_where_the_project_does_not(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None)
    require_passed(bob, project)
    assert not find_standing(bob, project).must_train


def test_the_queue_waits_for_the_training(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    ask_for_training(project)
    with pytest.raises(NotScreened, match="training first") as refused:
        require_passed(bob, project)
    assert refused.value.code == "not_screened"
    found = start_round(user=bob, project=project)
    with pytest.raises(NotScreened):
        require_passed(bob, project)
    give_answer(found, 1, WRONG)
    with pytest.raises(NotScreened):
        require_passed(bob, project)
    give_right_answers(start_round(user=bob, project=project))
    require_passed(bob, project)
    # Whoever has passed has passed: what they do for practice later takes nothing back.
    give_answer(start_round(user=bob, project=project), 1, WRONG)
    require_passed(bob, project)


def test_leads_and_an_empty_set_let_in(project: Project, alice: User, bob: User) -> None:
    ask_for_training(project)
    require_passed(bob, project)
    make_set(project, alice, None)
    require_passed(alice, project)
    assert find_standing(alice, project).is_exempt


def test_with_fewer_items_than_asked_the_mark_counts_on_those_there_are(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None, None)
    ask_for_training(project, screening_size=30)
    standing = find_standing(bob, project)
    assert (standing.total, standing.needed) == (3, count_needed(3, 75))


def test_a_lead_lets_somebody_in_with_a_reason(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    ask_for_training(project)
    with pytest.raises(InvalidInput, match="why"):
        let_in(project=project, person=bob, by=alice, reason=" ")
    made = let_in(project=project, person=bob, by=alice, reason="Wrote the guidelines.")
    assert (made.size, made.passed, made.excused_by) == (0, False, alice)
    require_passed(bob, project)
    with pytest.raises(Conflict, match="already"):
        let_in(project=project, person=bob, by=alice, reason="Again.")
    take_back_letting_in(found=made, by=alice)
    with pytest.raises(NotScreened):
        require_passed(bob, project)
    assert start_round(user=bob, project=project).number == 2


def test_letting_in_leaves_a_round_under_way_alone(
    project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None)
    ask_for_training(project)
    found = start_round(user=bob, project=project)
    let_in(project=project, person=bob, by=alice, reason="Needed today.")
    give_answer(found, 1, RIGHT)
    assert find_round(bob, found.pk).passed is None


def test_only_members_are_let_in(project: Project, alice: User, dave: User) -> None:
    with pytest.raises(InvalidInput, match="not a member"):
        let_in(project=project, person=dave, by=alice, reason="Kind.")


# --- How people did -----------------------------------------------------------------------------


def test_an_item_is_counted_by_first_answers(
    project: Project, alice: User, bob: User, erin: User
) -> None:
    make_set(project, alice, None)
    give_answer(start_round(user=bob, project=project), 1, WRONG)
    give_answer(start_round(user=bob, project=project), 1, RIGHT)
    give_answer(start_round(user=erin, project=project), 1, RIGHT)
    (line,) = list_set(project)
    assert (line.share.successes, line.share.trials) == (1, 2)
    assert line.share.low is not None


def test_everybody_is_counted_once(project: Project, alice: User, bob: User, erin: User) -> None:
    make_set(project, alice, None)
    for person in list_learners(project):
        if person.user not in (bob, erin):
            Membership.objects.filter(pk=person.pk).update(is_active=False)
    assert summarise_people(project).not_begun == 2
    give_answer(start_round(user=bob, project=project), 1, WRONG)
    start_round(user=erin, project=project)
    summary = summarise_people(project)
    assert (summary.people, summary.failed, summary.under_way) == (2, 1, 1)
    give_right_answers(start_round(user=bob, project=project))
    let_in(project=project, person=erin, by=alice, reason="x")
    summary = summarise_people(project)
    assert (summary.passed, summary.excused, summary.not_begun) == (1, 1, 0)
    lines = load_people(project, list_learners(project))
    assert [len(line.rounds) for line in lines] == [2, 1]


def test_many_projects_cost_no_more_queries_than_one(
    project: Project, alice: User, bob: User, django_assert_num_queries: Any
) -> None:
    make_set(project, alice, None)
    start_round(user=bob, project=project)
    others = [make_project(alice, f"other-{index}") for index in range(3)]
    for other in others:
        join(other, bob, Membership.Role.ANNOTATOR)
    # Rounds, answers, the set and what of it is asked; and the role in each.
    with django_assert_num_queries(4 + 4):
        found = find_standings(bob, [project, *others])
    assert found[project.pk].under_way is not None
    assert found[others[0].pk].total == 0


def test_an_answer_of_a_stopped_protocol_is_compared_up_to_its_stop(
    project: Project, alice: User, bob: User
) -> None:
    Project.objects.filter(pk=project.pk).update(mode=Project.Mode.FIRST_ERROR)
    project.refresh_from_db()
    stopped = rating("correct", "wrong", outcome="first_error")
    make_set(project, alice, stopped)
    found = start_round(user=bob, project=project)
    answer = answer_item(row=find_answer(found, 1), data=stopped, idempotency_key=uuid.uuid4())
    assert answer.is_right
    assert TrainingAnswer.objects.get().findings[0]["kind"] == "found"


def test_the_demo_has_a_training_set(alice: User, tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    demo = load_demo(lead=alice)
    assert demo is not None
    lines = list_set(demo)
    assert [line.item.solution.source_key for line in lines] == list(LESSONS)
    assert all(line.row.explanation for line in lines)
    assert not demo.screening_required


def test_an_invented_person_is_nobody_to_train(project: Project, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_simulated=True)
    assert bob.pk not in list_learners(project).values_list("user", flat=True)
