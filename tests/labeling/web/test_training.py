"""The pages of training: the lead's set, the way through it, and what follows from it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Membership, Project, TrainingItem, TrainingRound, User
from labeling.records import At
from labeling.selectors.training import find_answer
from labeling.services.training import reveal_claim, start_round
from tests.labeling.factories import join, make_items, make_user, rating, verdict
from tests.labeling.training_helpers import (
    RIGHT,
    WRONG,
    give_answer,
    give_right_answers,
    make_set,
    settle,
)
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, read, sign_in, words_of


def address_of(project: Project) -> str:
    return reverse("labeling:training", args=[project.slug])


def begin(client: Client, project: Project) -> TrainingRound:
    answer = client.post(reverse("labeling:training-start", args=[project.slug]))
    found = TrainingRound.objects.latest("pk")
    assert answer.headers["Location"].startswith(f"/training/{found.pk}/")
    return found


def place_of(found: TrainingRound, place: int) -> str:
    return reverse("labeling:training-item", args=[found.pk, place])


def ratings(*values: str) -> dict[str, str]:
    return {
        "idempotency_key": str(uuid.uuid4()),
        **{f"rating-{position}": value for position, value in enumerate(values)},
    }


# --- The lead's set -----------------------------------------------------------------------------


def test_an_empty_set_says_what_to_do(lead: Client, project: Project) -> None:
    words = words_of(lead.get(address_of(project)))
    assert "Nothing to train on yet" in words
    assert "Take items that are settled" in words
    Project.objects.filter(pk=project.pk).update(screening_required=True)
    assert "the set is empty: so everybody may take items" in words_of(
        lead.get(address_of(project))
    )


def test_a_lead_chooses_by_hand(lead: Client, project: Project) -> None:
    item = settle(project)
    hopeless = settle(project, {"task": "rate_steps", "outcome": "bad_problem", "note": "x"})
    make_items(project, 1)
    page = lead.get(address_of(project), {"choose": "1"})
    words = words_of(page)
    assert "first error at step 2" in words
    assert "bad problem" in words
    answer = lead.post(address_of(project), {"action": "add", "item": [item.pk, hopeless.pk]})
    assert answer.status_code == 302
    words = words_of(lead.get(address_of(project)))
    assert "2 items are in the set now" in words
    assert "not answered yet" in words
    assert "Nothing is settled that is not in the set" in words_of(
        lead.get(address_of(project), {"choose": "1"})
    )
    assert "Choose at least one item" in words_of(
        lead.post(address_of(project), {"action": "add"}, follow=True)
    )


def test_settled_items_are_found_by_task_and_words(lead: Client, project: Project) -> None:
    settle(project)
    settle(project, verdict())
    found = lead.get(address_of(project), {"choose": "1", "task": "verify_injection"}).context
    assert [one.item.task for one in found["found"]] == ["verify_injection"]
    nothing = words_of(lead.get(address_of(project), {"choose": "1", "q": ATTACK}))
    assert "No settled item fits" in nothing


def test_a_set_is_chosen_for_the_lead(lead: Client, project: Project) -> None:
    settle(project)
    settle(project, verdict())
    form = {"action": "choose", "size": "30", "seed": "4"}
    words = words_of(lead.post(address_of(project), form, follow=True))
    assert "2 items were chosen by chance with the seed 4" in words
    assert TrainingItem.objects.count() == 2
    words = words_of(lead.post(address_of(project), {**form, "seed": "x"}, follow=True))
    assert "a seed that is a whole number" in words


def test_an_item_is_explained_moved_taken_out_and_put_back(
    lead: Client, project: Project, alice: User
) -> None:
    first, second = make_set(project, alice, None, None)

    def act(action: str, row: TrainingItem, **more: str) -> str:
        answer = lead.post(
            address_of(project), {"action": action, "id": row.pk, **more}, follow=True
        )
        return words_of(answer)

    words = act("explain", first, explanation=f"Because $2+2=4$. {ATTACK}")
    assert "The explanation is saved" in words
    assert "Because $2+2=4$." in words
    act("down", first)
    assert [line.row.pk for line, _form in lead.get(address_of(project)).context["lines"]] == [
        *(second.pk, first.pk)
    ]
    assert "is out of the set" in act("remove", second)
    assert "is out of the set" not in act("put-back", second)
    second.refresh_from_db()
    assert second.removed_at is None
    assert lead.post(address_of(project), {"action": "dance", "id": first.pk}).status_code == 404
    assert lead.post(address_of(project), {"action": "up", "id": "x" * 40}).status_code == 404


def test_a_lead_sees_how_people_did_and_lets_somebody_in(
    lead: Client, annotator: Client, project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None)
    Project.objects.filter(pk=project.pk).update(screening_required=True)
    found = begin(annotator, project)
    for place in (1, 2):
        give_answer(found, place, WRONG)
    words = words_of(lead.get(address_of(project)))
    assert "Round 1: 0 of 2 right" in words
    assert "0 of only 1 right" in words
    member = Membership.objects.get(project=project, user=bob)
    form = {"action": "let-in", "id": member.pk, "reason": "Wrote the guidelines"}
    words = words_of(lead.post(address_of(project), form, follow=True))
    assert "bob may take items now" in words
    assert "Wrote the guidelines" in words
    back = {"action": "take-back", "id": found.pk}
    words = words_of(lead.post(address_of(project), back, follow=True))
    assert "The training is asked of bob again" in words


def test_a_set_costs_the_same_for_any_number_of_items_and_people(
    lead: Client, project: Project, alice: User, bob: User
) -> None:
    def fill() -> None:
        make_set(project, alice, None, verdict())
        person = make_user(uuid.uuid4().hex[:8])
        join(project, person, Membership.Role.ANNOTATOR)
        give_right_answers(start_round(user=person, project=project))
        settle(project)

    fill()
    few = count_queries(lead, address_of(project))
    few_to_choose = count_queries(lead, f"{address_of(project)}?choose=1")
    for _index in range(3):
        fill()
    assert count_queries(lead, address_of(project)) == few
    assert count_queries(lead, f"{address_of(project)}?choose=1") == few_to_choose


# --- The annotator's way ------------------------------------------------------------------------


def test_a_round_by_plain_forms(
    annotator: Client, project: Project, alice: User, bob: User
) -> None:
    rows = make_set(project, alice, None, None)
    TrainingItem.objects.filter(pk=rows[0].pk).update(explanation="**Look**: $2+2=4$.")
    Project.objects.filter(pk=project.pk).update(screening_required=True)
    assert "With 2 of 2 right you have passed" in words_of(annotator.get(address_of(project)))
    found = begin(annotator, project)
    item = annotator.get(place_of(found, 1))
    assert b"Then $2+2=4$." in item.content
    # Nothing of what is expected is in the page.
    assert b"Look" not in item.content
    assert annotator.get(place_of(found, 2)).headers["Location"] == place_of(found, 1)
    answer = annotator.post(place_of(found, 1), ratings("1", "-1", "1"))
    assert answer.headers["Location"] == place_of(found, 1)
    words = words_of(annotator.get(place_of(found, 1)))
    assert "The first error is at step 2, as you said." in words
    assert "Look" in words
    assert "1 of 1 right so far" in words
    annotator.post(place_of(found, 2), ratings("1", "1", "1"))
    words = words_of(annotator.get(place_of(found, 2)))
    assert "The first error is at step 2; you saw none." in words
    assert "See the result" in words
    words = words_of(annotator.get(reverse("labeling:training-round", args=[found.pk])))
    assert "1 of 2 right (50 %)" in words
    assert "Not passed yet: 2 of 2 are needed (75 %)" in words
    assert "An error that was not seen" in words
    assert "Try again" in words
    again = begin(annotator, project)
    assert again.number == 2
    give_right_answers(again)
    words = words_of(annotator.get(reverse("labeling:training-round", args=[again.pk])))
    assert "You have passed." in words
    assert "Take the first item" in words


def test_gaps_are_said_and_what_was_typed_stays(
    annotator: Client, project: Project, alice: User
) -> None:
    make_set(project, alice, None)
    found = begin(annotator, project)
    answer = annotator.post(place_of(found, 1), ratings("1"))
    assert answer.status_code == 400
    assert b"Step 2 is not judged yet" in answer.content
    assert answer.context["draft"]["content"]["steps"][0]["rating"] == 1


def test_a_claim_opens_with_the_judgement_and_not_before(
    annotator: Client, project: Project, alice: User
) -> None:
    make_set(project, alice, verdict())
    found = begin(annotator, project)
    assert b"Step 2 adds wrongly" not in annotator.get(place_of(found, 1)).content
    annotator.post(place_of(found, 1), {"action": "reveal", "blind": "2"})
    assert b"Step 2 adds wrongly" in annotator.get(place_of(found, 1)).content
    form = {"idempotency_key": str(uuid.uuid4()), "verdict": "accept", "error": ["1"]}
    assert annotator.post(place_of(found, 1), form).status_code == 302
    words = words_of(annotator.get(place_of(found, 1)))
    assert "The claim is to be accepted, as you said." in words
    assert "Before you saw the claim you said “error at step 3”" in words


def test_an_item_of_the_training_says_so_and_cannot_be_skipped(
    annotator: Client, project: Project, alice: User
) -> None:
    make_set(project, alice, None)
    found = begin(annotator, project)
    page = annotator.get(place_of(found, 1))
    assert page.context["way"]["kind"] == "training"
    assert page.context["urls"]["skip"] == ""
    assert page.context["urls"]["draft"] == ""
    assert page.context["urls"]["submit"] == reverse("api:training-answer", args=[found.pk, 1])
    assert page.context["progress"] == {"done": 0, "total": 1}
    check_html(read(page))


def test_hostile_text_stays_text(annotator: Client, project: Project, alice: User) -> None:
    noted = rating("correct", "wrong", "correct")
    noted["steps"][1]["note"] = ATTACK
    (row,) = make_set(project, alice, noted)
    TrainingItem.objects.filter(pk=row.pk).update(explanation=ATTACK)
    found = begin(annotator, project)
    give_answer(found, 1, {**WRONG, "note": ATTACK})
    words = words_of(annotator.get(place_of(found, 1)))
    assert words.count('<script>alert("x")</script>') == 3


def test_what_one_has_worked_on_is_said_to_be_left_out(
    annotator: Client, project: Project, alice: User, bob: User
) -> None:
    (row,) = make_set(project, alice, None)
    make_set(project, alice, None)
    row.item.assignments.update(annotator=bob, state="expired")
    words = words_of(annotator.get(address_of(project)))
    assert "1 item of the set is left out, because you have worked on it yourself." in words


def test_nothing_to_train_on_is_no_dead_end(annotator: Client, project: Project) -> None:
    words = words_of(annotator.get(address_of(project)))
    assert "There is nothing to train on here" in words
    begun = annotator.post(reverse("labeling:training-start", args=[project.slug]), follow=True)
    assert "There is nothing to train on here yet." in words_of(begun)


# --- Who may ------------------------------------------------------------------------------------


def test_which_page_opens_for_whom(
    everyone: dict[str, Client], project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None)
    found = start_round(user=bob, project=project)
    give_answer(found, 1, RIGHT)
    pages = {
        address_of(project): (200, 200, 403, 403, 404, 302),
        f"{address_of(project)}?choose=1": (200, 200, 403, 403, 404, 302),
        reverse("labeling:training-round", args=[found.pk]): (200, 302, 404, 404, 404, 302),
        place_of(found, 1): (200, 200, 404, 404, 404, 302),
        # Not answered yet: it is nobody else's to see.
        place_of(found, 2): (404, 200, 404, 404, 404, 302),
        place_of(found, 3): (404, 404, 404, 404, 404, 302),
        reverse("labeling:own-work", args=[project.slug]): (200, 200, 403, 403, 404, 302),
    }
    for address, expected in pages.items():
        got = tuple(client.get(address).status_code for client in everyone.values())
        assert got == expected, address
    posts = {
        address_of(project): (404, 403, 403, 403, 404, 302),
        reverse("labeling:training-start", args=[project.slug]): (302, 302, 403, 403, 404, 302),
        place_of(found, 2): (404, 400, 404, 404, 404, 302),
    }
    for address, expected in posts.items():
        got = tuple(client.post(address).status_code for client in everyone.values())
        assert got == expected, address


def test_a_place_of_any_size_is_not_there(annotator: Client, project: Project, alice: User) -> None:
    make_set(project, alice, None)
    found = begin(annotator, project)
    for path in (
        f"/training/{found.pk}/0/",
        f"/training/{found.pk}/{'9' * 40}/",
        f"/training/{'9' * 40}/",
    ):
        assert annotator.get(path).status_code == 404


# --- Home and the queue -------------------------------------------------------------------------


def test_home_and_the_queue_say_that_the_training_comes_first(
    annotator: Client, project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None, None)
    make_items(project, 1)
    work = reverse("labeling:work", args=[project.slug])
    assert "Training first" not in words_of(annotator.get(work))
    assert "Training first" not in words_of(annotator.get("/"))
    Project.objects.filter(pk=project.pk).update(screening_required=True)
    give_answer(start_round(user=bob, project=project), 1, RIGHT)
    for address in (work, "/"):
        page = annotator.get(address)
        assert "Training first: 1 of 2 done" in words_of(page)
        assert "Take the next item" not in read(page)
    give_answer(start_round(user=bob, project=project), 2, RIGHT)
    assert "1 item waits for you" in words_of(annotator.get(work))
    assert "Training first" not in words_of(annotator.get("/"))


def test_home_costs_no_more_with_more_projects_that_ask(
    annotator: Client, project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, None)
    before = count_queries(annotator, "/")
    Project.objects.filter(pk=project.pk).update(screening_required=True)
    # Rounds, answers, the set, what of it is asked, and the role.
    assert count_queries(annotator, "/") <= before + 5


@pytest.mark.parametrize("blind", ["none", "unknown", "1", "nonsense", "9" * 30])
def test_whatever_is_sent_as_a_first_judgement(
    annotator: Client, project: Project, alice: User, bob: User, blind: str
) -> None:
    make_set(project, alice, verdict())
    found = begin(annotator, project)
    answer: Any = annotator.post(place_of(found, 1), {"action": "reveal", "blind": blind})
    assert answer.status_code == 302
    said = find_answer(found, 1).content["blind_first_error"]
    assert said in ({"none": True}, {"unknown": "cannot tell"}, {"at": 1})
    assert reveal_claim(row=find_answer(found, 1), blind_first_error=At(0)) is not None


def test_a_stranger_to_the_round_is_told_nothing(project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    found = start_round(user=bob, project=project)
    erin = sign_in(User.objects.get(username="erin"))
    assert erin.get(reverse("labeling:training-round", args=[found.pk])).status_code == 404
    assert erin.post(place_of(found, 1), ratings("1", "-1", "1")).status_code == 404
