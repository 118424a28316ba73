"""What people decide of references that most rollouts contradict."""

from __future__ import annotations

import pytest

from labeling.models import AuditEvent
from modeljobs.models import ReferenceDoubt
from modeljobs.services.doubts import decide, get_doubt, list_doubts, reopen
from tests.labeling.factories import make_user
from tests.modeljobs.counting import add_doubt
from tests.modeljobs.worlds import World
from workbench.errors import Conflict, InvalidInput, NotFound


@pytest.fixture
def doubt(world: World) -> ReferenceDoubt:
    return add_doubt(world.solutions[0].problem)


def test_the_reference_is_wrong(world, doubt):
    decided = decide(
        doubt=doubt, state="wrong", by=world.alice, corrected_answer=" 5 ", note="Look again."
    )
    assert (decided.state, decided.corrected_answer, decided.note) == ("wrong", "5", "Look again.")
    assert decided.decided_by == world.alice
    assert decided.decided_at is not None
    # The problem itself is as it was imported.
    decided.problem.refresh_from_db()
    assert decided.problem.reference_answer == world.solutions[0].problem.reference_answer
    event = AuditEvent.objects.get(verb="doubt.decided")
    assert event.actor == world.alice
    assert event.detail["corrected_answer"] == "5"


def test_wrong_without_knowing_what_is_right(world, doubt):
    assert decide(doubt=doubt, state="wrong", by=world.alice).corrected_answer == ""


def test_a_second_decision_is_refused(world, doubt):
    stale = ReferenceDoubt.objects.get(pk=doubt.pk)
    decide(doubt=doubt, state="stands", by=world.alice)
    with pytest.raises(Conflict, match="Somebody has decided"):
        decide(doubt=stale, state="wrong", by=world.alice)
    assert ReferenceDoubt.objects.get(pk=doubt.pk).state == "stands"
    assert AuditEvent.objects.filter(verb="doubt.decided").count() == 1


def test_a_decision_is_taken_back(world, doubt):
    decide(doubt=doubt, state="wrong", by=world.alice, corrected_answer="5", note="Look again.")
    again = reopen(doubt=doubt, by=world.alice)
    assert (again.state, again.corrected_answer, again.decided_by) == ("open", "", None)
    assert again.note == "Look again."
    assert AuditEvent.objects.get(verb="doubt.reopened").detail["state"] == "wrong"
    with pytest.raises(Conflict, match="in doubt already"):
        reopen(doubt=doubt, by=world.alice)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"state": "open"}, "state"),
        ({"state": "perhaps"}, "state"),
        ({"state": "stands", "corrected_answer": "5"}, "corrected_answer"),
        ({"state": "wrong", "corrected_answer": "4"}, "corrected_answer"),
        ({"state": "wrong", "corrected_answer": "5" * 2_001}, "corrected_answer"),
        ({"state": "wrong", "note": "x" * 4_001}, "note"),
    ],
)
def test_what_is_refused(data, field, world, doubt):
    with pytest.raises(InvalidInput) as refused:
        decide(doubt=doubt, by=world.alice, **data)
    assert refused.value.extra["field"] == field
    assert ReferenceDoubt.objects.get(pk=doubt.pk).state == "open"


def test_open_ones_come_first_and_of_these_the_surest(world, doubt):
    surer = add_doubt(world.solutions[1].problem, rollouts=63)
    settled = add_doubt(world.solutions[2].problem, rollouts=64, state="stands")
    assert list(list_doubts(world.project)) == [surer, doubt, settled]
    assert list(list_doubts(world.project, state="stands")) == [settled]


def test_outsiders_learn_nothing(world, doubt):
    with pytest.raises(NotFound, match=f"no doubt {doubt.pk}"):
        get_doubt(make_user("dave"), doubt.pk)
    with pytest.raises(NotFound):
        get_doubt(world.alice, doubt.pk + 1)
