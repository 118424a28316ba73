"""Everybody of the cast in a browser of their own, and a folder for files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from labeling.models import Project, User
from tests.labeling.web.helpers import sign_in


@pytest.fixture(autouse=True)
def files_folder(settings: Settings, tmp_path: Path) -> Path:
    """Where uploads and releases go in this test alone."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def lead(alice: User, project: Project) -> Client:
    return sign_in(alice)


@pytest.fixture
def annotator(bob: User, project: Project) -> Client:
    return sign_in(bob)


@pytest.fixture
def adjudicator(carol: User, project: Project) -> Client:
    return sign_in(carol)


@pytest.fixture
def engineer(frank: User, project: Project) -> Client:
    return sign_in(frank)


@pytest.fixture
def outsider(dave: User, project: Project) -> Client:
    return sign_in(dave)


@pytest.fixture
def everyone(
    lead: Client, annotator: Client, adjudicator: Client, engineer: Client, outsider: Client
) -> dict[str, Client]:
    """A browser for each role, an outsider, and one in which nobody is signed in."""
    return {
        "lead": lead,
        "annotator": annotator,
        "adjudicator": adjudicator,
        "engineer": engineer,
        "outsider": outsider,
        "nobody": Client(),
    }


@pytest.fixture
def run_on_commit(
    django_capture_on_commit_callbacks: Callable[..., object],
) -> Callable[..., object]:
    """What is sent to workers runs at once, as it would with a worker."""
    return lambda: django_capture_on_commit_callbacks(execute=True)
