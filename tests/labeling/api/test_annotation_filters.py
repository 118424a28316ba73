"""Which annotations a list holds: the same search as the page of one's own."""

from __future__ import annotations

import pytest

from labeling.models import Annotation, AnnotationRevision
from tests.labeling.api.helpers import (
    API,
    RIGHT,
    WRONG,
    make_dispute,
    new_key,
    read_error,
    sign_in,
    submit_as,
)
from tests.labeling.api.test_hostile_input import QUERY_JUNK
from tests.labeling.factories import (
    enqueue,
    join,
    make_project,
    make_solution,
    make_user,
    rating,
)


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/annotations/"


@pytest.fixture
def two(project, bob) -> list[Annotation]:
    """Bob's own: one right, and one wrong at the second step, with a note."""
    enqueue(make_solution(project, key="sum", question="What is $2+2$?"))
    right = submit_as(bob, project, rating(*RIGHT))[1]
    enqueue(make_solution(project, key="root", question="Find the root of nine."))
    data = rating(*WRONG, note="The sign is lost.")
    data["steps"][1]["error_types"] = ["circular", "deception"]
    return [right, submit_as(bob, project, data)[1]]


def find(client, url, **query) -> list[int]:
    answer = client.get(url, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [0, 1]),
        ({"text": "ROOT"}, [1]),
        ({"note": "sign"}, [1]),
        ({"said": "error"}, [1]),
        ({"said": "no_error", "text": "root"}, []),
        ({"error_type": "deception"}, [1]),
        ({"state": "waiting"}, [0, 1]),
        ({"state": "decided"}, []),
        ({"changed": "true"}, []),
        ({"since": "2000-01-01"}, [0, 1]),
        ({"until": "2000-01-01"}, []),
    ],
)
def test_they_are_searched(url, bob, two, query, found):
    assert find(sign_in(bob), url, **query) == [two[index].pk for index in found]


def test_what_was_changed_is_searched_as_it_is_now(url, bob, two):
    body = {
        "number": 1,
        "idempotency_key": new_key(),
        "content": rating(*WRONG),
        "reason": "I looked again.",
    }
    client = sign_in(bob)
    assert client.post(f"{API}/annotations/{two[0].pk}/revise/", body).status_code == 201
    assert find(client, url, changed="true") == [two[0].pk]
    assert find(client, url, said="no_error") == []


def test_leads_may_ask_for_their_own_alone(url, project, alice, bob, erin):
    make_dispute(project, bob, erin)
    assert len(find(sign_in(alice), url)) == 2
    assert find(sign_in(alice), url, own="true") == []


@pytest.mark.parametrize(
    "query",
    [
        {"said": "nonsense"},
        {"since": "soon"},
        {"state": "gone"},
        {"changed": "perhaps"},
        {"text": "x" * 201},
        {"words": "x"},
    ],
)
def test_what_nobody_knows_is_refused(url, bob, query):
    read_error(sign_in(bob).get(url, query), 400, "invalid_input")


def search_everything(client, project, revised) -> None:
    """Every filter finds the one with the note, and junk finds nothing and breaks nothing."""
    url = f"{API}/projects/{project.slug}/annotations/"
    for query in (
        *(
            {"text": "root"},
            {"note": "SIGN"},
            {"note": "±"},
            {"said": "error"},
            {"state": "waiting"},
        ),
        *({"error_type": "circular"}, {"error_type": "deception"}, {"since": "2000-01-01"}),
    ):
        assert find(client, url, **query) == [revised], query
    for name in ("text", "note", "said", "error_type", "since", "changed", "own"):
        for junk in QUERY_JUNK:
            value = junk.encode("utf-8", "surrogatepass")
            answer = client.get(url, {name: value})
            assert answer.status_code in (200, 400), (name, junk[:20])


@pytest.mark.parametrize(
    "database",
    [
        pytest.param("db", marks=pytest.mark.django_db),
        pytest.param("postgres_db", marks=pytest.mark.postgres),
    ],
)
def test_both_databases_find_the_same(request, database):
    request.getfixturevalue(database)
    lead, bob = make_user("alice"), make_user("bob")
    project = make_project(lead)
    join(project, bob, "annotator")
    enqueue(make_solution(project, key="root", question="Find the root of nine."))
    data = rating(*WRONG)
    data["steps"][1] |= {"error_types": ["circular", "deception"], "note": "The sign, ±3."}
    annotation = submit_as(bob, project, data)[1]
    search_everything(sign_in(bob), project, annotation.pk)


def test_active_time_may_be_told_with_a_change(bob, two):
    body = {
        "number": 1,
        "idempotency_key": new_key(),
        "content": rating(*WRONG),
        "reason": "I looked again.",
        "active_ms": 1_200,
        "step_ms": {"0": 700},
    }
    answer = sign_in(bob).post(f"{API}/annotations/{two[0].pk}/revise/", body)
    assert answer.status_code == 201
    assert answer.json()["next_url"] == f"/assignments/{first_hold(two[0])}/"


def first_hold(annotation: Annotation) -> int | None:
    return AnnotationRevision.objects.get(annotation=annotation, number=1).assignment_id
