from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Guideline, Project, User
from labeling.selectors.guidance import find_edition
from labeling.services.guidance import note_reading
from labeling.services.projects import publish_guidelines
from tests.labeling.web.helpers import words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:guidelines", args=[project.slug])


CHINESE = {"Accept-Language": "zh-hans"}


def publish(project: Project, by: User, text: str, **translations: str) -> None:
    project.refresh_from_db()
    publish_guidelines(
        project=project,
        by=by,
        text=text,
        translations={code.replace("_", "-"): words for code, words in translations.items()},
        seen_version=project.guideline_version,
    )


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
    response = lead.get(url)
    assert response.context["changes"].blocks == ()
    assert "too long for their differences" in words_of(response)


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


def test_all_languages_are_published_as_one_version(lead: Client, url: str, project: Project):
    lead.post(url, {"text": "Be exact.", "text_zh_hans": "要严谨。", "seen_version": "1"})
    made = Guideline.objects.get(project=project, version=2)
    assert (made.text, made.translations) == ("Be exact.", {"zh-hans": "要严谨。"})
    project.refresh_from_db()
    assert project.guideline_translations == {"zh-hans": "要严谨。"}


def test_readers_see_their_language(annotator: Client, url: str, project: Project, alice: User):
    publish(project, alice, "Be exact.", zh_hans="要严谨。")
    assert "Be exact." in words_of(annotator.get(url))
    html = annotator.get(url, headers=CHINESE).content.decode()
    assert "要严谨。" in html
    assert "Be exact." not in html
    # The other language is one link away.
    assert "Be exact." in words_of(annotator.get(url, {"language": "en"}, headers=CHINESE))


def test_what_is_not_translated_says_so(annotator: Client, url: str, project: Project, alice: User):
    publish(project, alice, "Be exact.")
    response = annotator.get(url, headers=CHINESE)
    assert "Be exact." in words_of(response)
    assert response.context["text"].is_fallback
    assert 'lang="en"' in response.content.decode()


def test_what_is_written_in_another_language_alone(
    annotator: Client, url: str, project: Project, alice: User
):
    publish(project, alice, "", zh_hans="要严谨。")
    text = words_of(annotator.get(url))
    assert "要严谨。" in text
    assert "Not translated yet: shown in 简体中文." in text


def test_a_translation_alone_is_a_new_version(
    lead: Client, url: str, project: Project, alice: User
):
    publish(project, alice, "Be exact.")
    lead.post(url, {"text": "Be exact.", "text_zh_hans": "要严谨。", "seen_version": "2"})
    project.refresh_from_db()
    assert project.guideline_version == 3
    assert "In this language the words are the same." in words_of(lead.get(url))
    chinese = lead.get(url, {"language": "zh-hans"})
    assert chinese.context["changes"].is_new_language


def test_differences_are_those_of_the_language(
    lead: Client, url: str, project: Project, alice: User
):
    publish(project, alice, "Be exact.", zh_hans="要严谨。")
    publish(project, alice, "Be exact.", zh_hans="要严谨，也要快。")
    changes = lead.get(url, headers=CHINESE).context["changes"]
    assert len(changes.blocks) == 1
    assert lead.get(url).context["changes"].blocks == ()


def test_leads_see_how_many_have_read_it(lead: Client, url: str, project: Project, bob: User):
    publish(project, bob, "Be exact.")
    note_reading(project=project, person=bob, seen=find_edition(project))
    assert "1 of 2 annotators have marked this version as read" in words_of(lead.get(url))


def test_leads_see_which_language_is_missing(lead: Client, url: str, project: Project, alice: User):
    publish(project, alice, "Be exact.")
    assert "Not written in 简体中文 yet" in words_of(lead.get(url))
