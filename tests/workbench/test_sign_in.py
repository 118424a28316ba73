"""Signing in, guessing, and forms that are too old."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

PASSWORD = "four-random-words-here"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(settings):
    settings.AXES_ENABLED = True
    return get_user_model().objects.create_user(username="ann", password=PASSWORD)


def sign_in(client, password, **headers):
    return client.post(reverse("login"), {"username": "ann", "password": password}, **headers)


def test_the_right_password_signs_in(client, ann):
    response = sign_in(client, PASSWORD)
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(ann.pk)


def test_guessing_is_slowed_for_that_name_and_address(client, ann, settings):
    settings.AXES_FAILURE_LIMIT = 3
    statuses = [sign_in(client, "wrong").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    # Not even the right password helps now.
    assert sign_in(client, PASSWORD).status_code == 429
    assert "_auth_user_id" not in client.session
    # Ann herself, from elsewhere, is not locked out.
    assert sign_in(client, PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_signing_out_shows_a_page(client, ann):
    client.force_login(ann, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post(reverse("logout"))
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_form_that_is_too_old_is_refused_with_a_page(ann):
    client = Client(enforce_csrf_checks=True)
    response = sign_in(client, PASSWORD)
    assert response.status_code == 403
    assert "csrf_failure.html" in [template.name for template in response.templates]


def test_a_one_time_link_sets_a_password_once(client, ann):
    path = reverse(
        "password_reset_confirm",
        args=[urlsafe_base64_encode(force_bytes(ann.pk)), default_token_generator.make_token(ann)],
    )
    form = client.get(path, follow=True)
    fresh = "another-four-random-words"
    client.post(form.request["PATH_INFO"], {"new_password1": fresh, "new_password2": fresh})
    ann.refresh_from_db()
    assert ann.check_password(fresh)
    again = Client().get(path, follow=True)
    assert again.context["validlink"] is False


@pytest.mark.parametrize("password", ["short", "password1234", "1234567890123"])
def test_weak_passwords_are_refused(client, ann, password):
    path = reverse(
        "password_reset_confirm",
        args=[urlsafe_base64_encode(force_bytes(ann.pk)), default_token_generator.make_token(ann)],
    )
    form = client.get(path, follow=True)
    response = client.post(
        form.request["PATH_INFO"], {"new_password1": password, "new_password2": password}
    )
    assert response.context["form"].errors
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)
