"""Oneself, members, invitations and tokens."""

from __future__ import annotations

import pytest

from labeling.models import ApiToken, Invitation, Membership
from labeling.services.members import accept_invitation, hash_secret
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import join, make_project, make_user


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/"


def test_me(project, bob):
    answer = sign_in(bob).get(f"{API}/me/").json()
    assert answer["name"] == "bob"
    [mine] = answer["projects"]
    assert mine["slug"] == project.slug
    assert mine["role"] == "annotator"
    assert mine["capabilities"] == ["annotate", "view"]
    assert mine["pseudonym"] == bob.memberships.get().pseudonym


def test_me_as_an_outsider(project, dave):
    assert sign_in(dave).get(f"{API}/me/").json()["projects"] == []


def test_leads_see_the_members(url, alice):
    rows = sign_in(alice).get(f"{url}members/").json()["results"]
    assert {row["username"]: row["role"] for row in rows} == {
        "alice": "lead",
        "bob": "annotator",
        "erin": "annotator",
        "carol": "adjudicator",
        "frank": "engineer",
    }


def test_a_role_is_changed(url, project, alice, bob):
    member = Membership.objects.get(project=project, user=bob)
    answer = sign_in(alice).patch(f"{url}members/{member.pk}/", {"role": "adjudicator"})
    assert answer.json()["role"] == "adjudicator"
    member.refresh_from_db()
    assert member.role == "adjudicator"


def test_a_role_that_is_none(url, project, alice, bob):
    member = Membership.objects.get(project=project, user=bob)
    answer = sign_in(alice).patch(f"{url}members/{member.pk}/", {"role": "king"})
    read_error(answer, 400, "invalid_input")


def test_the_last_lead_stays(url, project, alice):
    member = Membership.objects.get(project=project, user=alice)
    client = sign_in(alice)
    answer = client.patch(f"{url}members/{member.pk}/", {"role": "annotator"})
    read_error(answer, 409, "conflict")
    read_error(client.delete(f"{url}members/{member.pk}/"), 409, "conflict")


def test_a_member_is_removed_and_gone(url, project, alice, bob):
    member = Membership.objects.get(project=project, user=bob)
    client = sign_in(alice)
    answer = client.delete(f"{url}members/{member.pk}/")
    assert answer.status_code == 204
    assert answer.content == b""
    read_error(client.delete(f"{url}members/{member.pk}/"), 404, "not_found")
    read_error(sign_in(bob).get(url), 404, "not_found")


def test_members_of_another_project_are_not_reached_through_ones_own(url, alice, dave):
    other = make_project(dave, slug="geometry")
    foreign = join(other, make_user("gina"), "annotator")
    client = sign_in(alice)
    answer = client.patch(f"{url}members/{foreign.pk}/", {"role": "lead"})
    read_error(answer, 404, "not_found")
    read_error(client.delete(f"{url}members/{foreign.pk}/"), 404, "not_found")


def test_an_invitation_shows_its_secret_once(url, alice, dave):
    client = sign_in(alice)
    made = client.post(f"{url}invitations/", {"role": "annotator", "note": "for Dave"})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret in made.json()["url"]
    assert Invitation.objects.get().secret_hash == hash_secret(secret)
    listed = client.get(f"{url}invitations/")
    assert secret not in listed.content.decode()
    [row] = listed.json()["results"]
    assert (row["state"], row["note"]) == ("open", "for Dave")
    accept_invitation(secret=secret, user=dave)
    [row] = client.get(f"{url}invitations/").json()["results"]
    assert (row["state"], row["used_by"]) == ("used", "dave")


def test_an_invitation_is_taken_back(url, alice):
    client = sign_in(alice)
    made = client.post(f"{url}invitations/", {"role": "annotator"}).json()
    assert client.delete(f"{url}invitations/{made['id']}/").status_code == 204
    read_error(client.delete(f"{url}invitations/{made['id']}/"), 409, "conflict")
    assert client.get(f"{url}invitations/").json()["results"][0]["state"] == "revoked"


def test_an_invitation_of_another_project_is_not_there(url, alice, dave):
    other = make_project(dave, slug="geometry")
    foreign = sign_in(dave).post(f"{API}/projects/{other.slug}/invitations/", {"role": "annotator"})
    answer = sign_in(alice).delete(f"{url}invitations/{foreign.json()['id']}/")
    read_error(answer, 404, "not_found")


def test_a_token_shows_its_secret_once(bob):
    client = sign_in(bob)
    made = client.post(f"{API}/tokens/", {"name": "laptop", "scopes": ["read"], "days": 30})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("prm_")
    listed = client.get(f"{API}/tokens/")
    assert secret not in listed.content.decode()
    [row] = listed.json()["results"]
    assert row["prefix"] == secret[:12]
    assert row["scopes"] == ["read"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["fly"]}, "scopes[0]"),
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
    ],
)
def test_tokens_that_are_not_made(bob, change, field):
    body = {"name": "x", "scopes": ["read"], "days": 1, **change}
    error = read_error(sign_in(bob).post(f"{API}/tokens/", body), 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_owner_alone(bob, dave):
    made = sign_in(bob).post(f"{API}/tokens/", {"name": "x", "scopes": ["read"], "days": 1}).json()
    read_error(sign_in(dave).delete(f"{API}/tokens/{made['id']}/"), 404, "not_found")
    assert sign_in(bob).delete(f"{API}/tokens/{made['id']}/").status_code == 204
    assert sign_in(bob).get(f"{API}/tokens/").json()["results"][0]["revoked_at"]
