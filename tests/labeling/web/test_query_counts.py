"""A page costs as many queries with thirty rows as with three."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import ImportBatch, Project, Release, User
from labeling.services.members import add_member, invite, make_token
from labeling.services.projects import ensure_source, publish_guidelines
from tests.labeling.factories import enqueue, make_solution, make_user
from tests.labeling.web.helpers import count_queries, make_rated, make_verified, suggest


def fill(project: Project, people: list[User], *, name: str, rows: int) -> None:
    """Some of everything that a list page may list."""
    lead = people[0]
    source = ensure_source(project=project, name=f"source {name}")
    for index in range(rows):
        key = f"{name}-{index}"
        enqueue(make_solution(project, f"{key}-waiting"))
        suggest(make_rated(project, people[1:3], f"{key}-rated"))
        make_verified(project, people[1:3], f"{key}-verified")
        batch = ImportBatch.objects.create(
            project=project, source=source, format="problems", filename=key, created_by=lead
        )
        batch.issues.create(line=1, message=key)
        release = Release.objects.create(project=project, name=key, created_by=lead)
        release.files.create(format="trl", filename="trl.jsonl", sha256="0", size=0, records=0)
        add_member(project=project, user=make_user(key), role="annotator", by=lead)
        invite(project=project, role="annotator", by=lead)
        make_token(user=lead, name=key, scopes=["read"], days=2)
        project.refresh_from_db()
        publish_guidelines(
            project=project, by=lead, text=key, seen_version=project.guideline_version
        )


LISTS = (
    *("overview", "browse", "imports", "agreement", "releases", "settings", "guidelines"),
    *("taxonomy", "members"),
)


@pytest.mark.parametrize("name", LISTS)
def test_lists(name, project: Project, alice: User, bob: User, erin: User, lead: Client):
    address = reverse(f"labeling:{name}", args=[project.slug])
    people = [alice, bob, erin]
    fill(project, people, name="few", rows=2)
    few = count_queries(lead, address)
    fill(project, people, name="many", rows=8)
    assert count_queries(lead, address) == few


def test_tokens(project: Project, alice: User, bob: User, erin: User, lead: Client):
    make_token(user=alice, name="one", scopes=["read"], days=2)
    few = count_queries(lead, reverse("labeling:tokens"))
    for index in range(10):
        make_token(user=alice, name=str(index), scopes=["read"], days=2)
    assert count_queries(lead, reverse("labeling:tokens")) == few


def test_items_behind_a_number(project: Project, bob: User, erin: User, lead: Client):
    address = reverse("labeling:agreement-items", args=[project.slug]) + "?kind=existence"
    make_rated(project, [bob, erin], "one")
    few = count_queries(lead, address)
    for index in range(8):
        make_rated(project, [bob, erin], f"more-{index}")
    assert count_queries(lead, address) == few


def test_one_solution_with_two_and_with_six_people(project: Project, lead: Client):
    people = []
    for index in range(6):
        person = make_user(f"person-{index}")
        add_member(project=project, user=person, role="annotator", by=None)
        people.append(person)
    two = reverse("labeling:solution", args=[make_rated(project, people[:2], "two").pk])
    six = reverse("labeling:solution", args=[make_rated(project, people, "six").pk])
    assert count_queries(lead, six) == count_queries(lead, two)


def test_a_fragment_costs_less_than_its_page(project: Project, alice: User, lead: Client):
    source = ensure_source(project=project, name="s")
    batch = ImportBatch.objects.create(
        project=project,
        source=source,
        format="problems",
        filename="f",
        state="running",
        heartbeat_at=timezone.now(),
    )
    address = reverse("labeling:import", args=[batch.pk])
    assert count_queries(lead, f"{address}?fragment=progress") < count_queries(lead, address)
