"""Which page opens for whom: every desk page by every role, an outsider, and nobody."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Project, User
from labeling.services.releases import create_release
from labeling.services.transfers import create_import
from tests.labeling.web.helpers import make_rated, make_verified

ROLES = ("lead", "annotator", "adjudicator", "engineer", "outsider", "nobody")

# The status of a GET by role; nobody is sent to sign in.
MATRIX = {
    "overview": (200, 200, 200, 200, 404, 302),
    "browse": (200, 403, 200, 200, 404, 302),
    "imports": (200, 403, 403, 200, 404, 302),
    "agreement": (200, 403, 200, 403, 404, 302),
    "agreement-csv": (200, 403, 200, 403, 404, 302),
    "agreement-items": (200, 403, 200, 403, 404, 302),
    "releases": (200, 403, 403, 200, 404, 302),
    "settings": (200, 403, 403, 403, 404, 302),
    "guidelines": (200, 200, 200, 200, 404, 302),
    "taxonomy": (200, 200, 200, 200, 404, 302),
    "members": (200, 403, 403, 403, 404, 302),
    "solution": (200, 403, 200, 200, 404, 302),
    "injection": (200, 403, 200, 200, 404, 302),
    "import": (200, 403, 403, 200, 404, 302),
    "import-issues": (200, 403, 403, 200, 404, 302),
    "release": (200, 403, 403, 200, 404, 302),
    "tokens": (200, 200, 200, 200, 200, 302),
    "account": (200, 200, 200, 200, 200, 302),
}
# POSTs that change something, by those who may not.
GUARDED_POSTS = ("settings", "guidelines", "taxonomy", "members", "imports", "releases")


@pytest.fixture
def addresses(project: Project, alice: User, bob: User, erin: User) -> dict[str, str]:
    solution = make_rated(project, [bob, erin])
    injection = make_verified(project, [bob, erin])
    batch = create_import(
        project=project, by=alice, chunks=[b"no json"], filename="x", format_name="problems"
    )
    release = create_release(project=project, name="v1", by=alice)
    slugs = {
        name: reverse(f"labeling:{name}", args=[project.slug])
        for name in MATRIX
        if name
        not in (
            *("solution", "injection", "import", "import-issues", "release", "tokens", "account"),
        )
    }
    return slugs | {
        "agreement-items": slugs["agreement-items"] + "?kind=existence",
        "solution": reverse("labeling:solution", args=[solution.pk]),
        "injection": reverse("labeling:injection", args=[injection.pk]),
        "import": reverse("labeling:import", args=[batch.pk]),
        "import-issues": reverse("labeling:import-issues", args=[batch.pk]),
        "release": reverse("labeling:release", args=[release.pk]),
        "tokens": reverse("labeling:tokens"),
        "account": reverse("labeling:account"),
    }


@pytest.mark.parametrize("name", MATRIX)
def test_who_may_open(name, addresses, everyone: dict[str, Client]):
    statuses = tuple(everyone[role].get(addresses[name]).status_code for role in ROLES)
    assert statuses == MATRIX[name]


@pytest.mark.parametrize("name", GUARDED_POSTS)
def test_an_annotator_changes_nothing(name, addresses, annotator: Client):
    assert annotator.post(addresses[name], {"action": "publish"}).status_code == 403


@pytest.mark.parametrize("name", GUARDED_POSTS)
def test_an_outsider_learns_nothing(name, addresses, outsider: Client):
    assert outsider.post(addresses[name], {}).status_code == 404


def test_no_page_takes_a_post_without_its_token(addresses, alice: User):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    for name in GUARDED_POSTS:
        assert strict.post(addresses[name], {}).status_code == 403


def test_reading_pages_refuse_posts(addresses, lead: Client):
    for name in ("overview", "browse", "agreement", "solution", "injection", "import", "release"):
        assert lead.post(addresses[name]).status_code == 405


def test_the_bar_has_only_what_one_may_open(addresses, everyone: dict[str, Client]):
    def links(role: str) -> list[str]:
        nav = everyone[role].get(addresses["overview"]).context["nav"]
        return [str(item["label"]) for item in nav]

    assert links("lead") == [
        *("Work", "My work", "Overview", "Solutions", "Imports", "Jobs", "Agreement", "Disputes"),
        *("Originals", "Comments", "Releases", "Settings"),
    ]
    assert links("annotator") == ["Work", "My work", "Overview"]
    assert links("adjudicator") == [
        *("Overview", "Solutions", "Agreement", "Disputes", "Originals", "Comments"),
    ]
    assert links("engineer") == ["Overview", "Solutions", "Imports", "Jobs", "Releases"]


def test_the_bar_counts_open_disputes(addresses, lead: Client, project: Project):
    nav = lead.get(addresses["overview"]).context["nav"]
    assert {item["label"]: item["count"] for item in nav}["Disputes"] == 1
    project.disputes.update(state="closed")
    nav = lead.get(addresses["overview"]).context["nav"]
    assert {item["label"]: item["count"] for item in nav}["Disputes"] is None


def test_a_superuser_opens_everything(addresses, dave: User):
    dave.is_superuser = True
    dave.save()
    client = Client()
    client.force_login(dave)
    for name, address in addresses.items():
        assert client.get(address).status_code == 200, name
