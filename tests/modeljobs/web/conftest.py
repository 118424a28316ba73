"""The world of jobs with its people, each in a browser of their own."""

from __future__ import annotations

import pytest
from django.test import Client

from labeling import panels
from labeling.models import Membership, User
from modeljobs.panels import step_evidence_panel
from tests.labeling.factories import join, make_user
from tests.labeling.web.helpers import sign_in
from tests.modeljobs.worlds import World

ROLES = ("lead", "annotator", "adjudicator", "engineer", "outsider", "nobody")


@pytest.fixture
def everyone(world: World) -> dict[str, Client]:
    """A browser for each role, an outsider, and one in which nobody is signed in."""
    people: dict[str, User] = {"lead": world.alice}
    for name, role in (
        ("bob", Membership.Role.ANNOTATOR),
        ("carol", Membership.Role.ADJUDICATOR),
        ("frank", Membership.Role.ENGINEER),
    ):
        user = make_user(name)
        join(world.project, user, role)
        people[str(role)] = user
    people["outsider"] = make_user("dave")
    return {role: sign_in(user) for role, user in people.items()} | {"nobody": Client()}


@pytest.fixture
def lead(everyone: dict[str, Client]) -> Client:
    return everyone["lead"]


@pytest.fixture
def engineer(everyone: dict[str, Client]) -> Client:
    return everyone["engineer"]


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling knows the panel of step evidence, and no other."""
    monkeypatch.setattr(panels, "_panels", {step_evidence_panel.name: step_evidence_panel})
