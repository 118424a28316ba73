"""The language of an account reaches browsers in which nothing was chosen."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import translation

from workbench.languages import FollowAccount


@pytest.fixture(autouse=True)
def language():
    with translation.override("en"):
        yield


def ask(account: str, **cookies: str) -> tuple[str, HttpResponse]:
    """The language that a view finds, and the answer, for an account with that language."""
    found = []

    def answer(request):
        found.append(translation.get_language())
        return HttpResponse()

    request = RequestFactory().get("/")
    request.COOKIES.update(cookies)
    request.user = SimpleNamespace(language=account)  # type: ignore[assignment]
    response = FollowAccount(answer)(request)
    return found[0], response


def test_a_new_browser_takes_the_accounts_language_and_keeps_it():
    shown, response = ask("zh-hans", sessionid="x")
    assert shown == "zh-hans"
    assert response.cookies[settings.LANGUAGE_COOKIE_NAME].value == "zh-hans"


def test_what_was_chosen_in_the_browser_goes_first():
    shown, response = ask("zh-hans", sessionid="x", django_language="en")
    assert shown == "en"
    assert not response.cookies


@pytest.mark.parametrize("account", ["", "tlh"])
def test_an_account_without_a_language_that_there_is_changes_nothing(account):
    shown, response = ask(account, sessionid="x")
    assert shown == "en"
    assert not response.cookies


def test_nobody_is_looked_up_without_a_session():
    shown, response = ask("zh-hans")
    assert shown == "en"
    assert not response.cookies
