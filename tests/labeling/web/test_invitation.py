from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Invitation, Membership, Project, User
from labeling.services.members import invite
from tests.labeling.web.helpers import check_html, sign_in, words_of

PASSWORD = "correct horse 9"


@pytest.fixture
def secret(project: Project, alice: User) -> str:
    return invite(project=project, role="annotator", by=alice).secret


def url(secret: str) -> str:
    return reverse("labeling:invitation", args=[secret])


def form(**changes: str) -> dict[str, str]:
    return {"username": "nina", "password": PASSWORD, "again": PASSWORD, **changes}


def test_it_works(secret: str, project: Project):
    stranger = Client()
    text = words_of(stranger.get(url(secret)))
    assert "Welcome to Algebra" in text
    assert "alice invites you" in text
    response = stranger.post(url(secret), form())
    assert response.headers["Location"] == reverse("labeling:work", args=[project.slug])
    nina = User.objects.get(username="nina")
    assert Membership.objects.get(user=nina).role == "annotator"
    # She is signed in, and greeted.
    overview = stranger.get(reverse("labeling:overview", args=[project.slug]))
    assert "Welcome to Algebra." in words_of(overview)


def test_a_link_works_once(secret: str):
    Client().post(url(secret), form())
    response = Client().post(url(secret), form(username="otto"))
    assert response.status_code == 404
    assert "has been used" in check_html(response.content.decode())
    assert not User.objects.filter(username="otto").exists()


def test_as_somebody_who_has_an_account(secret: str, project: Project, dave: User):
    client = sign_in(dave)
    assert "Join as dave" in words_of(client.get(url(secret)))
    client.post(url(secret))
    assert Membership.objects.get(user=dave, project=project).role == "annotator"


def test_a_member_already(secret: str, annotator: Client):
    response = annotator.post(url(secret))
    assert response.status_code == 400
    assert "a member of" in check_html(response.content.decode())
    assert Invitation.objects.get().used_at is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"again": "something else 9"}, "again"),
        ({"password": "brief-9", "again": "brief-9"}, "password"),
        ({"password": "password123456", "again": "password123456"}, "password"),
        ({"username": ""}, "username"),
        ({"username": "with spaces and <b>"}, "username"),
        ({"username": "ALICE"}, "username"),
    ],
)
def test_what_is_wrong_stands_at_its_field(changes, field, secret: str):
    response = Client().post(url(secret), form(**changes))
    assert response.status_code == 400
    assert field in response.context["form"].errors
    # The link is still good, and nobody was made.
    assert Invitation.objects.get().used_at is None
    assert User.objects.count() == 5
    # A password does not come back in the page.
    assert changes.get("password", PASSWORD) not in response.content.decode()


def test_a_link_that_ended(secret: str):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = Client().get(url(secret))
    assert response.status_code == 404
    assert "has ended" in check_html(response.content.decode())


def test_a_link_that_nobody_made(db: None):
    response = Client().get(url("made-up"))
    assert response.status_code == 404
    assert "is not known" in check_html(response.content.decode())


def test_other_roles_begin_at_the_overview(project: Project, alice: User):
    secret = invite(project=project, role="engineer", by=alice).secret
    response = Client().post(url(secret), form())
    assert response.headers["Location"] == reverse("labeling:overview", args=[project.slug])
