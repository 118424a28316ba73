"""The documentation page of the API: our own HTML, made of the schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from workbench.api.schema import build_schema

# Fields of objects inside objects are listed down to this many; deeper ones are named only.
OPEN_LEVELS = 2


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a body, an answer or a query. A nested one is named by its way: steps[].text."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with one status."""

    status: str
    description: str
    fields: list[FieldLine]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scopes: list[str]
    parameters: list[FieldLine]
    body: list[FieldLine]
    body_types: list[str]
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Section:
    """The operations under one heading."""

    title: str
    operations: list[Operation]


@never_cache
@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Every endpoint, with what it takes and gives."""
    return render(
        request,
        "labeling/api_docs.html",
        {
            "sections": list_sections(),
            "description": _plain(build_schema()["info"]["description"]),
        },
    )


@lru_cache(maxsize=1)
def list_sections() -> list[Section]:
    """The schema in sections, as the page shows it."""
    schema = build_schema()
    by_tag: dict[str, list[Operation]] = defaultdict(list)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_read_operation(path, method, operation, schema))
    return [Section(tag, operations) for tag, operations in sorted(by_tag.items())]


def _read_operation(
    path: str, method: str, operation: Mapping[str, Any], schema: Mapping[str, Any]
) -> Operation:
    request_body: Mapping[str, Any] = operation.get("requestBody", {})
    body = _read_content(request_body)
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=_plain(operation.get("summary", "")),
        description=_plain(operation.get("description", "")),
        scopes=list(operation.get("x-token-scopes", ())),
        parameters=[
            FieldLine(
                name=parameter["name"],
                type=name_type(parameter.get("schema", {})),
                is_required=parameter.get("required", False),
                description=_plain(parameter.get("description", "")),
            )
            for parameter in operation.get("parameters", ())
        ],
        body=list_fields(body, schema),
        body_types=list(request_body.get("content", {})),
        answers=[
            Answer(
                status, answer.get("description", ""), list_fields(_read_content(answer), schema)
            )
            for status, answer in operation["responses"].items()
            if status != "default"
        ],
    )


def _plain(text: str) -> str:
    """A sentence of the schema, which is Markdown, as a page shows it."""
    return text.replace("`", "")


def _read_content(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a body's first form."""
    for form in answer.get("content", {}).values():
        found: Mapping[str, Any] = form.get("schema", {})
        return found
    return {}


def list_fields(
    part: Mapping[str, Any], schema: Mapping[str, Any], *, way: tuple[str, ...] = ()
) -> list[FieldLine]:
    """The fields of an object, those of objects inside it after them."""
    part = _resolve(part, schema)
    if part.get("type") == "array":
        way = (*way[:-1], f"{way[-1]}[]") if way else ()
        return list_fields(part.get("items", {}), schema, way=way)
    required = set(part.get("required", ()))
    lines: list[FieldLine] = []
    for name, field in part.get("properties", {}).items():
        inner = (*way, name)
        lines.append(
            FieldLine(
                name=".".join(inner),
                type=name_type(field),
                is_required=name in required,
                description=_plain(field.get("description", "")),
            )
        )
        if len(inner) < OPEN_LEVELS:
            lines.extend(list_fields(field, schema, way=inner))
    return lines


def _find_inner(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a field holds: itself, or the one alternative that is a component."""
    for key in ("oneOf", "anyOf", "allOf"):
        for choice in field.get(key, ()):
            if "$ref" in choice:
                inner: Mapping[str, Any] = choice
                return inner
    return field


def _resolve(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = _find_inner(part).get("$ref")
    if reference is None:
        return part
    found: Mapping[str, Any] = schema["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def name_type(part: Mapping[str, Any]) -> str:
    """The type in words: "string (uuid)", "list of integer", "Project or null"."""
    if "$ref" in part:
        return str(part["$ref"].rpartition("/")[2])
    for key in ("oneOf", "anyOf", "allOf"):
        if key in part:
            return " or ".join(dict.fromkeys(name_type(choice) for choice in part[key]))
    if "enum" in part:
        return " | ".join(str(value) for value in part["enum"])
    kind = part.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {name_type(part.get('items', {}))}"
    return f"{kind} ({part['format']})" if "format" in part else str(kind)
