"""The health page and what every response carries."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection


@pytest.mark.django_db
def test_healthy_without_signing_in(client):
    response = client.get("/health/")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "worker": "unknown"}


@pytest.mark.django_db
def test_unreachable_database_is_503(client, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("password=s3cret")

    monkeypatch.setattr(connection, "cursor", fail)
    response = client.get("/health/")
    assert response.status_code == 503
    assert response.json() == {"database": "unreachable", "worker": "unknown"}


@pytest.mark.django_db
def test_health_cannot_be_posted(client):
    assert client.post("/health/").status_code == 405


@pytest.mark.django_db
def test_nothing_inline_and_nothing_from_elsewhere(client):
    response = client.get("/health/")
    policy = dict(
        part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_other_pages_ask_to_sign_in(client):
    response = client.get("/admin/")
    assert response.status_code == 302
    assert "/login/" in response["Location"]
