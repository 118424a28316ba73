"""Projects, their protocol, guidelines and taxonomies."""

from __future__ import annotations

import copy

import pytest

from labeling.models import AuditEvent, Project, Taxonomy
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import make_items, make_project, make_user


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/"


def test_people_see_their_own_projects(project, alice, bob, dave):
    make_project(dave, slug="geometry")
    for person, slugs in ((alice, ["algebra"]), (bob, ["algebra"]), (dave, ["geometry"])):
        answer = sign_in(person).get(f"{API}/projects/")
        assert [row["slug"] for row in answer.json()["results"]] == slugs


def test_superusers_see_all_projects(project, dave):
    make_project(make_user("zoe"), slug="geometry")
    dave.is_superuser = True
    dave.save()
    answer = sign_in(dave).get(f"{API}/projects/")
    assert [row["slug"] for row in answer.json()["results"]] == ["algebra", "geometry"]


@pytest.fixture
def root(dave):
    """Dave runs the installation."""
    dave.is_superuser = True
    dave.save(update_fields=["is_superuser"])
    return sign_in(dave)


def test_superusers_make_projects_and_lead_them(root, dave):
    answer = root.post(
        f"{API}/projects/", {"slug": "sets", "name": "Sets", "overlap": 3, "hide_claim": False}
    )
    assert answer.status_code == 201
    assert answer.json()["overlap"] == 3
    assert answer.json()["hide_claim"] is False
    # What was not given takes its default.
    assert answer.json()["strategy"] == "double"
    project = Project.objects.get(slug="sets")
    assert project.memberships.get(user=dave).role == "lead"


def test_whoever_leads_a_project_may_make_another(project, alice):
    body = {"slug": "sets", "name": "Sets"}
    assert sign_in(alice).post(f"{API}/projects/", body).status_code == 201


def test_others_make_none(project, bob, carol, frank, dave):
    body = {"slug": "sets", "name": "Sets"}
    for person in (bob, carol, frank, dave):
        read_error(sign_in(person).post(f"{API}/projects/", body), 403, "not_allowed")
    assert Project.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "a b"}, "slug"),
        ({"slug": "x" * 61}, "slug"),
        ({"name": ""}, "name"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 33}, "overlap"),
        ({"strategy": "coin"}, "strategy"),
        ({"lease_minutes": 100_000}, "lease_minutes"),
        ({"is_demo": True}, "is_demo"),
    ],
)
def test_values_that_a_project_cannot_have(root, change, field):
    body = {"slug": "sets", "name": "Sets", **change}
    error = read_error(root.post(f"{API}/projects/", body), 400, "invalid_input")
    assert error["detail"]["field"] == field


def test_two_projects_cannot_share_an_address(project, alice):
    body = {"slug": project.slug, "name": "Another"}
    error = read_error(sign_in(alice).post(f"{API}/projects/", body), 400, "invalid_input")
    assert error["detail"]["field"] == "slug"
    assert Project.objects.count() == 1


def test_reading_one(url, bob):
    answer = sign_in(bob).get(url)
    assert answer.json()["slug"] == "algebra"
    assert answer.json()["overlap"] == 2


def test_changing_the_protocol(url, project, alice):
    item = make_items(project, 1)[0]
    answer = sign_in(alice).patch(url, {"version": 1, "overlap": 3, "description": "Sums."})
    assert answer.status_code == 200
    assert answer.json()["overlap"] == 3
    assert answer.json()["description"] == "Sums."
    assert answer.json()["version"] == 2
    assert answer.json()["name"] == "Algebra"
    item.refresh_from_db()
    assert item.free_slots == 3
    assert AuditEvent.objects.filter(verb="project.protocol_changed").exists()


def test_a_stale_change_is_refused(url, alice):
    client = sign_in(alice)
    assert client.patch(url, {"version": 1, "overlap": 3}).status_code == 200
    read_error(client.patch(url, {"version": 1, "overlap": 5}), 409, "conflict")
    assert Project.objects.get().overlap == 3


def test_settings_that_contradict_each_other(url, alice):
    answer = sign_in(alice).patch(url, {"version": 1, "agree_target": 6})
    read_error(answer, 400, "invalid_input")
    assert Project.objects.get().version == 1


def test_the_address_of_a_project_does_not_change(url, alice):
    error = read_error(sign_in(alice).patch(url, {"version": 1, "slug": "b"}), 400, "invalid_input")
    assert error["detail"]["field"] == "slug"


def test_guidelines_keep_all_versions(url, alice, bob):
    lead = sign_in(alice)
    answer = lead.post(f"{url}guidelines/", {"text": "Judge each step.\n", "version": 1})
    assert answer.status_code == 201
    assert answer.json()["version"] == 2
    # Not trimmed: what people read is what was written.
    assert answer.json()["text"] == "Judge each step.\n"
    read_error(lead.post(f"{url}guidelines/", {"text": "x", "version": 1}), 409, "conflict")
    rows = sign_in(bob).get(f"{url}guidelines/").json()["results"]
    assert [row["version"] for row in rows] == [2, 1]
    assert rows[0]["author"] == "alice"


def test_taxonomies_are_edited_into_new_versions(url, project, alice, bob):
    rows = sign_in(bob).get(f"{url}taxonomies/").json()["results"]
    [in_force] = [row for row in rows if row["is_in_force"]]
    assert in_force["slug"] == "prmbench-9"
    assert in_force["is_builtin"]
    content = copy.deepcopy(in_force["content"])
    content["types"] = content["types"][:3]
    answer = sign_in(alice).post(
        f"{url}taxonomies/", {"content": content, "taxonomy": in_force["id"]}
    )
    assert answer.status_code == 201
    assert answer.json()["is_in_force"]
    assert not answer.json()["is_builtin"]
    assert answer.json()["version"] == in_force["version"] + 1
    assert len(answer.json()["content"]["types"]) == 3
    stale = sign_in(alice).post(
        f"{url}taxonomies/", {"content": content, "taxonomy": in_force["id"]}
    )
    read_error(stale, 409, "conflict")


def test_a_taxonomy_that_says_nothing(url, project, alice):
    body = {"content": {"id": "x"}, "taxonomy": project.taxonomy_id}
    error = read_error(sign_in(alice).post(f"{url}taxonomies/", body), 400, "invalid_input")
    assert error["detail"]["field"] == "content"
    assert not Taxonomy.objects.filter(project=project).exists()


def test_a_shipped_taxonomy_is_put_in_force(url, project, alice):
    basic = Taxonomy.objects.get(slug="basic")
    answer = sign_in(alice).post(f"{url}taxonomies/{basic.pk}/use/")
    assert answer.json()["taxonomy"] == basic.pk


def test_a_taxonomy_of_another_project_is_not_there(url, project, alice, dave):
    other = make_project(dave, slug="geometry")
    foreign = Taxonomy.objects.create(
        project=other, slug="own", version=1, title="Own", content={}, author=dave
    )
    read_error(sign_in(alice).post(f"{url}taxonomies/{foreign.pk}/use/"), 404, "not_found")
    rows = sign_in(alice).get(f"{url}taxonomies/").json()["results"]
    assert foreign.pk not in [row["id"] for row in rows]
