"""What tests of pages ask for: somebody signed in, a world with something in it, clean HTML."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import (
    Injection,
    Project,
    ReviewItem,
    Solution,
    Suggestion,
    User,
)
from labeling.services.annotations import submit
from labeling.services.assignments import claim_item
from tests.labeling.factories import (
    enqueue,
    make_injection_item,
    make_solution,
    rating,
    verdict,
)

ATTACK = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def sign_in(user: User) -> Client:
    """A browser in which the user is signed in."""
    client = Client()
    client.force_login(user)
    return client


def submit_as(user: User, item: ReviewItem, data: dict[str, Any], **more: Any) -> None:
    """Let the user claim and submit the item."""
    held = claim_item(user=user, item=item)
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=data,
        idempotency_key=uuid.uuid4(),
        **more,
    )


def make_rated(project: Project, people: list[User], key: str = "rated") -> Solution:
    """A solution on whose last step the people differ: the first says wrong, the others right."""
    item = enqueue(make_solution(project, key), overlap=len(people))
    for index, person in enumerate(people):
        last = "correct" if index else "wrong"
        submit_as(person, item, rating("correct", "correct", last))
    return item.solution


def make_verified(project: Project, people: list[User], key: str = "inj") -> Injection:
    """An injection that everybody accepts."""
    item = make_injection_item(project, key)
    for person in people:
        submit_as(person, item, verdict())
    return Injection.objects.get(modified=item.solution)


def suggest(solution: Solution, **fields: Any) -> Suggestion:
    """What a machine said of a solution: the second step is wrong."""
    score = {"scale": "probability", "rule": ">=0.5"}
    values: dict[str, Any] = {
        "project": solution.project,
        "solution": solution,
        "method": "prm",
        "producer": "tiny-prm",
        "labels": [
            {"validity": "correct", "score": {"raw": 0.91, **score}},
            {"validity": "wrong", "score": {"raw": 0.12, **score}},
            None,
        ],
        "first_error": {"at": 1},
        "identity": uuid.uuid4().hex,
        "created_at": timezone.now(),
    }
    return Suggestion.objects.create(**(values | fields))


def read(response: Any) -> str:
    """The page as text; it must be one."""
    assert response.status_code == 200, response.status_code
    html: str = response.content.decode()
    return html


def read_stream(response: Any) -> str:
    """A streamed answer, whole."""
    assert response.status_code == 200, response.status_code
    return b"".join(response.streaming_content).decode("utf-8-sig")


class _Inspector(HTMLParser):
    """Notes everything that a strict content security policy would stop."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.in_script = tag == "script"
        if tag == "style":
            self.faults.append("a style element")
        if tag == "script" and not given.get("src") and given.get("type") != "application/json":
            self.faults.append("an inline script")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"{name}={value!r} on {tag}")
            if value and value.strip().lower().startswith("javascript:"):
                self.faults.append(f"{name}={value!r} on {tag}")
        if given.get("id"):
            self.ids.append(str(given["id"]))

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if not self.in_script:
            self.text.append(data)


def check_html(html: str) -> str:
    """The page's text, after making sure that nothing in it is inline and no id stands twice."""
    inspector = _Inspector()
    inspector.feed(html)
    assert inspector.faults == []
    twice = {name for name in inspector.ids if inspector.ids.count(name) > 1}
    assert twice == set()
    assert "INVALID" not in html
    # Elements stand apart, so that a label and its number are two words.
    return " ".join(" ".join(inspector.text).split())


def words_of(response: Any) -> str:
    """The text of a page that was answered with 200 and holds nothing inline."""
    return check_html(read(response))


@contextmanager
def counted_queries() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as captured:
        yield captured


def count_queries(client: Client, url: str) -> int:
    """How many queries the page takes; it must come back."""
    with counted_queries() as captured:
        response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return len(captured)
