"""Who asks: a person with a session, or a script with one of their tokens."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from labeling.models import ApiToken, User
from labeling.services.members import find_token


class InvalidToken(AuthenticationFailed):
    """A token was sent, and it opens nothing."""

    default_code = "invalid_token"


class CsrfFailed(PermissionDenied):
    """A session's request came without proof that our own page made it."""

    default_code = "csrf_failed"


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer prm_…`; never from the address, where logs would see the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = authentication.get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise InvalidToken("Send the token as `Authorization: Bearer prm_…`.")
        token = find_token(parts[1].decode("latin-1"))
        if token is None:
            raise InvalidToken("This token is not known, or it has ended. Make a new one.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="PRM Workbench"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of a browser. What changes something needs the CSRF token of our pages."""

    def enforce_csrf(self, request: Request) -> None:
        # Django's own request, not DRF's: asking that one for the form would read the body, and
        # with it an upload that is to be streamed.
        given = request._request
        check = authentication.CSRFCheck(_answer_nothing)
        check.process_request(given)
        reason = check.process_view(given, _answer_nothing, (), {})
        if reason:
            raise CsrfFailed(f"Send the page's CSRF token in the header X-CSRFToken: {reason}")


def _answer_nothing(request: HttpRequest) -> HttpResponse:
    """What a check without a page behind it leads to."""
    return HttpResponse()
