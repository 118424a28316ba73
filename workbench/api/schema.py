"""The API described as OpenAPI 3.1, by drf-spectacular and what our views say of themselves."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from django.urls import reverse
from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from workbench.api.permissions import ANY_SCOPE, SESSION_ONLY
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView

ERROR_COMPONENT = {
    "type": "object",
    "description": "Why a request was not done.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "detail"],
            "properties": {
                "code": {"type": "string", "description": "Stable; for programs."},
                "message": {"type": "string", "description": "A sentence for people."},
                "detail": {
                    "type": "object",
                    "additionalProperties": {},
                    "description": "What a client needs to mend the request.",
                },
            },
        }
    },
}
ERROR_ANSWER = {
    "description": "Not done; `code` says why.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


class WorkbenchSchema(AutoSchema):
    """Takes heading and scopes from the view, the summary from the method's docstring."""

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", "") or "other"]

    def get_summary(self) -> str | None:
        first, _, _ = self._read_docstring().partition("\n")
        return first.strip() or None

    def get_description(self) -> str:  # type: ignore[override]  # as AutoSchema has it
        _, _, rest = self._read_docstring().partition("\n")
        return " ".join(rest.split())

    def get_extensions(self) -> dict[str, Any]:
        scopes = getattr(self.view, "scopes", {}).get(self.method, SESSION_ONLY)
        return {"x-token-scopes": [str(scope) for scope in scopes]}

    def get_auth(self) -> list[dict[str, list[str]]]:
        schemes = cast(list[dict[str, list[str]]], super().get_auth())
        if self.get_extensions()["x-token-scopes"]:
            return schemes
        return [scheme for scheme in schemes if "token" not in scheme]

    def _read_docstring(self) -> str:
        return str(super().get_description() or "")


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a script signs in."""

    target_class = "workbench.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of yours, made under /api/v1/tokens/ or on the tokens page.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a browser signs in."""

    target_class = "workbench.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "What changes something also needs the header X-CSRFToken.",
        }


def add_error_answers(
    result: dict[str, Any], generator: SchemaGenerator, request: Request | None, public: bool
) -> dict[str, Any]:
    """Every operation may fail, and all fail in one shape."""
    result["components"].setdefault("schemas", {})["Error"] = ERROR_COMPONENT
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = ERROR_ANSWER
    return result


@lru_cache(maxsize=1)
def build_schema() -> dict[str, Any]:
    """The whole API as an OpenAPI document, the same for everybody and in English."""
    with translation.override("en"):
        generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]
        return cast(dict[str, Any], generator.get_schema(request=None, public=True))


def dump_schema() -> str:
    """The document as YAML: what docs/openapi.yaml holds."""
    renderer: Any = OpenApiYamlRenderer()
    dumped: bytes = renderer.render(build_schema(), renderer_context={})
    return dumped.decode()


class RootView(ApiView):
    """Where to begin."""

    tag = "api"
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {"type": "string"}}})
    def get(self, request: Request) -> Response:
        """The addresses to begin with, by name."""
        self.read_query(Nothing)
        names = ("me", "projects", "tokens", "formats", "engines", "methods", "schema", "docs")
        return Response(
            {name: request.build_absolute_uri(reverse(f"api:{name}")) for name in names}
        )


class SchemaView(ApiView):
    """The OpenAPI document of this API."""

    tag = "api"
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {}}})
    def get(self, request: Request) -> Response:
        """This document, as JSON."""
        self.read_query(Nothing)
        return Response(build_schema())
