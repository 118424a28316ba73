"""What a test needs is skipped with a reason, or fails where it was required."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

import tests.conftest as needs


def test_unmet_need_skips_with_the_reason(monkeypatch):
    monkeypatch.delenv("WORKBENCH_REQUIRE", raising=False)
    monkeypatch.setattr(needs, "find_chromium", lambda: None)
    with pytest.raises(pytest.skip.Exception, match="Chromium is not installed"):
        needs.demand("browser")


def test_unmet_need_that_is_required_fails(monkeypatch):
    monkeypatch.setenv("WORKBENCH_REQUIRE", "services, browser")
    monkeypatch.setattr(needs, "find_chromium", lambda: None)
    with pytest.raises(pytest.fail.Exception, match="asks for browser"):
        needs.demand("browser")


def test_met_need_goes_on(monkeypatch):
    monkeypatch.setenv("WORKBENCH_REQUIRE", "browser")
    monkeypatch.setattr(needs, "find_chromium", lambda: "/usr/bin/chromium")
    needs.demand("browser")


def test_unknown_requirement_is_an_error(monkeypatch):
    monkeypatch.setenv("WORKBENCH_REQUIRE", "browsers")
    with pytest.raises(pytest.UsageError, match="browsers"):
        needs.read_required()


def test_the_orm_works_on_each_database_and_in_threads(any_database):
    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[any_database]
    get_user_model().objects.create_user(username="ann")
    seen = []

    def look():
        seen.append((connection.vendor, get_user_model().objects.count()))
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(connection.vendor, 1)]


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_with_empty_tables(any_database, turn):
    assert get_user_model().objects.count() == 0
    get_user_model().objects.create_user(username=f"ann{turn}")


@pytest.mark.redis
def test_redis_answers(redis_server):
    from redis import Redis

    with Redis.from_url(redis_server.url) as client:
        assert client.ping()


@pytest.mark.browser
def test_browser_opens_a_page_of_the_live_server(open_page, live_server):
    page = open_page(base_url=live_server.url)
    response = page.goto("/health/")
    assert response.status == 200
    assert '"database": "ok"' in page.text_content("body")
