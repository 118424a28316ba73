"""Training over REST: the set, a round from its first item to its result, and one's own work."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Project, TrainingItem, TrainingRound, User
from labeling.selectors.training import find_answer
from labeling.services.training import start_round
from tests.labeling.api.helpers import API, new_key, read_error, sign_in
from tests.labeling.factories import rating, verdict
from tests.labeling.training_helpers import RIGHT, WRONG, give_right_answers, make_set, settle


@pytest.fixture
def as_alice(alice: User, project: Project) -> APIClient:
    return sign_in(alice)


@pytest.fixture
def as_bob(bob: User, project: Project) -> APIClient:
    return sign_in(bob)


def training(project: Project, name: str) -> str:
    return f"{API}/projects/{project.slug}/training/{name}/"


def answer(client: APIClient, found: TrainingRound, place: int, content: Any, **more: Any) -> Any:
    body = {"idempotency_key": new_key(), "content": content, **more}
    return client.post(f"{API}/training-rounds/{found.pk}/items/{place}/", body)


def test_a_lead_makes_a_set(as_alice: APIClient, project: Project) -> None:
    first, second = settle(project), settle(project, verdict())
    made = as_alice.post(training(project, "items"), {"items": [first.pk]})
    assert made.status_code == 201
    (number,) = made.json()["items"]
    chosen = as_alice.post(training(project, "choose"), {"seed": 3})
    assert len(chosen.json()["items"]) == 1
    changed = as_alice.patch(f"{API}/training-items/{number}/", {"explanation": "Look."})
    assert changed.json()["explanation"] == "Look."
    as_alice.post(f"{API}/training-items/{number}/move/", {"later": True})
    assert as_alice.delete(f"{API}/training-items/{number}/").status_code == 204
    back = as_alice.post(f"{API}/training-items/{number}/put-back/").json()
    assert back["removed_at"] is None
    rows = as_alice.get(training(project, "items")).json()["results"]
    assert [row["item"] for row in sorted(rows, key=lambda row: row["place"])] == [
        *(second.pk, first.pk)
    ]
    assert rows[0]["first_answers"]["low"] is None
    assert rows[0]["first_answers"]["explanation"]


def test_what_cannot_be_used_is_refused_with_its_field(
    as_alice: APIClient, project: Project
) -> None:
    refused = as_alice.post(training(project, "items"), {"items": [10**9]})
    assert read_error(refused, 400, "invalid_input")["detail"]["field"] == "items"
    read_error(as_alice.post(training(project, "choose"), {}), 409, "conflict")


def test_a_round_over_rest(
    as_alice: APIClient, as_bob: APIClient, project: Project, alice: User
) -> None:
    make_set(project, alice, RIGHT, verdict())
    TrainingItem.objects.update(explanation="Because.")
    begun = as_bob.post(training(project, "rounds"))
    assert begun.status_code == 201
    found = TrainingRound.objects.get(pk=begun.json()["id"])
    assert (begun.json()["needed"], begun.json()["answered"]) == (2, 0)
    place = as_bob.get(f"{API}/training-rounds/{found.pk}/items/1/")
    assert place.json()["explained"] is None
    assert "Because" not in place.content.decode()
    assert [step["number"] for step in place.json()["work"]["steps"]] == [1, 2, 3]
    told = answer(as_bob, found, 1, WRONG).json()
    assert (told["is_right"], told["passed"]) == (False, None)
    assert told["findings"][0]["kind"] == "missed"
    assert told["explanation"] == "Because."
    assert told["next_url"] == f"/training/{found.pk}/1/"
    assert as_bob.get(f"{API}/training-rounds/{found.pk}/items/1/").json()["explained"]["given"]
    assert answer(as_bob, found, 2, verdict()).json()["passed"] is False
    detail = as_bob.get(f"{API}/training-rounds/{found.pk}/").json()
    assert detail["next_place"] is None
    assert [one["is_right"] for one in detail["items"]] == [False, True]
    assert detail["confusions"][0] == {"kind": "missed", "expected": "", "given": "", "answers": 1}
    assert as_alice.get(training(project, "rounds")).json()["results"][0]["right"] == 1


def test_the_claim_opens_with_the_judgement(
    as_bob: APIClient, project: Project, alice: User, bob: User
) -> None:
    make_set(project, alice, verdict())
    found = start_round(user=bob, project=project)
    address = f"{API}/training-rounds/{found.pk}/items/1/"
    assert as_bob.get(address).json()["work"]["injection"]["claim"] is None
    # What the pages of work send with it.
    body = {"blind_first_error": {"at": 1}, "lease_token": ""}
    opened = as_bob.post(f"{address}reveal/", body).json()
    assert opened["claim"]["reason"] == "Step 2 adds wrongly."
    again = as_bob.post(f"{address}reveal/", {"blind_first_error": {"none": True}}).json()
    assert again["blind_first_error"] == {"at": 1}
    read_error(
        as_bob.post(f"{address}reveal/", {"blind_first_error": {"at": 1, "none": True}}),
        400,
        "invalid_input",
    )


def test_gaps_name_their_steps(as_bob: APIClient, project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    found = start_round(user=bob, project=project)
    refused = read_error(answer(as_bob, found, 1, rating("correct")), 400, "incomplete")
    assert refused["detail"]["positions"] == [1, 2]


def test_an_answer_counts_once(as_bob: APIClient, project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    found = start_round(user=bob, project=project)
    key = new_key()
    first = answer(as_bob, found, 1, RIGHT, idempotency_key=key)
    assert answer(as_bob, found, 1, WRONG, idempotency_key=key).json() == first.json()
    read_error(answer(as_bob, found, 1, WRONG), 409, "already_answered")
    assert find_answer(found, 1).is_right


def test_a_lead_lets_somebody_in_and_takes_it_back(
    as_alice: APIClient, project: Project, alice: User, bob: User
) -> None:
    member = project.memberships.get(user=bob)
    body = {"member": member.pk, "reason": "Wrote the guidelines."}
    made = as_alice.post(training(project, "let-in"), body).json()
    assert (made["is_excused"], made["passed"], made["size"]) == (True, False, 0)
    taken = as_alice.post(f"{API}/training-rounds/{made['id']}/take-back/").json()
    assert taken["is_excused"] is False


def test_ones_own_work(as_bob: APIClient, project: Project, alice: User, bob: User) -> None:
    make_set(project, alice, None)
    give_right_answers(start_round(user=bob, project=project))
    address = f"{API}/projects/{project.slug}/me/"
    own = as_bob.get(address).json()
    assert own["figures"] is None
    assert own["item_time"] == {"median_ms": None, "n": 0}
    assert len(own["progress"]["days"]) == 7
    assert own["training"]["has_passed"] is True
    Project.objects.filter(pk=project.pk).update(decisions_shown=True)
    figures = as_bob.get(address).json()["figures"]
    assert [one["name"] for one in figures] == ["first_error", "within_one", "steps", "verdicts"]
    assert figures[0]["share"]["low"] is None
    assert figures[0]["is_few"] is True
