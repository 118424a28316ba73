"""One shape for every failure under /api/."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate

from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import make_items
from workbench.api.permissions import ANY_SCOPE
from workbench.api.views import ApiView
from workbench.errors import Conflict


def answer_to(error: Exception, user):
    """What the API answers when a view raises this."""

    class Failing(ApiView):
        scopes = {"GET": ANY_SCOPE}

        def get(self, request: Request) -> Response:
            raise error

    request = APIRequestFactory().get("/api/v1/failing/")
    force_authenticate(request, user=user)
    return Failing.as_view()(request).render()


def test_our_own_errors_keep_code_message_and_facts(bob):
    answer = answer_to(Conflict("Somebody was faster.", version=3), bob)
    error = read_error(answer, 409, "conflict")
    assert error == {
        "code": "conflict",
        "message": "Somebody was faster.",
        "detail": {"version": 3},
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "not_allowed"),
        (SuspiciousOperation("odd"), 400, "malformed"),
    ],
)
def test_djangos_errors(bob, error, status, code):
    read_error(answer_to(error, bob), status, code)


def test_throttled_says_how_long_to_wait(bob):
    answer = answer_to(Throttled(wait=7), bob)
    error = read_error(answer, 429, "throttled")
    assert error["detail"] == {"retry_after": 7}
    assert answer["Retry-After"] == "7"


def test_what_nobody_foresaw_is_logged_under_an_id_and_tells_nothing(bob, caplog):
    answer = answer_to(ValueError("a secret detail"), bob)
    error = read_error(answer, 500, "server_error")
    assert error["detail"]["id"] in error["message"]
    assert "secret" not in answer.content.decode()
    [record] = [record for record in caplog.records if record.name.startswith("workbench.api")]
    assert record.error_id == error["detail"]["id"]
    assert record.exc_info


def test_anonymous_requests_are_401_with_a_challenge(db):
    answer = sign_in(None).get(f"{API}/me/")
    read_error(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_an_address_that_is_not_there(bob):
    error = read_error(sign_in(bob).get(f"{API}/nothing/"), 404, "not_found")
    assert "/api/v1/nothing/" in error["message"]


def test_a_missing_slash_is_named_not_redirected(bob):
    for method in ("get", "post", "put", "patch", "delete"):
        error = read_error(getattr(sign_in(bob), method)(f"{API}/me"), 404, "not_found")
        assert "end with a slash" in error["message"]


def test_a_method_that_an_address_does_not_have(bob):
    answer = sign_in(bob).delete(f"{API}/me/")
    error = read_error(answer, 405, "method_not_allowed")
    assert error["detail"]["allowed"] == ["GET", "HEAD"]
    read_error(sign_in(bob).options(f"{API}/me/"), 405, "method_not_allowed")


def test_a_body_of_another_type(bob):
    answer = sign_in(bob).post(f"{API}/tokens/", "<a/>", content_type="application/xml")
    read_error(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b'{"name": "\xff"}', "not UTF-8: byte 10"),
        (b'{"days": NaN}', "NaN is not a JSON number"),
        (b'{"days": 1e999}', "too large"),
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"name": "\\ud83d"}', "surrogate"),
        (b"[" * 150 + b"]" * 150, "deeper than 100"),
        (b"[" * 100_000, "deeper than 100"),
    ],
)
def test_bodies_that_cannot_be_read(bob, body, words):
    answer = sign_in(bob).post(f"{API}/tokens/", body, content_type="application/json")
    error = read_error(answer, 400, "malformed")
    assert words in error["message"]


def test_a_pair_of_surrogates_is_one_character(bob):
    answer = sign_in(bob).post(
        f"{API}/tokens/",
        b'{"name": "\\ud83d\\ude00", "scopes": ["read"], "days": 1}',
        content_type="application/json",
    )
    assert answer.status_code == 201
    assert answer.json()["name"] == "\U0001f600"


def test_a_body_that_is_too_large(bob, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = json.dumps({"name": "x" * 1000})
    answer = sign_in(bob).post(f"{API}/tokens/", body, content_type="application/json")
    error = read_error(answer, 413, "too_large")
    assert "1,000" in error["message"]


def test_a_form_that_is_too_large(bob, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    client = sign_in(bob, enforce_csrf_checks=True)
    # With a cookie and no header, the check looks for the token in the form.
    client.cookies["csrftoken"] = "x" * 32
    answer = client.post(
        f"{API}/tokens/", "a=" + "x" * 2000, content_type="application/x-www-form-urlencoded"
    )
    read_error(answer, 413, "too_large")


def test_validation_names_the_field_and_keeps_all_faults(bob):
    answer = sign_in(bob).post(f"{API}/tokens/", {"name": "x", "scopes": ["read", "fly"]})
    error = read_error(answer, 400, "invalid_input")
    assert error["detail"]["field"] == "scopes[1]"
    assert error["message"].startswith("scopes[1]: ")
    assert "fly" in error["message"]
    assert set(error["detail"]["fields"]) == {"scopes", "days"}


def test_a_misspelt_field_is_refused(bob):
    body = {"name": "x", "scopes": ["read"], "days": 1, "scope": "admin"}
    error = read_error(sign_in(bob).post(f"{API}/tokens/", body), 400, "invalid_input")
    assert error["detail"]["field"] == "scope"
    assert "name, scopes, days" in error["message"]


def test_a_message_never_repeats_all_of_what_was_sent(bob):
    body = {"name": "x", "scopes": ["y" * 50_000], "days": 1}
    answer = sign_in(bob).post(f"{API}/tokens/", body)
    error = read_error(answer, 400, "invalid_input")
    assert len(error["message"]) == 1_000
    assert len(answer.content) < 5_000


def test_answers_are_kept_by_no_cache(project, bob):
    make_items(project, 1)
    for answer in (
        sign_in(bob).get(f"{API}/me/"),
        sign_in(bob).get(f"{API}/nothing/"),
        sign_in(None).get(f"{API}/me/"),
        sign_in(bob).post(f"{API}/projects/{project.slug}/assignments/claim/"),
    ):
        assert answer["Cache-Control"] == "no-store"


def test_json_comes_back_whatever_was_asked_for(bob):
    answer = sign_in(bob).get(f"{API}/me/", HTTP_ACCEPT="text/html")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
