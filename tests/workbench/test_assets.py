"""Static files are collected again exactly when one changed."""

from __future__ import annotations

import json
import os

import pytest
from django.contrib.staticfiles import finders
from django.test import override_settings

from workbench.assets import collect_if_changed

STORAGE = {"staticfiles": {"BACKEND": "workbench.storage.HashedStaticFilesStorage"}}


@pytest.fixture
def source(tmp_path):
    """A folder of static files, and nothing else to collect."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "page.css").write_text("body { color: black }")
    (folder / "other.js").write_text("export const answer = 42;\n")
    (folder / "page.js").write_text('import { answer } from "./other.js";\nanswer;\n')
    with override_settings(
        STATIC_ROOT=tmp_path / "collected",
        STATICFILES_DIRS=[folder],
        STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"],
        STORAGES=STORAGE,
    ):
        finders.get_finder.cache_clear()  # type: ignore[attr-defined]
        yield folder
    finders.get_finder.cache_clear()  # type: ignore[attr-defined]


def read_names(tmp_path):
    manifest = (tmp_path / "collected" / "staticfiles.json").read_text()
    return json.loads(manifest)["paths"]


def test_collected_once_and_again_after_a_change(source, tmp_path):
    assert collect_if_changed() is True
    assert collect_if_changed() is False
    before = read_names(tmp_path)["page.css"]
    (source / "page.css").write_text("body { color: white }")
    assert collect_if_changed() is True
    assert read_names(tmp_path)["page.css"] != before


def test_a_new_time_alone_is_a_change(source):
    # Cheaper than reading every file at every start, and never wrong the other way round.
    collect_if_changed()
    os.utime(source / "page.css", (1, 1))
    assert collect_if_changed() is True


def test_an_interrupted_collection_is_done_again(source, tmp_path):
    collect_if_changed()
    (tmp_path / "collected" / ".collected").unlink()
    assert collect_if_changed() is True


def test_modules_import_each_other_by_their_hashed_names(source, tmp_path):
    collect_if_changed()
    names = read_names(tmp_path)
    page = (tmp_path / "collected" / names["page.js"]).read_text()
    assert names["other.js"] != "other.js"
    assert names["other.js"] in page
