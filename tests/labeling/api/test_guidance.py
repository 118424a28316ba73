"""Guidelines in every language and rulings, over REST."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.models import AuditEvent, GuidelineReading, Project, Ruling, User
from labeling.services.guidance import make_ruling
from tests.labeling.api.helpers import API, read_error, sign_in

CHINESE = {"question": "取近似值算错误吗？", "answer": "写明是近似就不算。"}
WORDS = {"question": "Is it rounded?", "answer": "No."}


@pytest.fixture
def url(project: Project) -> str:
    return f"{API}/projects/{project.slug}/"


def rule(project: Project, by: User, **more: Any) -> Ruling:
    return make_ruling(project=project, by=by, **{**WORDS, **more})


def test_it_works(url, project, alice, bob):
    body = {**WORDS, "error_type": "deception", "translations": {"zh-hans": CHINESE}}
    answer = sign_in(alice).post(f"{url}rulings/", body)
    assert answer.status_code == 201
    made = answer.json()
    assert made["author"] == "alice"
    assert made["guideline_version"] == 1
    [row] = sign_in(bob).get(f"{url}rulings/").json()["results"]
    assert row == {**made, "author": project.memberships.get(user=alice).pseudonym}
    assert row["translations"] == {"zh-hans": CHINESE}


def test_a_reader_gets_their_language(url, project, alice, bob):
    rule(project, alice, translations={"zh-hans": CHINESE})
    answer = sign_in(bob).get(f"{url}rulings/", headers={"Accept-Language": "zh-hans"})
    [row] = answer.json()["results"]
    assert (row["question"], row["language"]) == (CHINESE["question"], "zh-hans")


def test_the_same_ruling_twice_is_one(url, alice):
    lead = sign_in(alice)
    first, second = (lead.post(f"{url}rulings/", WORDS).json() for _ in range(2))
    assert first == second
    read_error(lead.post(f"{url}rulings/", {**WORDS, "answer": "Yes."}), 409, "conflict")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": ""}, "question"),
        ({"answer": "x" * 10_001}, "answer"),
        ({"error_type": "nothing"}, "error_type"),
        ({"translations": {"fr": CHINESE}}, "translations"),
        ({"translations": {"zh-hans": {"question": "?"}}}, "translations"),
        ({"text": "x"}, "text"),
    ],
)
def test_what_is_no_ruling(change, field, url, alice):
    error = read_error(
        sign_in(alice).post(f"{url}rulings/", {**WORDS, **change}), 400, "invalid_input"
    )
    assert error["detail"]["field"].split(".")[0] == field
    assert not Ruling.objects.exists()


def test_rulings_are_searched(url, project, alice, bob):
    rounded = rule(project, alice, translations={"zh-hans": CHINESE})
    circular = rule(project, alice, question="Is a guess a circle?", error_type="circular")
    client = sign_in(bob)

    def find(**query: str) -> list[int]:
        rows = client.get(f"{url}rulings/", query).json()["results"]
        return [row["id"] for row in rows]

    assert find() == [circular.pk, rounded.pk]
    assert find(q="近似") == [rounded.pk]
    assert find(q="circle GUESS") == [circular.pk]
    assert find(error_type="circular") == [circular.pk]
    assert find(error_type="-") == [rounded.pk]
    assert find(state="withdrawn") == []
    error = read_error(client.get(f"{url}rulings/", {"state": "x"}), 400, "invalid_input")
    assert error["detail"]["field"] == "state"


def test_a_ruling_is_withdrawn_and_that_is_undone(project, alice):
    ruling = rule(project, alice)
    lead = sign_in(alice)
    withdrawn = lead.post(f"{API}/rulings/{ruling.pk}/withdraw/")
    assert withdrawn.json()["withdrawn_by"] == "alice"
    read_error(lead.post(f"{API}/rulings/{ruling.pk}/withdraw/"), 409, "conflict")
    restored = lead.post(f"{API}/rulings/{ruling.pk}/restore/")
    assert restored.json()["withdrawn_at"] is None
    verbs = AuditEvent.objects.filter(verb__startswith="ruling.").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        *("ruling.made", "ruling.withdrawn", "ruling.restored"),
    ]


def test_a_reading_is_noted_once(url, project, alice, bob):
    ruling = rule(project, alice)
    client = sign_in(bob)
    body = {"version": 1, "last_ruling": ruling.pk}
    for _ in range(2):
        answer = client.post(f"{url}guidelines/read/", body)
        assert answer.status_code == 200
        assert (answer.json()["version"], answer.json()["last_ruling"]) == (1, ruling.pk)
    assert GuidelineReading.objects.count() == 1


def test_nobody_has_read_what_is_not_in_force(url, project, alice, bob):
    client = sign_in(bob)
    read_error(
        client.post(f"{url}guidelines/read/", {"version": 2, "last_ruling": 0}), 409, "conflict"
    )
    rule(project, alice)
    read_error(
        client.post(f"{url}guidelines/read/", {"version": 1, "last_ruling": 0}), 409, "conflict"
    )
    assert not GuidelineReading.objects.exists()


def test_guidelines_are_published_in_every_language(url, alice, bob):
    body = {"text": "Be exact.", "translations": {"zh-hans": "要严谨。"}, "version": 1}
    answer = sign_in(alice).post(f"{url}guidelines/", body)
    assert answer.status_code == 201
    newest, first = sign_in(bob).get(f"{url}guidelines/").json()["results"]
    assert (newest["text"], newest["translations"]) == ("Be exact.", {"zh-hans": "要严谨。"})
    assert first["translations"] == {}


@pytest.mark.parametrize("translations", [{"fr": "Un."}, {"en": "One."}, {"": "x"}, [], "x"])
def test_what_is_no_translation(translations, url, project, alice):
    body = {"text": "One.", "translations": translations, "version": 1}
    error = read_error(sign_in(alice).post(f"{url}guidelines/", body), 400, "invalid_input")
    assert error["detail"]["field"] == "translations"
    project.refresh_from_db()
    assert project.guideline_version == 1
