"""The language of an account, on every device that its owner signs in from."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

YEAR_SECONDS = 365 * 24 * 3600


class FollowAccount:
    """Middleware after the authentication: a browser without a choice takes the account's.

    LocaleMiddleware has gone by what the browser prefers, because it runs before anybody knows who
    asks. A choice that was made in this browser stands in its cookie, and goes first.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = find_account_language(request)
        if not language:
            return self.get_response(request)
        # LocaleMiddleware, which this runs inside of, takes it back when the answer is made.
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language() or language
        response = self.get_response(request)
        if settings.LANGUAGE_COOKIE_NAME not in response.cookies:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                language,
                max_age=YEAR_SECONDS,
                samesite="Lax",
                secure=request.is_secure(),
            )
        return response


def find_account_language(request: HttpRequest) -> str:
    """The account's language where this browser has chosen none; "" where there is nothing to do.

    Who is not in a session is not asked for, which would cost a query.
    """
    if settings.LANGUAGE_COOKIE_NAME in request.COOKIES:
        return ""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return ""
    language: str = getattr(request.user, "language", "")
    return language if language in dict(settings.LANGUAGES) else ""
