"""The bar over a page of work: the way it is used, what opens beside it, how much was said."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.translation import override

from labeling.models import Assignment, Project, ReviewItem, User
from labeling.selectors.comments import count_open
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment, resolve, withdraw
from tests.labeling.factories import enqueue, make_solution
from tests.labeling.web.helpers import check_html, count_queries, words_of

BAR = {
    "place": "Rate steps",
    "project": {"name": "Algebra", "url": "/p/", "guidelines_url": "/g/"},
    "progress": {"done": 3, "total": 60},
    "urls": {"home": "/", "comments": ""},
    "assignment": {"id": 0},
    "item": {"id": 1},
}


@pytest.fixture
def held(project: Project, bob: User) -> Assignment:
    return claim_item(user=bob, item=enqueue(make_solution(project)))


def say(item: ReviewItem, by: User, **more: Any) -> Any:
    return add_comment(
        item=item, by=by, text="Is it rounded?", idempotency_key=uuid.uuid4(), **more
    )


@pytest.mark.parametrize(
    ("kind", "word"), [("revise", "Revising"), ("training", "Training"), ("work", "")]
)
def test_the_way_of_use_is_named(kind, word, db):
    request = RequestFactory().get("/")
    request.user = User(username="mei")
    way = {"kind": kind}
    template = "components/_workspace_topbar.html"
    with override("en"):
        bar = check_html(render_to_string(template, {**BAR, "way": way}, request))
    assert word in bar
    assert ("Training" in bar) is (kind == "training")
    # An item of the training set has nobody to talk to.
    assert "Comments" not in bar


def test_it_leads_to_comments_guidelines_and_keys(held: Assignment, annotator: Client):
    text = words_of(annotator.get(reverse("labeling:assignment", args=[held.pk])))
    for word in ("Comments", "Keyboard", "Choose your own keys", "简体中文"):
        assert word in text


def test_open_threads_are_counted_as_one_may_read_them(
    held: Assignment, project: Project, bob: User, erin: User, alice: User
):
    item = held.item
    assert count_open(item.pk, bob) == 0
    say(item, bob)
    claim_item(user=erin, item=item)
    say(item, erin)
    say(item, alice, audience="everyone")
    # While he judges, a peer's words are neither read nor counted.
    assert count_open(item.pk, bob) == 2
    assert count_open(item.pk, alice) == 3
    resolve(comment=say(item, alice, audience="everyone"), by=alice)
    withdraw(comment=say(item, bob), by=bob)
    assert count_open(item.pk, bob) == 2


def test_where_nobody_said_anything_one_query_finds_that_out(
    held: Assignment, annotator: Client, bob: User, django_assert_num_queries: Any
):
    with django_assert_num_queries(1):
        assert count_open(held.item_id, bob) == 0
    url = reverse("labeling:assignment", args=[held.pk])
    before = count_queries(annotator, url)
    say(held.item, bob)
    assert count_queries(annotator, url) == before + 1
