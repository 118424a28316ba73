"""JSON that a page's script sends, read field by field; refusals in the shape that the API has."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from workbench.errors import InvalidInput, WorkbenchError
from workbench.messages import translate_sentence

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)

MAX_INTEGER = 2**31 - 1
MOST_STEPS = 10_000
MESSAGE_LIMIT = 1_000
# A step's position in as many digits as any solution needs.
MOST_DIGITS = 5


class Malformed(InvalidInput):
    """The body is no JSON object at all."""

    code = "malformed"


def answers_json(
    view: Callable[Concatenate[R, P], HttpResponseBase],
) -> Callable[Concatenate[R, P], HttpResponseBase]:
    """Answer refusals with {"error": {"code", "message", "detail"}} and their status."""

    @wraps(view)
    def answer(request: R, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except WorkbenchError as error:
            message = translate_sentence(error.message)[:MESSAGE_LIMIT]
            said = {"code": error.code, "message": message, "detail": error.extra}
            return JsonResponse({"error": said}, status=error.status)

    return answer


def read_json(request: HttpRequest) -> Mapping[str, Any]:
    """The body as an object. Raises Malformed where it is none."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Malformed(_("The request could not be read.")) from None
    if not isinstance(body, dict):
        raise Malformed(_("The request could not be read."))
    return body


def read_uuid(body: Mapping[str, Any], field: str) -> uuid.UUID:
    """Raises InvalidInput where it is missing or is none."""
    try:
        return uuid.UUID(str(body.get(field)))
    except ValueError:
        raise _refuse(field) from None


def read_object(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Raises InvalidInput where it is missing or is no object."""
    value = body.get(field)
    if not isinstance(value, dict):
        raise _refuse(field)
    return value


def read_text(body: Mapping[str, Any], field: str) -> str:
    """Raises InvalidInput where it is missing or is no text."""
    value = body.get(field)
    if not isinstance(value, str):
        raise _refuse(field)
    return value


def read_count(body: Mapping[str, Any], field: str) -> int | None:
    """A number from 0 on; None where there is none. Raises InvalidInput for anything else."""
    value = body.get(field)
    if value is None or _is_count(value):
        return value
    raise _refuse(field)


def read_step_times(body: Mapping[str, Any], field: str) -> dict[str, int] | None:
    """Milliseconds by position, {"0": 1200}; None where nobody measured."""
    value = body.get(field)
    if value is None:
        return None
    is_known = isinstance(value, dict) and len(value) <= MOST_STEPS
    if is_known and all(_is_position(key) and _is_count(ms) for key, ms in value.items()):
        return dict(value)
    raise _refuse(field)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _is_position(key: str) -> bool:
    return key.isdecimal() and len(key) <= MOST_DIGITS


def _refuse(field: str) -> InvalidInput:
    # Only a page that is out of date, or no page at all, sends such a thing.
    return InvalidInput(
        _("This page is out of date. Load it again; your draft is kept."), field=field
    )
