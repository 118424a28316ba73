"""How one likes to work: keys of one's own, single keys, how two solutions stand."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.serializers.preferences import (
    KeysSerializer,
    NewKeysSerializer,
    PreferencesChangeSerializer,
    PreferencesSerializer,
)
from labeling.preferences import ACTIONS, Preferences, read_preferences
from labeling.services.preferences import replace_keys, set_preferences
from labeling.templatetags.script_words import script_words
from workbench.api.permissions import ANY_SCOPE, Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class KeysView(ApiView):
    """One's own keys."""

    tag = "people"
    scopes = {"GET": ANY_SCOPE, "PUT": (Scope.ANNOTATE,)}

    @extend_schema(responses=KeysSerializer)
    def get(self, request: Request) -> Response:
        """Your keys on the pages of work, and everything that a key does there."""
        self.read_query(Nothing)
        return Response(_show_keys(read_preferences(self.user)))

    @extend_schema(request=NewKeysSerializer, responses=KeysSerializer)
    def put(self, request: Request) -> Response:
        """Replace your keys. Two actions of one page never share a key: that is refused by name."""
        data = self.read(NewKeysSerializer)
        return Response(_show_keys(replace_keys(user=self.user, keys=data["keys"])))


def _show_keys(read: Preferences) -> dict[str, Any]:
    words = script_words()
    shown: dict[str, Any] = KeysSerializer(
        {
            "keys": read.keys,
            "actions": [
                {
                    "id": action.id,
                    "name": words[action.word],
                    "group": action.group,
                    "pages": action.pages,
                    "first": action.default,
                    "keys": read.keys.get(action.id, action.default),
                    "fixed": action.fixed,
                }
                for action in ACTIONS
            ],
        }
    ).data
    return shown


class PreferencesView(ApiView):
    """How one likes to work, but for the keys."""

    tag = "people"
    scopes = {"GET": ANY_SCOPE, "PATCH": (Scope.ANNOTATE,)}

    @extend_schema(responses=PreferencesSerializer)
    def get(self, request: Request) -> Response:
        """Whether single keys act for you, and how two solutions stand beside each other."""
        self.read_query(Nothing)
        return Response(PreferencesSerializer(read_preferences(self.user)).data)

    @extend_schema(request=PreferencesChangeSerializer, responses=PreferencesSerializer)
    def patch(self, request: Request) -> Response:
        """Change what is given; the rest stays as it is."""
        data = self.read(PreferencesChangeSerializer)
        return Response(PreferencesSerializer(set_preferences(user=self.user, **data)).data)
