from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Guideline, Project, User
from labeling.services.projects import publish_guidelines
from tests.labeling.web.helpers import words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:guidelines", args=[project.slug])


def publish(project: Project, by: User, text: str) -> None:
    project.refresh_from_db()
    publish_guidelines(project=project, by=by, text=text, seen_version=project.guideline_version)


def test_it_works(lead: Client, url: str, project: Project):
    response = lead.post(url, {"text": "Judge **each** step.\r\n\r\n- one", "seen_version": "1"})
    assert response.headers["Location"] == url
    project.refresh_from_db()
    assert (project.guideline_version, project.guidelines) == (2, "Judge **each** step.\n\n- one")
    response = lead.get(url)
    assert "Version 2 is in force." in words_of(response)
    assert "<strong>each</strong>" in response.content.decode()


def test_reviewers_read_and_do_not_write(annotator: Client, url: str, project: Project):
    text = words_of(annotator.get(url))
    assert "Version 1" in text
    assert "Publish" not in text
    assert "Members" not in text
    assert annotator.post(url, {"text": "Mine", "seen_version": "1"}).status_code == 403
    project.refresh_from_db()
    assert project.guideline_version == 1


def test_earlier_versions_stay_readable(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "The first text.")
    publish(project, alice, "The second text.")
    text = words_of(lead.get(url, {"version": "2"}))
    assert "The first text." in text
    assert "Publish another version" not in text
    assert "To the version in force" in text


def test_what_a_version_changed(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "A false remark is wrong.")
    publish(project, alice, "A false remark is wrong even where nothing uses it.")
    html = lead.get(url).content.decode()
    assert '<ins class="is">' in html
    assert "even where nothing uses it" in html


def test_very_long_texts_are_not_compared(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "word " * 3_000)
    publish(project, alice, "words " * 3_000)
    assert lead.get(url).context["changes"] is None


def test_another_window_was_faster(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "Theirs.")
    response = lead.post(url, {"text": "Mine.", "seen_version": "1"})
    assert response.status_code == 400
    html = response.content.decode()
    assert "changed in another window" in html
    # What was typed is still there.
    assert "Mine." in html
    project.refresh_from_db()
    assert project.guidelines == "Theirs."


def test_the_same_text_is_no_version(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "As it is.")
    lead.post(url, {"text": "As it is.", "seen_version": "2"})
    assert Guideline.objects.filter(project=project).count() == 2
    assert "Nothing differs" in words_of(lead.get(url))


@pytest.mark.parametrize("version", ["9", "x", "-1"])
def test_there_is_no_such_version(version, lead: Client, url: str):
    assert lead.get(url, {"version": version}).status_code == 404
