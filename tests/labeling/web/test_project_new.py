from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Project, User
from tests.labeling.factories import make_user
from tests.labeling.web.helpers import sign_in, words_of

FORM = {
    "name": "Geometry",
    "slug": "geometry",
    "description": "Triangles",
    "taxonomy": "basic",
    "rating_view": "binary",
    "mode": "first_error",
    "overlap": "3",
    "strategy": "majority",
}
URL = reverse("labeling:project-new")


@pytest.fixture
def root(db: None) -> User:
    return make_user("root", is_superuser=True)


def test_it_works(root: User):
    client = sign_in(root)
    response = client.post(URL, FORM)
    project = Project.objects.get(slug="geometry")
    assert response.headers["Location"] == reverse("labeling:overview", args=["geometry"])
    assert (project.rating_view, project.mode, project.overlap) == ("binary", "first_error", 3)
    assert project.taxonomy.slug == "basic"
    assert project.memberships.get().user == root
    assert "The project is made" in words_of(client.get(response.headers["Location"]))


def test_the_form_is_shown(root: User):
    assert "PRMBench" in words_of(sign_in(root).get(URL))


def test_a_lead_may_make_another(lead: Client):
    assert lead.get(URL).status_code == 200


@pytest.mark.parametrize("role", ["annotator", "engineer", "adjudicator", "outsider"])
def test_others_may_not(role, everyone: dict[str, Client]):
    assert everyone[role].post(URL, FORM).status_code == 403
    assert not Project.objects.filter(slug="geometry").exists()


def test_an_address_that_is_taken(root: User, project: Project):
    response = sign_in(root).post(URL, FORM | {"slug": project.slug})
    assert response.status_code == 400
    assert response.context["form"].errors["slug"] == ["Project with this Slug already exists."]
    assert Project.objects.count() == 1


def test_what_is_wrong_stands_at_its_field(root: User):
    response = sign_in(root).post(URL, FORM | {"overlap": "99", "slug": "no spaces"})
    assert response.status_code == 400
    assert set(response.context["form"].errors) == {"overlap", "slug"}
    assert not Project.objects.exists()
