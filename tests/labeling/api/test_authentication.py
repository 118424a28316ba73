"""Sessions with CSRF, and tokens: hashed, expiring, scoped."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.middleware.csrf import get_token
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import ApiToken
from labeling.services.members import revoke_token
from tests.labeling.api.helpers import (
    API,
    make_secret,
    read_error,
    sign_in,
    with_secret,
    with_token,
)

NEW_TOKEN = {"name": "x", "scopes": ["read"], "days": 1}


def test_it_works(bob):
    answer = with_token(bob, "read").get(f"{API}/me/")
    assert answer.status_code == 200
    assert answer.json()["username"] == "bob"
    assert answer.json()["token"]["scopes"] == ["read"]


def test_a_session_has_no_token(bob):
    assert sign_in(bob).get(f"{API}/me/").json()["token"] is None


@pytest.mark.parametrize(
    "header",
    ["Bearer prm_unknown", "Bearer", "Bearer a b", "bearer \xff", "Bearer " + "x" * 10_000],
)
def test_a_token_that_opens_nothing(bob, header):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    read_error(client.get(f"{API}/me/"), 401, "invalid_token")


def test_a_bad_token_does_not_fall_back_on_the_session(bob):
    client = sign_in(bob)
    client.credentials(HTTP_AUTHORIZATION="Bearer prm_unknown")
    read_error(client.get(f"{API}/me/"), 401, "invalid_token")


def test_another_scheme_is_nobody(bob):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic Ym9iOmJvYg==")
    read_error(client.get(f"{API}/me/"), 401, "not_authenticated")


def test_a_token_is_not_taken_from_the_address(bob):
    secret = make_secret(bob, "read")
    assert with_secret(secret).get(f"{API}/me/").status_code == 200
    for name in ("token", "access_token", "api_key"):
        read_error(APIClient().get(f"{API}/me/", {name: secret}), 401, "not_authenticated")


def test_an_ended_token(bob):
    client = with_token(bob, "read")
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    read_error(client.get(f"{API}/me/"), 401, "invalid_token")


def test_a_revoked_token(bob):
    client = with_token(bob, "read")
    revoke_token(token=ApiToken.objects.get(), by=bob)
    read_error(client.get(f"{API}/me/"), 401, "invalid_token")


def test_a_token_needs_no_csrf_token(project, alice):
    client = with_token(alice, "admin", enforce_csrf_checks=True)
    body = {"version": project.version, "name": "Renamed"}
    assert client.patch(f"{API}/projects/{project.slug}/", body).status_code == 200


def test_a_session_needs_one(bob):
    client = sign_in(bob, enforce_csrf_checks=True)
    error = read_error(client.post(f"{API}/tokens/", NEW_TOKEN), 403, "csrf_failed")
    assert "X-CSRFToken" in error["message"]
    assert not ApiToken.objects.exists()


def test_a_session_with_the_pages_csrf_token(bob, rf):
    client = sign_in(bob, enforce_csrf_checks=True)
    # What any of our pages hands out.
    page = rf.get("/")
    token = get_token(page)
    client.cookies["csrftoken"] = page.META["CSRF_COOKIE"]
    answer = client.post(f"{API}/tokens/", NEW_TOKEN, headers={"X-CSRFToken": token})
    assert answer.status_code == 201


def test_reading_needs_no_csrf_token(bob):
    assert sign_in(bob, enforce_csrf_checks=True).get(f"{API}/me/").status_code == 200


def test_a_superusers_session_may_everything_but_their_token_only_its_scopes(project, dave):
    dave.is_superuser = True
    dave.save(update_fields=["is_superuser"])
    url = f"{API}/projects/{project.slug}/members/"
    assert sign_in(dave).get(url).status_code == 200
    read_error(with_token(dave, "read").get(url), 403, "scope_missing")


def test_a_scope_gives_no_more_than_the_role(project, bob):
    answer = with_token(bob, "admin").get(f"{API}/projects/{project.slug}/members/")
    read_error(answer, 403, "not_allowed")
