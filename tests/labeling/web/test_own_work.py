"""One's own page: progress, time, what was decided beside one's words, and nothing of others."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from django.urls import reverse

from labeling.models import (
    AnnotationRevision,
    Assignment,
    Dispute,
    GuidelineReading,
    Project,
    ReviewItem,
    User,
)
from labeling.records import At
from labeling.selectors.own_work import (
    Figure,
    count_progress,
    get_own_work,
    list_sent_back,
    load_decided,
    measure_time,
    summarise,
)
from labeling.services.adjudications import decide
from labeling.services.annotations import reveal_claim, revise, submit
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment
from labeling.services.returning import send_back
from labeling.services.training import start_round
from tests.labeling.factories import (
    enqueue,
    make_injection_item,
    make_items,
    make_solution,
    rating,
    verdict,
)
from tests.labeling.training_helpers import give_right_answers, make_set
from tests.labeling.web.helpers import ATTACK, count_queries, read, submit_as, words_of

RIGHT = ("correct", "wrong", "correct")
LATER = ("correct", "correct", "wrong")
CLEAN = ("correct", "correct", "correct")


def mine(project: Project) -> str:
    return reverse("labeling:own-work", args=[project.slug])


def decide_as(judge: User, item: ReviewItem, data: dict[str, Any]) -> None:
    dispute = Dispute.objects.get(item=item, state=Dispute.State.OPEN)
    decide(
        dispute=dispute,
        by=judge,
        data=data,
        reason="Two and two are four.",
        seen_version=dispute.version,
        idempotency_key=uuid.uuid4(),
    )


def make_decided(
    project: Project, bob: User, erin: User, carol: User, own: tuple[str, ...], final: Any = RIGHT
) -> ReviewItem:
    """An item on which bob said `own` and erin something else, decided as `final`."""
    item = enqueue(make_solution(project, uuid.uuid4().hex[:8]))
    submit_as(bob, item, rating(*own))
    submit_as(erin, item, rating("wrong", "correct", "correct"))
    decide_as(carol, item, rating(*final))
    return item


def show_decisions(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(decisions_shown=True)
    project.refresh_from_db()


def figures_of(user: User, project: Project) -> dict[str, tuple[int, int, int]]:
    found: list[Figure] = summarise(load_decided(user, project))
    return {one.name: (one.share.successes, one.share.trials, one.items) for one in found}


def test_a_newcomer_sees_what_is_not_there_yet(annotator: Client, project: Project) -> None:
    words = words_of(annotator.get(mine(project)))
    assert "not measured yet" in words
    assert "This project does not show its decisions to reviewers" in words
    assert "You have not marked any version as read." in words


def test_progress_counts_days_and_what_waits(project: Project, bob: User, erin: User) -> None:
    now = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
    items = make_items(project, 5)
    for index, item in enumerate(items[:4]):
        submit_as(bob, item, rating(*CLEAN))
        closed = now - timedelta(days=(0, 0, 3, 9)[index])
        Assignment.objects.filter(item=item).update(closed_at=closed)
    submit_as(erin, items[0], rating(*CLEAN))
    progress = count_progress(bob, project, now=now)
    assert (progress.done, progress.waiting, progress.done_lately) == (4, 1, 3)
    assert [day.done for day in progress.days] == [0, 0, 0, 1, 0, 0, 2]
    assert progress.days[-1].day == now.date()


def test_times_are_medians_of_what_was_measured(project: Project, bob: User) -> None:
    for index, active in enumerate((10_000, 60_000, 20_000, 0)):
        item = enqueue(make_solution(project, f"timed-{index}"))
        submit_as(bob, item, rating(*CLEAN), active_ms=active)
    AnnotationRevision.objects.filter(active_ms=10_000).update(
        step_ms={"0": 4_000, "1": 0, "2": 6_000}
    )
    item_time, step_time = measure_time(bob, project)
    assert (item_time.median_ms, item_time.n) == (20_000, 3)
    assert (step_time.median_ms, step_time.n) == (5_000, 2)


def test_figures_compare_the_first_word_with_the_decision(
    project: Project, bob: User, erin: User, carol: User
) -> None:
    make_decided(project, bob, erin, carol, RIGHT)
    make_decided(project, bob, erin, carol, LATER)
    make_decided(project, bob, erin, carol, CLEAN)
    assert figures_of(bob, project) == {
        "first_error": (1, 3, 3),
        "within_one": (2, 3, 3),
        # 3 of 3, then 1 of 3, then 2 of 3 steps.
        "steps": (6, 9, 3),
        "verdicts": (0, 0, 0),
    }


def test_of_an_injection_the_blind_judgement_counts(
    project: Project, bob: User, erin: User, carol: User
) -> None:
    item = make_injection_item(project)
    held = claim_item(user=bob, item=item)
    reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=At(2))
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=verdict(),
        idempotency_key=uuid.uuid4(),
    )
    submit_as(erin, item, verdict("reject", error_positions=[], reject_code="not_an_error"))
    decide_as(carol, item, verdict("accept_with_edits"))
    found = figures_of(bob, project)
    assert found["first_error"] == (0, 1, 1)
    assert found["within_one"] == (1, 1, 1)
    assert found["verdicts"] == (1, 1, 1)
    assert figures_of(erin, project)["verdicts"] == (0, 1, 1)


def test_a_later_word_does_not_replace_the_first(
    project: Project, bob: User, erin: User, carol: User
) -> None:
    item = enqueue(make_solution(project, "revised"))
    submit_as(bob, item, rating(*CLEAN))
    submit_as(erin, item, rating("wrong", "correct", "correct"))
    annotation = bob.annotations.get()
    revise(
        annotation=annotation,
        by=bob,
        data=rating(*RIGHT),
        reason="I looked again.",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    decide_as(carol, item, rating(*RIGHT))
    (one,) = load_decided(bob, project)
    assert one.is_revised
    assert figures_of(bob, project)["first_error"] == (0, 1, 1)


def test_decisions_show_only_where_the_project_shows_them(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    make_decided(project, bob, erin, carol, RIGHT)
    page = annotator.get(mine(project))
    assert b"Two and two" not in page.content
    assert annotator.get(f"{mine(project)}?figure=first_error").status_code == 404
    show_decisions(project)
    words = words_of(annotator.get(mine(project)))
    assert "too few: only 1 item" in words
    words = words_of(annotator.get(f"{mine(project)}?figure=first_error"))
    assert "Two and two are four." in words
    assert "first error at step 2" in words
    assert annotator.get(f"{mine(project)}?figure=nonsense").status_code == 404


def test_a_number_comes_with_its_interval_and_its_items(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    show_decisions(project)
    for index in range(10):
        make_decided(project, bob, erin, carol, CLEAN if index < 2 else RIGHT)
    words = words_of(annotator.get(mine(project)))
    # 8 of 10, Wilson.
    assert "80 %" in words
    assert "49 to 94 %" in words
    differing = words_of(annotator.get(f"{mine(project)}?figure=first_error&differ=1"))
    assert differing.count("different") == 2


def test_nothing_of_others_is_on_the_page(
    annotator: Client, project: Project, bob: User, erin: User
) -> None:
    for item in make_items(project, 3):
        submit_as(erin, item, rating(*CLEAN))
    words = words_of(annotator.get(mine(project)))
    assert "erin" not in words
    assert "Done 0" in words


def test_an_item_that_was_sent_back_stands_there(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    item = enqueue(make_solution(project, "back"))
    submit_as(bob, item, rating(*CLEAN))
    submit_as(erin, item, rating(*RIGHT))
    assert list_sent_back(bob, project) == []
    send_back(
        dispute=Dispute.objects.get(item=item),
        by=carol,
        reason="Look at step 2 again.",
        idempotency_key=uuid.uuid4(),
    )
    (one,) = list_sent_back(bob, project)
    assert not one.is_revised
    words = words_of(annotator.get(mine(project)))
    assert "Sent back to you" in words
    assert "1 comment to you in this project is new." in words
    decide_as(carol, item, rating(*RIGHT))
    assert list_sent_back(bob, project) == []


def test_training_mentions_and_guidelines_stand_there_too(
    annotator: Client, project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None)
    assert "1 item with a known answer" in words_of(annotator.get(mine(project)))
    give_right_answers(start_round(user=bob, project=project))
    GuidelineReading.objects.create(
        project=project, person=bob, version=1, at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    item = make_items(project, 1)[0]
    add_comment(item=item, by=alice, text="?", idempotency_key=uuid.uuid4(), names=[bob.pk])
    words = words_of(annotator.get(mine(project)))
    assert "1 of 1" in words
    assert "You last read version 1. It is in force." in words
    assert get_own_work(bob, project).unseen_mentions == 1


def test_hostile_text_stays_text(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    show_decisions(project)
    item = enqueue(make_solution(project, "attack", question=ATTACK))
    submit_as(bob, item, rating(*CLEAN))
    submit_as(erin, item, rating(*RIGHT))
    dispute = Dispute.objects.get(item=item)
    decide(
        dispute=dispute,
        by=carol,
        data=rating(*RIGHT),
        reason=ATTACK,
        seen_version=dispute.version,
        idempotency_key=uuid.uuid4(),
    )
    words = words_of(annotator.get(f"{mine(project)}?figure=steps"))
    assert words.count('<script>alert("x")</script>') == 2


def test_the_page_costs_the_same_for_any_amount_of_work(
    annotator: Client, project: Project, bob: User, erin: User, carol: User
) -> None:
    show_decisions(project)

    def work() -> None:
        make_decided(project, bob, erin, carol, RIGHT)
        item = enqueue(make_solution(project, uuid.uuid4().hex[:8]))
        submit_as(bob, item, rating(*CLEAN))
        submit_as(erin, item, rating(*RIGHT))
        send_back(
            dispute=Dispute.objects.get(item=item),
            by=carol,
            reason="Again.",
            idempotency_key=uuid.uuid4(),
        )

    work()
    few = count_queries(annotator, mine(project))
    few_items = count_queries(annotator, f"{mine(project)}?figure=steps")
    for _index in range(4):
        work()
    assert count_queries(annotator, mine(project)) == few
    assert count_queries(annotator, f"{mine(project)}?figure=steps") == few_items


def test_home_and_the_queue_lead_here(annotator: Client, project: Project) -> None:
    for address in ("/", reverse("labeling:work", args=[project.slug])):
        assert f'href="{mine(project)}"' in read(annotator.get(address))
