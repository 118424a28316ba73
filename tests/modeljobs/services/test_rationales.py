"""What people think of a machine's reasoning: added to, never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from labeling.models import User
from modeljobs.evidence_views import NOT_RATED, Viewer, group_ratings, list_evidence
from modeljobs.models import JobItem, RationaleRating
from modeljobs.selectors_rationales import list_all, list_newest, tally_ratings
from modeljobs.services.rationales import rate_rationale
from tests.labeling.factories import make_user
from tests.modeljobs.counting import add_scores
from tests.modeljobs.web.rows import add_evidence, add_rating, make_job, make_sample
from tests.modeljobs.worlds import NOON, World
from workbench.errors import InvalidInput


@pytest.fixture
def item(world: World) -> JobItem:
    found = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    add_evidence(found, 0, [make_sample(0), make_sample(1)])
    return found


@pytest.fixture
def mei(db: None) -> User:
    return make_user("mei")


def rate(item: JobItem, by: User, value: str = "sound", **changes: Any) -> RationaleRating:
    given: dict[str, Any] = {"position": 0, "sample": 0, "note": "", "now": NOON}
    return rate_rationale(item=item, by=by, value=value, **(given | changes))


# --- Saying it ------------------------------------------------------------------------------------


def test_it_works(item: JobItem, mei: User):
    row = rate(item, mei, "wrong_reason", note=" It adds twice. ", sample=1)
    assert (row.person, row.value, row.note, row.sample) == (
        mei,
        "wrong_reason",
        "It adds twice.",
        1,
    )
    assert row.created_at == NOON


def test_the_newest_counts_and_the_history_stays(item: JobItem, mei: User):
    rate(item, mei, "wrong")
    rate(item, mei, "sound", now=NOON + timedelta(minutes=1))
    said = group_ratings(item, 0, Viewer(mei.pk, sees_others=False))[0][0]
    assert said.own is not None
    assert said.own.value == "sound"
    assert [row.value for row in said.earlier] == ["wrong"]
    assert RationaleRating.objects.count() == 2


def test_the_same_word_again_adds_nothing(item: JobItem, mei: User):
    first = rate(item, mei, "wrong", note="No.")
    assert rate(item, mei, "wrong", note="No.") == first
    assert rate(item, mei, "wrong", note="Not at all.") != first


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"value": "good"}, "value"),
        ({"value": ""}, "value"),
        ({"note": "x" * 4_001}, "note"),
        ({"position": 1}, "position"),
        ({"sample": 2}, "sample"),
        ({"sample": 10**9}, "sample"),
    ],
)
def test_what_is_not_there_is_refused(
    item: JobItem, mei: User, changes: dict[str, Any], field: str
):
    with pytest.raises(InvalidInput) as refused:
        rate(item, mei, **({"value": "sound"} | changes))
    assert refused.value.extra["field"] == field
    assert not RationaleRating.objects.exists()


def test_a_critic_that_kept_its_text_is_rated_too(world: World, mei: User):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_scores(item, 0, kind="critic", texts=["The sum is right."], verdicts=[False])
    assert rate(item, mei).pk
    [view] = list_evidence(item, viewer=Viewer(mei.pk, sees_others=False))
    assert view.scores is not None
    assert [(one.sample, one.verdict) for one in view.scores.written] == [(0, False)]


def test_a_prm_gives_no_reasons(world: World, mei: User):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_scores(item, 0)
    with pytest.raises(InvalidInput, match="no reasoning"):
        rate(item, mei)


def test_a_reason_that_is_gone_cannot_be_rated(world: World, mei: User):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_evidence(item, 0, with_texts=False)
    with pytest.raises(InvalidInput, match="no reasoning"):
        rate(item, mei)


# --- Who sees it ----------------------------------------------------------------------------------


def test_others_are_counted_once_one_has_said_it_oneself(item: JobItem, world: World, mei: User):
    viewer = Viewer(mei.pk, sees_others=False)
    add_rating(item, world.alice, value="wrong")
    assert group_ratings(item, 0, viewer)[0][0] == NOT_RATED
    rate(item, mei, "sound")
    # Of others too only the newest word counts.
    add_rating(item, world.alice, value="sound")
    assert group_ratings(item, 0, viewer)[0][0].others == (("sound", 1),)


def test_without_a_viewer_nothing_shows_that_people_said(item: JobItem, world: World):
    add_rating(item, world.alice)
    [view] = list_evidence(item)
    assert view.ratings == {}


# --- Together -------------------------------------------------------------------------------------


def test_a_job_counts_the_newest_of_each_person(item: JobItem, world: World, mei: User):
    add_rating(item, world.alice, value="wrong")
    add_rating(item, world.alice, value="sound")
    add_rating(item, mei, value="sound")
    add_rating(item, mei, sample=1, value="wrong_reason")
    tally = tally_ratings(item.job)
    assert dict(tally.counts) == {"sound": 2, "wrong_reason": 1, "wrong": 0}
    assert (tally.ratings, tally.samples, tally.people) == (3, 2, 2)
    # Wilson's interval of 2 of 3.
    assert (tally.sound.low, tally.sound.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert (list_newest(item.job).count(), list_all(item.job).count()) == (3, 4)


def test_a_job_that_nobody_rated_has_no_share(item: JobItem):
    tally = tally_ratings(item.job)
    assert (tally.ratings, tally.sound.low) == (0, None)
