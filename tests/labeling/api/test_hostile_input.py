"""Whatever is sent to whichever endpoint, the answer is a refusal in the API's shape, never a 500.

Every endpoint of the permission matrix is tried with bodies that are no documents, with its own
valid body in which one value at a time is something else, and with queries and addresses nobody
would send.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from tests.labeling.api.helpers import API, World, build_world, read_error, sign_in
from tests.test_permission_matrix import BODIES, ENDPOINTS_FOR_TOKENS, build_arguments, pick
from workbench.api.schema import build_schema

NOT_DOCUMENTS = (
    b"",
    b"{",
    b"[]",
    b"[[]]",
    b"null",
    b"true",
    b"17",
    b'"text"',
    b"{}",
    b'{"": ""}',
    b'{"unknown": 1}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"[" * 200 + b"]" * 200,
    b'{"reason": "\xff\xfe"}',
    b'{"reason": "\\u0000"}',
    b'{"reason": "\\ud800"}',
    b'{"\\u0000": 1}',
    b'{"version": NaN}',
    b'{"version": -Infinity}',
    b'{"version": 1e999}',
    b'{"version": ' + b"9" * 5_000 + b"}",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"a=1&b=2",
    b"<xml/>",
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "x" * 20_000,
    [],
    {},
    [None],
    {"x": {"y": []}},
    [10**30],
)
QUERY_JUNK = ("", "\x00", "x" * 6_000, "-1", "0", "1e999", "9" * 30, "[]", "\ud800", "²")


@pytest.fixture
def world(db: None) -> World:
    return build_world()


@pytest.fixture(
    params=[
        pytest.param("db", marks=pytest.mark.django_db),
        pytest.param("postgres_db", marks=pytest.mark.postgres),
    ]
)
def any_world(request: pytest.FixtureRequest) -> World:
    """On both databases: what one stores without a word is an error to the other."""
    request.getfixturevalue(request.param)
    return build_world()


def mutate(body: Any) -> Iterator[Any]:
    """The body with one value at a time replaced by each piece of junk, at every depth."""
    for way in walk(body):
        for junk in JUNK:
            changed = copy.deepcopy(body)
            if not way:
                yield junk
                continue
            place = changed
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = junk
            yield changed


def walk(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*way, key))
    elif isinstance(value, list) and value:
        # The first of a list stands for all.
        yield from walk(value[0], (*way, 0))


class Clients:
    """A client for each endpoint, signed in as somebody who may; one session a person."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.by_person: dict[int, Any] = {}

    def find(self, method: str, name: str) -> Any:
        person = pick(self.world, method, name)
        if person.pk not in self.by_person:
            self.by_person[person.pk] = sign_in(person, raise_request_exception=False)
        return self.by_person[person.pk]


def send(client: Any, method: str, url: str, body: bytes, content_type: str) -> Any:
    with transaction.atomic():
        answer = client.generic(method.upper(), url, body, content_type=content_type)
        if answer.streaming:
            answer.getvalue()
        transaction.set_rollback(True)
    return answer


def check(answer: Any, what: object) -> None:
    assert answer.status_code < 500, (what, answer.content)
    if answer.status_code >= 400:
        error = json.loads(answer.content)["error"]
        assert set(error) == {"code", "message", "detail"}, what
        assert error["message"], what
        # A message may quote what was sent, but never all of it.
        assert len(error["message"]) <= 1_000, what


WRITES = [pair for pair in ENDPOINTS_FOR_TOKENS if pair[0] != "get"]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data"])
def test_bodies_that_are_no_documents(world, content_type):
    clients = Clients(world)
    for method, name in WRITES:
        client = clients.find(method, name)
        url = reverse(f"api:{name}", kwargs=build_arguments(name, world))
        for body in NOT_DOCUMENTS:
            check(send(client, method, url, body, content_type), (method, name, body[:60]))


@pytest.mark.parametrize(("method", "name"), sorted(BODIES))
def test_one_wrong_value_at_a_time(any_world, method, name):
    world = any_world
    client = sign_in(pick(world, method, name), raise_request_exception=False)
    url = reverse(f"api:{name}", kwargs=build_arguments(name, world))
    body = json.loads(json.dumps(BODIES[method, name](world), default=str))
    if name == "taxonomies":
        # One error type stands for all.
        body["content"]["types"] = body["content"]["types"][:1]
        body["content"]["dimensions"] = body["content"]["dimensions"][:1]
    for changed in mutate(body):
        sent = json.dumps(changed).encode()
        check(send(client, method, url, sent, "application/json"), (method, name, sent[:300]))


def list_parameters() -> list[tuple[str, str]]:
    """(name of the URL, query parameter) of every endpoint that lists or filters."""
    return [
        (path.removeprefix(API), parameter["name"])
        for path, methods in build_schema()["paths"].items()
        for parameter in methods.get("get", {}).get("parameters", ())
        if parameter["in"] == "query"
    ]


def test_queries_nobody_would_send(any_world):
    world = any_world
    lead = sign_in(world.people["lead"], raise_request_exception=False)
    parameters = list_parameters()
    assert ("/projects/{slug}/solutions/", "answer") in parameters
    for path, name in parameters:
        slug = world.project.slug
        url = API + path.format(
            slug=slug,
            batch_id=world.batch.pk,
            solution_id=world.solution.pk,
            job_id=world.job.pk,
            job_item_id=world.job.items.order_by("pk")[0].pk,
            item_id=world.item.pk,
            # Nothing of that kind is there: the parameters are read first.
            number=1,
            consensus_id=1,
        )
        for junk in QUERY_JUNK:
            value = junk.encode("utf-8", "surrogatepass")
            check(lead.get(url, {name: value}), (path, name, junk[:40]))


def test_an_unknown_query_parameter_is_refused(world):
    lead = sign_in(world.people["lead"])
    answer = lead.get(f"{API}/projects/{world.project.slug}/solutions/", {"stat": "agreed"})
    error = read_error(answer, 400, "invalid_input")
    assert error["detail"]["field"] == "stat"
    assert "state" in error["message"]


@pytest.mark.parametrize("junk", ["0", "9" * 18, "9" * 4400, "%00"])
def test_ids_of_any_size(world, junk):
    clients = Clients(world)
    for method, name in ENDPOINTS_FOR_TOKENS:
        arguments = build_arguments(name, world)
        ids = [key for key in arguments if key.endswith("_id")]
        if not ids:
            continue
        client = clients.find(method, name)
        # Not by reverse(): it would refuse to build what a stranger may send.
        url = reverse(f"api:{name}", kwargs=arguments)
        for key in ids:
            url = url.replace(f"/{arguments[key]}/", f"/{junk}/")
        answer = send(client, method, url, b"{}", "application/json")
        assert answer.status_code in (400, 404, 413), (method, name, answer.content[:300])
        check(answer, (method, name))


@pytest.mark.parametrize(
    "filename",
    ["..%2f..%2fdb.sqlite3", "%00", "..", ".hidden", "a%0ab", "native.jsonl%00", "x" * 500, "%ff"],
)
def test_names_of_files(world, filename):
    frank = sign_in(world.people["engineer"], raise_request_exception=False)
    answer = frank.get(f"{API}/releases/{world.release.pk}/files/{filename}")
    assert answer.status_code == 404
    check(answer, filename)
