"""Asking whether an equality is true from a page: a part of it with a script, a page without."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Assignment, Membership, Project, ReviewItem, User
from labeling.services.assignments import claim_item
from modeljobs.models import EqualityCheck
from modeljobs.services import equalities as service
from modeljobs.services.workers import record_beat
from tests.labeling.factories import enqueue, join, make_user
from tests.labeling.web.helpers import (
    ATTACK,
    check_html,
    count_queries,
    read,
    sign_in,
    words_of,
)
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import add_check
from tests.modeljobs.worlds import World


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No test of a page checks anything."""
    sent: list[int] = []
    monkeypatch.setattr(service, "_send", sent.append)
    return sent


@pytest.fixture
def item(world: World) -> ReviewItem:
    Project.objects.filter(pk=world.project.pk).update(equality_checks="always")
    return enqueue(world.solutions[0])


@pytest.fixture
def url(item: ReviewItem) -> str:
    return reverse("modeljobs:item-equalities", args=[item.pk])


@pytest.fixture
def erin(world: World) -> User:
    user = make_user("erin")
    join(world.project, user, Membership.Role.ANNOTATOR)
    return user


@pytest.fixture
def held(item: ReviewItem, erin: User) -> Assignment:
    return claim_item(user=erin, item=item)


def own_url(held: Assignment) -> str:
    return reverse("modeljobs:assignment-equalities", args=[held.pk])


def ask(client: Client, url: str, *, fragment: bool = False, **fields: Any) -> Any:
    address = f"{url}?fragment=list" if fragment else url
    return client.post(address, {"text": "1+1=2", "position": "0", **fields})


def test_it_works(
    lead: Client,
    url: str,
    posted: list[int],
    world: World,
    django_capture_on_commit_callbacks: Any,
):
    with django_capture_on_commit_callbacks(execute=True):
        response = ask(lead, url)
    check = EqualityCheck.objects.get()
    assert response.headers["Location"] == url
    assert (check.author, check.text, check.position) == (world.alice, "1+1=2", 0)
    assert posted == [check.pk]


def test_of_no_step(lead: Client, url: str):
    ask(lead, url, position="")
    assert EqualityCheck.objects.get().position is None


def test_the_page_shows_what_was_asked(lead: Client, url: str, item: ReviewItem, world: World):
    add_check(item, world.alice)
    html = read(lead.get(url))
    text = check_html(html)
    assert "Is this equality true?" in text
    assert "False" in text
    assert "The left side is $2$ and the right side $3$." in text
    assert "alice" in text
    assert "Step 2" in text


def test_the_part_that_asks_for_itself(lead: Client, url: str):
    html = read(ask(lead, url, fragment=True))
    assert "<html" not in html
    assert "Queued" in check_html(html)
    assert f'data-live="{url}?fragment=list"' in html
    assert "data-live-done" not in html
    EqualityCheck.objects.update(state="done", answer="unknown", reason='{"code": "names"}')
    html = read(lead.get(f"{url}?fragment=list"))
    assert "data-live-done" in html
    assert 'data-check-says="Cannot tell"' in html


def test_without_a_worker_it_says_so(lead: Client, url: str):
    words = "No worker for the sandbox is running, so it waits."
    assert words in words_of(ask(lead, url, fragment=True))
    now = timezone.now()
    record_beat(name="w", queues=["sandbox"], pid=1, started_at=now, now=now)
    assert words not in words_of(lead.get(f"{url}?fragment=list"))


def test_nothing_was_asked_yet(lead: Client, url: str):
    assert "You have asked nothing of this item yet." in words_of(lead.get(url))


def test_too_many_say_when_to_come_back(lead: Client, url: str):
    ask(lead, url)
    response = ask(lead, url, fragment=True)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "5")
    assert "data-refusal" in response.content.decode()
    # Without script the sentence stands on the page, with what was written.
    response = ask(lead, url, text="7*6=43")
    text = check_html(response.content.decode())
    assert (response.status_code, "still being checked" in text) == (429, True)
    assert "7*6=43" in text


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"text": ""}, 400), ({"position": "9"}, 400), ({"position": "x"}, 400)],
)
def test_what_cannot_be_asked(fields: dict[str, Any], status: int, lead: Client, url: str):
    assert ask(lead, url, **fields).status_code == status
    assert ask(lead, url, fragment=True, **fields).status_code == status
    assert not EqualityCheck.objects.exists()


def test_who_may(everyone: dict[str, Client], url: str):
    got = {}
    for role in ROLES:
        EqualityCheck.objects.all().delete()
        got[role] = (everyone[role].get(url).status_code, ask(everyone[role], url).status_code)
    assert got == {
        "lead": (200, 302),
        "annotator": (403, 403),
        "adjudicator": (200, 302),
        "engineer": (200, 403),
        "outsider": (404, 404),
        "nobody": (302, 302),
    }


def test_an_engineer_is_not_offered_what_they_may_not(engineer: Client, url: str):
    assert "<textarea" not in read(engineer.get(url))


# --- In one's own item ----------------------------------------------------------------------------


def test_reviewers_ask_in_their_own_item(held: Assignment, erin: User):
    assert ask(sign_in(erin), own_url(held)).status_code == 302
    assert EqualityCheck.objects.get().author == erin


def test_others_have_no_business_there(held: Assignment, everyone: dict[str, Client]):
    for role in ("lead", "annotator", "adjudicator", "engineer", "outsider"):
        assert everyone[role].get(own_url(held)).status_code == 404, role
        assert ask(everyone[role], own_url(held)).status_code == 404, role
    assert ask(everyone["nobody"], own_url(held)).status_code == 302


def test_reviewers_see_what_they_asked_themselves(held: Assignment, erin: User, world: World):
    add_check(held.item, world.alice, text="5+5=11", reason="", answer="unknown")
    add_check(held.item, erin)
    text = words_of(sign_in(erin).get(own_url(held)))
    assert "5+5=11" not in text
    assert "alice" not in text
    assert "The left side is" in text


def test_before_its_time_it_is_refused_with_a_sentence(held: Assignment, erin: User):
    Project.objects.update(equality_checks="after_judgement")
    client = sign_in(erin)
    refused = ask(client, own_url(held), fragment=True)
    assert refused.status_code == 409
    assert "Rate this step first" in check_html(refused.content.decode())
    # Without script the form is there: whether a step is open is decided when one asks of it.
    html = read(client.get(own_url(held)))
    assert "Rate this step first" in check_html(html)
    assert "<textarea" in html
    assert ask(client, own_url(held)).status_code == 409


def test_a_project_that_has_none_says_so(held: Assignment, erin: User):
    Project.objects.update(equality_checks="never")
    client = sign_in(erin)
    html = read(client.get(own_url(held)))
    assert "This project checks no equalities" in check_html(html)
    assert "<textarea" not in html
    assert ask(client, own_url(held), fragment=True).status_code == 403
    assert ask(client, own_url(held)).status_code == 403


# --- Texts ----------------------------------------------------------------------------------------


def test_hostile_text(lead: Client, url: str, item: ReviewItem, world: World):
    add_check(item, world.alice, text=ATTACK, reason="", answer="unknown")
    add_check(item, world.alice, state="failed", reason=service.pack_failure("x", ATTACK))
    for address in (url, f"{url}?fragment=list"):
        html = read(lead.get(address))
        check_html(html)
        assert "<script>" not in html
        assert "<img" not in html


def test_a_list_costs_the_same_for_many(lead: Client, url: str, item: ReviewItem, world: World):
    add_check(item, world.alice)
    few = count_queries(lead, url)
    for _more in range(5):
        add_check(item, world.alice)
    assert count_queries(lead, url) == few
