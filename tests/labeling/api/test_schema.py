"""The OpenAPI document: whole, without warnings, as it stands in docs/openapi.yaml."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from drf_spectacular.validation import validate_schema

from labeling.models import ApiToken
from tests.labeling.api.helpers import API, sign_in
from tests.test_permission_matrix import iterate_endpoints
from workbench.api.docs import list_sections, name_type
from workbench.api.schema import build_schema, dump_schema

SNAPSHOT = Path(__file__).parents[3] / "docs" / "openapi.yaml"


def test_the_snapshot_is_up_to_date():
    assert SNAPSHOT.read_text(encoding="utf-8") == dump_schema(), (
        "The API has changed. Look at the difference, then write the snapshot again: "
        "python manage.py spectacular --file docs/openapi.yaml"
    )


def test_the_command_writes_the_same_without_warnings():
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert out.getvalue().strip() == dump_schema().strip()


def test_it_is_openapi_3_1():
    schema = build_schema()
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")


def test_every_endpoint_is_described():
    described = {
        (method, path) for path, methods in build_schema()["paths"].items() for method in methods
    }
    # The schema and the page made of it do not describe themselves.
    served = {name for _method, name in {(m, p.name) for m, p in iterate_endpoints()}}
    assert len(described) == len(
        {(m, p.name) for m, p in iterate_endpoints() if p.name not in ("docs",)}
    )
    assert "solutions" in served


def test_every_operation_says_what_it_does_and_which_scopes_will_do():
    for path, methods in build_schema()["paths"].items():
        for method, operation in methods.items():
            place = f"{method} {path}"
            assert operation["summary"].endswith((".", "…")), place
            assert operation["tags"] != ["other"], place
            assert set(operation["x-token-scopes"]) <= set(ApiToken.Scope.values), place
            assert operation["responses"]["default"]["content"], place


def test_every_view_names_scopes_for_exactly_its_methods():
    for _method, pattern in iterate_endpoints():
        view = getattr(pattern.callback, "cls", None)
        if view is not None:
            served = {
                name.upper()
                for name in ("get", "post", "put", "patch", "delete")
                if hasattr(view, name)
            }
            assert set(view.scopes) == served, view
            assert view.tag, view


def test_the_schema_is_served(bob):
    answer = sign_in(bob).get(f"{API}/schema/")
    assert answer.json()["info"]["title"] == "PRM Workbench"


def test_the_documentation_page(bob):
    answer = sign_in(bob).get(f"{API}/docs/")
    page = answer.content.decode()
    assert answer["Content-Type"].startswith("text/html")
    assert f"GET {API}/projects/{{slug}}/solutions/" in page
    assert "idempotency_key" in page
    # Nothing inline, nothing from elsewhere: the policy would stop it.
    assert "style=" not in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_the_documentation_page_is_for_people_who_are_signed_in(client, db):
    answer = client.get(f"{API}/docs/")
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]


def test_sections_show_nested_fields_by_their_way():
    [work] = [section for section in list_sections() if section.title == "work"]
    claim = next(one for one in work.operations if one.path.endswith("/assignments/claim/"))
    names = [field.name for field in claim.answers[0].fields]
    assert "assignment.lease_token" in names
    assert "steps[].text" in names


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "string", "format": "uuid"}, "string (uuid)"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"oneOf": [{"$ref": "#/components/schemas/Claim"}, {"type": "null"}]}, "Claim or null"),
        ({"enum": ["a", "b"]}, "a | b"),
        ({}, "any"),
    ],
)
def test_types_in_words(part, words):
    assert name_type(part) == words
