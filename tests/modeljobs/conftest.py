"""A world for tests of jobs, and a data folder of their own for the texts of calls."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from modeljobs.services import jobs
from tests.modeljobs.worlds import Clock, World, make_world


@pytest.fixture
def texts_folder(settings: Settings, tmp_path: Path) -> Path:
    """Where texts go in this test alone."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files" / "texts"


@pytest.fixture
def world(db: None, texts_folder: Path) -> World:
    return make_world()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Messages are noted as (job, how many) instead of sent."""
    messages: list[tuple[int, int]] = []
    monkeypatch.setattr(jobs, "_send", lambda job_id, count: messages.append((job_id, count)))
    return messages
