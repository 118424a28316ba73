"""The cast: alice leads, bob and erin annotate, carol adjudicates, frank is the engineer, dave is
an outsider."""

from __future__ import annotations

import pytest

from labeling.models import Membership, Project, User
from tests.labeling.factories import join, make_project, make_user


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def erin(db: None) -> User:
    return make_user("erin")


@pytest.fixture
def carol(db: None) -> User:
    return make_user("carol")


@pytest.fixture
def frank(db: None) -> User:
    return make_user("frank")


@pytest.fixture
def dave(db: None) -> User:
    return make_user("dave")


@pytest.fixture
def project(alice: User, bob: User, erin: User, carol: User, frank: User) -> Project:
    """A project with overlap 2 and the whole cast but dave."""
    project = make_project(alice)
    join(project, bob, Membership.Role.ANNOTATOR)
    join(project, erin, Membership.Role.ANNOTATOR)
    join(project, carol, Membership.Role.ADJUDICATOR)
    join(project, frank, Membership.Role.ENGINEER)
    return project
