"""Training in several windows at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import uuid

from labeling.models import Exposure, Membership, TrainingAnswer, TrainingRound
from labeling.records import At
from labeling.selectors.training import (
    find_answer,
    find_standing,
    get_round_view,
    list_set,
    list_settled_items,
    load_settled,
    summarise_people,
)
from labeling.services.training import (
    AlreadyAnswered,
    answer_item,
    choose_items,
    remove_item,
    reveal_claim,
    start_round,
)
from tests.labeling.factories import join, make_project, make_user, verdict
from tests.labeling.services.test_concurrency import run_together
from tests.labeling.training_helpers import RIGHT, WRONG, make_set, settle

WINDOWS = 6


def test_many_windows_begin_one_round_and_give_one_answer(any_database: str) -> None:
    lead, person = make_user("lead"), make_user("person")
    project = make_project(lead)
    join(project, person, Membership.Role.ANNOTATOR)
    make_set(project, lead, RIGHT, verdict())
    begun: list[int] = []
    assert (
        run_together(
            lambda _index: begun.append(start_round(user=person, project=project).pk), WINDOWS
        )
        == []
    )
    found = TrainingRound.objects.get()
    assert set(begun) == {found.pk}
    assert TrainingAnswer.objects.count() == found.size == 2
    contents = [RIGHT if index % 2 else WRONG for index in range(WINDOWS)]

    def answer(index: int) -> None:
        row = find_answer(found, 1)
        answer_item(row=row, data=contents[index], idempotency_key=uuid.uuid4())

    errors = run_together(answer, WINDOWS)
    # One counts; the others are told so, and what they said is nowhere.
    assert len(errors) == WINDOWS - 1
    assert {type(error) for error in errors} == {AlreadyAnswered}
    assert Exposure.objects.filter(what="others").count() == 1
    said: list[object] = []

    def judge(index: int) -> None:
        said.append(reveal_claim(row=find_answer(found, 2), blind_first_error=At(index % 3)))

    assert run_together(judge, WINDOWS) == []
    assert len(set(said)) == 1
    assert Exposure.objects.filter(what="claim").count() == 1


def test_every_question_is_understood_by_both_databases(any_database: str) -> None:
    lead, person = make_user("lead"), make_user("person")
    project = make_project(lead)
    join(project, person, Membership.Role.ANNOTATOR)
    first = make_set(project, lead, RIGHT)[0]
    settle(project, verdict())
    settled = load_settled(list_settled_items(project).values_list("pk", flat=True))
    assert [one.hindrance for one in settled] == [""]
    choose_items(project=project, by=lead, size=2)
    found = start_round(user=person, project=project)
    answer_item(row=find_answer(found, 1), data=RIGHT, idempotency_key=uuid.uuid4())
    assert find_standing(person, project).done == 1
    view = get_round_view(found)
    assert (view.right, view.answered, view.next_place) == (1, 1, 2)
    assert [line.share.trials for line in list_set(project)] == [1, 0]
    assert summarise_people(project).under_way == 1
    remove_item(row=first, by=lead)
    assert [line.number for line in list_set(project)] == [1]
