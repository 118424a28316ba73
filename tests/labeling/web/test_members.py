from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Invitation, Membership, Project, User
from labeling.services.members import find_invitation, invite
from tests.labeling.factories import make_project
from tests.labeling.web.helpers import make_rated, words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:members", args=[project.slug])


def member(project: Project, user: User) -> Membership:
    return Membership.objects.get(project=project, user=user)


def test_it_works(lead: Client, url: str, project: Project, bob: User, erin: User):
    make_rated(project, [bob, erin])
    response = lead.get(url)
    text = words_of(response)
    assert member(project, bob).pseudonym in text
    counts = {row.user.username: row.submitted for row in response.context["page"]}
    assert counts == {"alice": 0, "bob": 1, "erin": 1, "carol": 0, "frank": 0}


def test_work_elsewhere_is_not_counted_here(
    lead: Client, url: str, project: Project, bob: User, erin: User, dave: User
):
    other = make_project(dave, "other")
    for person in (bob, erin):
        Membership.objects.create(
            project=other, user=person, role="annotator", pseudonym=person.username
        )
    make_rated(other, [bob, erin])
    counts = {row.user.username: row.submitted for row in lead.get(url).context["page"]}
    assert counts["bob"] == 0


def test_another_role(lead: Client, url: str, project: Project, bob: User):
    row = member(project, bob)
    response = lead.post(url, {"action": "role", "id": row.pk, "role": "engineer"})
    assert response.headers["Location"] == url
    assert member(project, bob).role == "engineer"
    assert "bob has another role now." in words_of(lead.get(url))


def test_a_role_that_is_none(lead: Client, url: str, project: Project, bob: User):
    lead.post(url, {"action": "role", "id": member(project, bob).pk, "role": "king"})
    assert member(project, bob).role == "annotator"
    assert "Choose a role from the list." in words_of(lead.get(url))


def test_the_last_lead_stays(lead: Client, url: str, project: Project, alice: User):
    row = member(project, alice)
    lead.post(url, {"action": "role", "id": row.pk, "role": "annotator"})
    assert member(project, alice).role == "lead"
    assert "keeps at least one lead" in words_of(lead.get(url))
    lead.post(url, {"action": "remove", "id": row.pk})
    assert member(project, alice).is_active


def test_removing(lead: Client, url: str, project: Project, bob: User, annotator: Client):
    lead.post(url, {"action": "remove", "id": member(project, bob).pk})
    assert not member(project, bob).is_active
    assert annotator.get(reverse("labeling:overview", args=[project.slug])).status_code == 404
    text = words_of(lead.get(url))
    assert "bob is no longer a member" in text
    assert "1 former" in text


def test_removing_asks_first_and_names_the_person(lead: Client, url: str, project: Project):
    html = lead.get(url).content.decode()
    for row in Membership.objects.filter(project=project):
        assert f'data-confirm="remove-{row.pk}"' in html
        assert f'<dialog class="dialog" id="remove-{row.pk}"' in html
    assert "Remove bob from the project?" in html


@pytest.mark.parametrize("action", ["role", "remove", "revoke"])
def test_rows_of_another_project_are_out_of_reach(
    action, lead: Client, url: str, project: Project, dave: User
):
    other = make_project(dave, "other")
    row = member(other, dave)
    response = lead.post(url, {"action": action, "id": row.pk, "role": "annotator"})
    assert response.status_code == 404
    row.refresh_from_db()
    assert (row.role, row.is_active) == ("lead", True)


@pytest.mark.parametrize("value", ["", "x", "²", "9" * 30])
def test_an_id_that_is_none(value, lead: Client, url: str):
    assert lead.post(url, {"action": "remove", "id": value}).status_code == 404


def test_adding_somebody_with_an_account(lead: Client, url: str, project: Project, dave: User):
    response = lead.post(url, {"action": "add", "username": "DAVE", "role": "adjudicator"})
    assert response.headers["Location"] == url
    assert member(project, dave).role == "adjudicator"


def test_adding_nobody(lead: Client, url: str):
    response = lead.post(url, {"action": "add", "username": "<nobody>", "role": "annotator"})
    assert response.status_code == 400
    assert "Nobody here is called &lt;nobody&gt;." in response.content.decode()


def test_an_invitation_is_shown_once(lead: Client, url: str, project: Project):
    response = lead.post(url, {"action": "invite", "role": "engineer", "note": "Nina"})
    link = response.context["link"]
    assert link in words_link(response)
    assert "no-store" in response["Cache-Control"]
    secret = link.rstrip("/").rpartition("/")[2]
    invitation = find_invitation(secret)
    assert (invitation.role, invitation.note) == ("engineer", "Nina")
    # Neither the page nor the session knows it afterwards.
    assert secret not in lead.get(url).content.decode()
    assert secret not in str(dict(lead.session))


def words_link(response: Any) -> str:
    assert response.status_code == 200
    html: str = response.content.decode()
    return html


def test_revoking(lead: Client, url: str, project: Project, alice: User):
    issued = invite(project=project, role="annotator", by=alice)
    lead.post(url, {"action": "revoke", "id": issued.row.pk})
    assert Invitation.objects.get().revoked_at is not None
    text = words_of(lead.get(url))
    assert "No link is waiting to be used." in text
    lead.post(url, {"action": "revoke", "id": issued.row.pk})
    assert "has ended already" in words_of(lead.get(url))


def test_an_action_that_is_none(lead: Client, url: str):
    assert lead.post(url, {"action": "crown"}).headers["Location"] == url
    assert "out of date" in words_of(lead.get(url))
