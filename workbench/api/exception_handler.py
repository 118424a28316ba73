"""Every failure of the API in one shape: {"error": {"code", "message", "detail"}}."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from django.core import signals
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from workbench.errors import WorkbenchError
from workbench.messages import translate_sentence

logger = logging.getLogger(__name__)

# DRF's own codes in our words; what is not here keeps its code.
CODES = {
    "error": "server_error",
    "invalid": "invalid_input",
    "parse_error": "malformed",
    "authentication_failed": "not_authenticated",
    "permission_denied": "not_allowed",
}
MESSAGE_LIMIT = 1_000
MESSAGES = {
    "not_authenticated": "Sign in, or send a token: `Authorization: Bearer prm_…`.",
}


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to a failure, expected or not. What nobody expected is logged with an id."""
    answer = _answer(error, context)
    set_rollback()
    return answer


def build_error(
    code: str, message: str, status: int, detail: Mapping[str, Any] | None = None
) -> Response:
    """The one error shape."""
    sentence = shorten(message)
    body = {"error": {"code": code, "message": sentence, "detail": dict(detail or {})}}
    return Response(body, status=status)


def shorten(text: str) -> str:
    """The text, cut where it quotes more than anybody reads."""
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"


def _answer(error: Exception, context: Mapping[str, Any]) -> Response:
    match error:
        case WorkbenchError():
            return build_error(
                error.code, translate_sentence(error.message), error.status, error.extra
            )
        case exceptions.ValidationError():
            return _answer_invalid(error)
        case exceptions.APIException():
            return _answer_api(error, context)
        case Http404():
            return build_error("not_found", "There is nothing here that you may see.", 404)
        case DjangoPermissionDenied():
            return build_error("not_allowed", "You may not do this.", 403)
        case RequestDataTooBig():
            return build_error("too_large", "The body of this request is too large.", 413)
        case MultiPartParserError() | BadRequest() | SuspiciousOperation() | UnreadablePostError():
            return build_error("malformed", f"The request could not be read: {error}", 400)
        case _:
            return _answer_unexpected(error, context)


def _answer_invalid(error: exceptions.ValidationError) -> Response:
    fields = _plain(error.detail if isinstance(error.detail, Mapping) else {"": error.detail})
    field, sentence = _find_first(fields)
    message = f"{field}: {sentence}" if field else sentence
    return build_error("invalid_input", message, 400, {"field": field, "fields": fields})


def _plain(detail: Any) -> Any:
    """Nested faults as JSON: sentences by field, by place in a list."""
    if isinstance(detail, Mapping):
        return {str(key): _plain(value) for key, value in detail.items()}
    if isinstance(detail, list | tuple):
        return [_plain(value) for value in detail]
    return shorten(str(detail))


def _find_first(detail: Any, path: str = "") -> tuple[str, str]:
    """The first fault of nested details: where it stands ("steps[2].position") and its sentence."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            return _find_first(value, _join(path, key))
    if isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            if isinstance(value, Mapping):
                if value:
                    return _find_first(value, f"{path}[{index}]")
                continue
            return _find_first(value, path)
    return path, str(detail)


def _join(path: str, key: object) -> str:
    if str(key).isdigit():
        return f"{path}[{key}]"
    if key in ("", "non_field_errors"):
        return path
    return f"{path}.{key}" if path else str(key)


def _answer_api(error: exceptions.APIException, context: Mapping[str, Any]) -> Response:
    given = error.detail if isinstance(error.detail, str) else ""
    code = str(getattr(error.detail, "code", error.default_code))
    code = CODES.get(code, code)
    detail: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, exceptions.MethodNotAllowed):
        view = context.get("view")
        detail["allowed"] = list(view.allowed_methods) if view is not None else []
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled) and wait is not None:
        detail["retry_after"] = int(wait)
        headers["Retry-After"] = str(int(wait))
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = str(challenge)
    message = MESSAGES.get(code, given) if not _is_own(error) else given
    answer = build_error(code, message, error.status_code, detail)
    for name, value in headers.items():
        answer[name] = value
    return answer


def _is_own(error: exceptions.APIException) -> bool:
    """Did our code write the message? DRF's own are replaced where ours say more."""
    return not type(error).__module__.startswith("rest_framework.")


def _answer_unexpected(error: Exception, context: Mapping[str, Any]) -> Response:
    error_id = uuid.uuid4().hex[:12]
    request = context.get("request")
    logger.error(
        "Unexpected failure %s in %s %s",
        error_id,
        getattr(request, "method", "?"),
        getattr(request, "path", "?"),
        exc_info=error,
        extra={"error_id": error_id},
    )
    # Error reporters, and Django's test client, listen to this.
    signals.got_request_exception.send(sender=None, request=getattr(request, "_request", None))
    return build_error(
        "server_error",
        f"Something went wrong here that should not have. Quote {error_id} when you report it.",
        500,
        {"id": error_id},
    )
