"""What a token may do: the scopes that each endpoint asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from labeling.models import ApiToken
from workbench.errors import NotAllowed

if TYPE_CHECKING:
    # DRF imports this module, by its settings, in the middle of that one.
    from rest_framework.views import APIView

Scope = ApiToken.Scope
# By method: any one of these scopes will do. No scope at all leaves the method to sessions.
Scopes = Mapping[str, Sequence[str]]

ANY_SCOPE: tuple[str, ...] = tuple(Scope.values)
SESSION_ONLY: tuple[str, ...] = ()


class ScopeMissing(NotAllowed):
    """The token is good, but not for this."""

    code = "scope_missing"


class HasScope(BasePermission):
    """Refuses a token without one of the view's scopes. A session has no scopes and needs none.

    The token never gives more than its owner's role does: that is asked after this.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not isinstance(token, ApiToken) or not hasattr(view, method.lower()):
            return True
        scopes: Scopes = getattr(view, "scopes", {})
        needed = scopes.get(method, SESSION_ONLY)
        if set(needed) & set(token.scopes):
            return True
        if not needed:
            raise ScopeMissing(
                "No token may do this; sign in and do it yourself.", needed=[], held=token.scopes
            )
        words = " or ".join(repr(str(scope)) for scope in needed)
        raise ScopeMissing(
            f"This needs a token with the scope {words}.",
            needed=[str(scope) for scope in needed],
            held=token.scopes,
        )
