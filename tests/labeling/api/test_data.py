"""Browsing: sources, problems, solutions, injections, items and suggestions."""

from __future__ import annotations

import pytest

from labeling.models import AuditEvent, Injection, Source
from tests.labeling.api.helpers import (
    API,
    RIGHT,
    make_dispute,
    make_suggestion,
    read_error,
    sign_in,
    submit_as,
)
from tests.labeling.factories import (
    enqueue,
    make_injection_item,
    make_project,
    make_solution,
    rating,
)


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/"


def keys(answer):
    return [row["source_key"] for row in answer.json()["results"]]


def test_solutions_with_their_problem_source_and_items(url, project, frank):
    item = enqueue(make_solution(project, key="one", generator="model-7"))
    [row] = sign_in(frank).get(f"{url}solutions/").json()["results"]
    assert row["problem"]["text"] == "What is $2+2$?"
    assert row["source"] == "unit tests"
    assert row["n_steps"] == 3
    assert row["injection"] is None
    assert [entry["id"] for entry in row["items"]] == [item.pk]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["plain", "inj-original", "inj"]),
        ({"generator": "model-7"}, ["plain"]),
        ({"kind": "injection"}, ["inj"]),
        ({"kind": "solution"}, ["plain", "inj-original"]),
        ({"error_type": "deception"}, ["inj"]),
        ({"answer": "right"}, ["plain"]),
        ({"answer": "unknown"}, ["inj-original", "inj"]),
        ({"text": "2+2=5"}, ["inj"]),
        ({"state": "waiting"}, ["inj"]),
        ({"lint": "blocking"}, ["inj"]),
        ({"lint": "error_out_of_range"}, ["inj"]),
        ({"lint": "another"}, []),
        ({"source": "nowhere"}, []),
        ({"kind": "injection", "answer": "right"}, []),
    ],
)
def test_filters(url, project, frank, query, expected):
    make_solution(project, key="plain", generator="model-7", final_answer_correct=True)
    make_injection_item(project)
    Injection.objects.update(
        lints=[{"code": "error_out_of_range", "severity": "block"}], blocking_lints=1
    )
    assert keys(sign_in(frank).get(f"{url}solutions/", query)) == expected


def test_a_filter_that_is_none(url, frank):
    error = read_error(
        sign_in(frank).get(f"{url}solutions/", {"answer": "maybe"}), 400, "invalid_input"
    )
    assert error["detail"]["field"] == "answer"


def test_a_solution_reviewed_twice_is_listed_once(url, project, frank):
    solution = make_solution(project)
    enqueue(solution, task="rate_steps")
    enqueue(solution, task="verify_injection")
    assert keys(sign_in(frank).get(f"{url}solutions/", {"state": "waiting"})) == ["one"]


def test_a_solution_with_its_steps_and_suggestions(project, frank):
    solution = make_solution(project)
    make_suggestion(solution)
    answer = sign_in(frank).get(f"{API}/solutions/{solution.pk}/").json()
    assert [step["position"] for step in answer["steps"]] == [0, 1, 2]
    assert answer["steps"][0]["text"] == "First, $1+1=2$."
    assert answer["problem"]["reference_answer"] == "4"
    assert answer["suggestions"][0]["first_error"] == {"at": 1}
    assert answer["annotations"] == []


def test_peoples_words_are_for_leads_and_adjudicators(project, alice, bob, erin, carol, frank):
    dispute = make_dispute(project, bob, erin)
    url = f"{API}/solutions/{dispute.item.solution_id}/"
    for person in (alice, carol):
        words = sign_in(person).get(url).json()["annotations"]
        assert len(words) == 2
        # The project hides who is who.
        assert {word["reviewer"] for word in words}.isdisjoint({"bob", "erin"})
        assert words[0]["revisions"][0]["content"]["steps"][0]["validity"] == "correct"
    answer = sign_in(frank).get(url).json()
    assert answer["annotations"] == []
    assert answer["items"][0]["settled"] is None


def test_names_show_where_the_project_shows_them(project, alice, bob, erin):
    project.hide_names = False
    project.save()
    dispute = make_dispute(project, bob, erin)
    words = sign_in(alice).get(f"{API}/solutions/{dispute.item.solution_id}/").json()["annotations"]
    assert [word["reviewer"] for word in words] == ["bob", "erin"]


def test_engineers_see_what_was_settled(project, bob, erin, frank):
    item = enqueue(make_solution(project))
    submit_as(bob, project, rating(*RIGHT))
    submit_as(erin, project, rating(*RIGHT))
    answer = sign_in(frank).get(f"{API}/solutions/{item.solution_id}/").json()
    settled = answer["items"][0]["settled"]
    assert settled["standing"] == "agreed"
    assert [step["validity"] for step in settled["content"]["steps"]] == list(RIGHT)


def test_another_projects_solution_is_not_there(project, frank, dave):
    foreign = make_solution(make_project(dave, slug="geometry"))
    read_error(sign_in(frank).get(f"{API}/solutions/{foreign.pk}/"), 404, "not_found")


def test_annotators_do_not_browse(url, project, bob):
    solution = make_solution(project)
    for address in (f"{url}solutions/", f"{url}injections/", f"{API}/solutions/{solution.pk}/"):
        read_error(sign_in(bob).get(address), 403, "not_allowed")


def test_injections_with_claim_and_state(url, project, frank):
    make_injection_item(project)
    [row] = sign_in(frank).get(f"{url}injections/").json()["results"]
    assert row["error_type"] == "deception"
    assert row["claimed_error_positions"] == [1]
    assert row["state"] == "waiting"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"error_type": "deception"}, 1),
        ({"error_type": "circular"}, 0),
        ({"producer": "test"}, 1),
        ({"producer": "nobody"}, 0),
        ({"state": "waiting"}, 1),
        ({"state": "agreed", "error_type": "deception"}, 0),
        ({"text": "2+2=5"}, 1),
    ],
)
def test_injection_filters(url, project, frank, query, count):
    make_injection_item(project)
    assert len(sign_in(frank).get(f"{url}injections/", query).json()["results"]) == count


def test_an_injection_beside_its_original(project, frank):
    item = make_injection_item(project)
    injection = item.solution.injection
    answer = sign_in(frank).get(f"{API}/injections/{injection.pk}/").json()
    assert answer["modified_side"]["steps"][1] == "Then $2+2=5$."
    assert answer["original_side"]["steps"][1] == "Then $2+2=4$."
    assert answer["alignment"] == [
        {"kind": "same", "original": 0, "modified": 0},
        {"kind": "edited", "original": 1, "modified": 1},
        {"kind": "same", "original": 2, "modified": 2},
    ]


def test_items_and_their_filters(url, project, frank):
    make_injection_item(project)
    first = enqueue(make_solution(project))
    client = sign_in(frank)
    rows = client.get(f"{url}items/", {"task": "rate_steps"}).json()["results"]
    assert [row["id"] for row in rows] == [first.pk]
    assert len(client.get(f"{url}items/", {"state": "waiting"}).json()["results"]) == 2
    assert client.get(f"{url}items/", {"solution": 10**9}).json()["results"] == []


def test_suggestions(url, project, frank):
    solution = make_solution(project)
    make_suggestion(solution)
    client = sign_in(frank)
    [row] = client.get(f"{url}suggestions/", {"solution": solution.pk}).json()["results"]
    assert row["labels"] == [None, {"validity": "wrong"}, None]
    assert client.get(f"{url}suggestions/", {"method": "other"}).json()["results"] == []


def test_problems(url, project, frank):
    make_solution(project, key="one")
    make_solution(project, key="two", question="How many primes are below ten?")
    client = sign_in(frank)
    rows = client.get(f"{url}problems/", {"text": "PRIMES"}).json()["results"]
    assert [row["family"] for row in rows] == ["two"]
    assert len(client.get(f"{url}problems/", {"language": "en"}).json()["results"]) == 2


def test_the_terms_of_a_source_are_corrected(url, project, frank):
    source = make_solution(project).source
    answer = sign_in(frank).patch(
        f"{url}sources/{source.pk}/", {"licence": "CC-BY-4.0", "redistribution": "allowed"}
    )
    assert answer.status_code == 200
    assert answer.json()["licence"] == "CC-BY-4.0"
    source.refresh_from_db()
    assert source.redistribution == "allowed"
    event = AuditEvent.objects.get(verb="source.changed")
    assert event.detail["before"]["licence"] == ""
    [row] = sign_in(frank).get(f"{url}sources/").json()["results"]
    assert row["licence"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"redistribution": "perhaps"}, "redistribution"),
        ({"url": "no address"}, "url"),
        ({"licence": "x" * 61}, "licence"),
        ({"name": "other"}, "name"),
    ],
)
def test_terms_that_a_source_cannot_have(url, project, frank, change, field):
    source = make_solution(project).source
    error = read_error(
        sign_in(frank).patch(f"{url}sources/{source.pk}/", change), 400, "invalid_input"
    )
    assert error["detail"]["field"] == field


def test_a_source_of_another_project_is_not_reached_through_ones_own(url, frank, dave):
    foreign = make_solution(make_project(dave, slug="geometry")).source
    read_error(
        sign_in(frank).patch(f"{url}sources/{foreign.pk}/", {"licence": "MIT"}), 404, "not_found"
    )
    assert Source.objects.get(pk=foreign.pk).licence == ""
