from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from labeling.models import AnnotationRevision, Project, User
from labeling.services.assignments import claim_next
from tests.labeling.factories import enqueue, make_solution, make_user
from tests.labeling.web.helpers import sign_in, words_of

URL = reverse("labeling:account")
OLD, NEW = "the old password 1", "the new password 2"


@pytest.fixture
def mei(db: None) -> User:
    user = make_user("mei", display_name="Mei")
    user.set_password(OLD)
    user.save()
    return user


def test_it_works(annotator: Client):
    text = words_of(annotator.get(URL))
    assert "You sign in as bob." in text
    assert "Algebra" in text
    assert "Annotator" in text


def test_a_name(mei: User):
    client = sign_in(mei)
    assert client.post(URL, {"action": "name", "display_name": "  Mei   Lin "}).status_code == 302
    mei.refresh_from_db()
    assert mei.name == "Mei Lin"
    assert "Your name is saved." in words_of(client.get(URL))


def test_a_language(mei: User):
    client = sign_in(mei)
    response = client.post(URL, {"action": "language", "language": "zh-hans"})
    assert response.cookies[settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"
    mei.refresh_from_db()
    assert mei.language == "zh-hans"
    assert '<html lang="zh-hans"' in client.get(URL).content.decode()


def test_a_language_that_is_none(mei: User):
    response = sign_in(mei).post(URL, {"action": "language", "language": "tlh"})
    assert response.status_code == 400
    assert settings.LANGUAGE_COOKIE_NAME not in response.cookies


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme(theme, mei: User):
    client = sign_in(mei)
    response = client.post(URL, {"action": "theme", "theme": theme})
    assert response.cookies["theme"].value == theme
    assert f'data-theme="{theme}"' in client.get(URL).content.decode()


def test_the_systems_theme_is_no_theme(mei: User):
    client = sign_in(mei)
    client.post(URL, {"action": "theme", "theme": "dark"})
    client.post(URL, {"action": "theme", "theme": "system"})
    assert "data-theme=" not in client.get(URL).content.decode().replace("data-theme-button", "")


def test_a_theme_that_is_none(mei: User):
    assert sign_in(mei).post(URL, {"action": "theme", "theme": "pink"}).status_code == 400


def password_form(**changes: str) -> dict[str, str]:
    return {
        "action": "password",
        "old_password": OLD,
        "new_password1": NEW,
        "new_password2": NEW,
        **changes,
    }


def test_a_password(mei: User):
    here, elsewhere = sign_in(mei), sign_in(mei)
    assert here.post(URL, password_form()).status_code == 302
    mei.refresh_from_db()
    assert mei.check_password(NEW)
    # This browser stays signed in, the other does not.
    assert here.get(URL).status_code == 200
    assert elsewhere.get(URL).status_code == 302


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"old_password": "wrong"}, "old_password"),
        ({"new_password2": "another one 3"}, "new_password2"),
        ({"new_password1": "short", "new_password2": "short"}, "new_password2"),
    ],
)
def test_a_password_that_is_refused(changes, field, mei: User):
    response = sign_in(mei).post(URL, password_form(**changes))
    assert response.status_code == 400
    assert field in response.context["password_form"].errors
    mei.refresh_from_db()
    assert mei.check_password(OLD)


def test_an_action_that_is_none_shows_the_page(mei: User):
    assert sign_in(mei).post(URL, {"action": "promote", "is_staff": "on"}).status_code == 200
    mei.refresh_from_db()
    assert not mei.is_staff


def test_a_language_chosen_in_the_menu_leads_back_to_the_page(mei: User):
    form = {"action": "language", "language": "zh-hans"}
    client: Any = sign_in(mei)
    here = "http://testserver/comments/?state=all"
    assert client.post(URL, form, headers={"referer": here}).url == "/comments/?state=all"
    elsewhere = "https://evil.example/comments/"
    assert client.post(URL, form, headers={"referer": elsewhere}).url == URL
    assert client.post(URL, form).url == URL


def test_the_menu_has_the_languages(annotator: Client):
    html = annotator.get(URL).content.decode()
    assert 'name="language" value="en" lang="en" aria-current="true"' in html
    assert 'name="language" value="zh-hans" lang="zh-hans"' in html


def test_a_submission_keeps_the_language_that_was_shown(project: Project, bob: User):
    enqueue(make_solution(project))
    client = sign_in(bob)
    client.post(URL, {"action": "language", "language": "zh-hans"})
    held = claim_next(user=bob, project=project)
    assert held is not None
    form = {
        "lease_token": held.lease_token,
        "idempotency_key": uuid.uuid4(),
        "action": "submit",
        **{f"rating-{position}": "1" for position in range(3)},
    }
    client.post(reverse("labeling:assignment", args=[held.pk]), form)
    assert AnnotationRevision.objects.get().language == "zh-hans"
