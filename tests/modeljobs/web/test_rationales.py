"""Rating a machine's reasoning beside it, and what a job's page makes of the ratings."""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import User
from modeljobs.models import JobItem, RationaleRating
from tests.labeling.factories import make_user
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, read, words_of
from tests.modeljobs.counting import add_scores
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.web.rows import add_evidence, add_rating, make_job, make_sample
from tests.modeljobs.worlds import World

QUERY = "position=0&sample=0"


@pytest.fixture
def item(world: World) -> JobItem:
    found = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    add_evidence(found, 0, [make_sample(0), make_sample(1)])
    return found


@pytest.fixture
def url(item: JobItem) -> str:
    return reverse("modeljobs:rationales", args=[item.pk])


@pytest.fixture
def list_url(item: JobItem) -> str:
    return reverse("modeljobs:job-rationales", args=[item.job_id])


@pytest.fixture
def mei(db: None) -> User:
    return make_user("mei", display_name="Mei Lin")


def rate(client: Client, url: str, *, fragment: bool = False, **fields: Any) -> Any:
    address = f"{url}?fragment=rationale" if fragment else url
    return client.post(address, {"position": 0, "sample": 0, "value": "sound", **fields})


# --- Beside the reasoning -------------------------------------------------------------------------


def test_it_works(lead: Client, url: str, world: World):
    response = rate(lead, url, value="wrong_reason", note="It only repeats the step.")
    assert response.headers["Location"] == f"{url}?{QUERY}"
    row = RationaleRating.objects.get()
    assert (row.person, row.value, row.note) == (
        world.alice,
        "wrong_reason",
        "It only repeats the step.",
    )
    text = words_of(lead.get(f"{url}?{QUERY}"))
    assert "Right verdict for the wrong reason" in text
    assert "It only repeats the step." in text


def test_every_sample_has_its_three_buttons(lead: Client, item: JobItem):
    html = read(lead.get(reverse("modeljobs:item", args=[item.pk])))
    check_html(html)
    assert html.count("data-rationale-value") == 6
    # They stand in the form of the work on other pages, and are no part of it.
    assert html.count('type="radio" form=""') == 6
    assert "Rate this reasoning" in html


def test_a_critic_that_kept_its_text_has_them_too(lead: Client, world: World):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_scores(item, 0, kind="critic", texts=["It is right.", "It is wrong."])
    add_scores(item, 1)
    html = read(lead.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert html.count("data-rationale-value") == 6
    assert words_of(lead.get(f"{reverse('modeljobs:rationales', args=[item.pk])}?{QUERY}"))


def test_the_part_that_comes_back(lead: Client, url: str):
    html = read(rate(lead, url, fragment=True))
    assert "<html" not in html
    assert "Your rating: Sound" in check_html(html)
    html = read(rate(lead, url, fragment=True, value="wrong"))
    assert "Your rating: Wrong" in check_html(html)
    assert "Before: Sound" in check_html(html)


def test_others_show_once_one_has_said_it_oneself(lead: Client, url: str, item: JobItem, mei: User):
    add_rating(item, mei, value="wrong", note="No step follows.")
    page = f"{url}?{QUERY}"
    for address in (page, reverse("modeljobs:item", args=[item.pk])):
        html = read(lead.get(address))
        assert "No step follows." not in html
        assert "others, Wrong" not in check_html(html)
    assert "Others: Wrong 1" in words_of(rate(lead, url, fragment=True))
    text = words_of(lead.get(page))
    assert "others, Wrong: 1" in text
    # How many, and neither who nor why.
    assert "Mei Lin" not in text
    assert "No step follows." not in text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"value": "good"}, 400),
        ({"value": ""}, 400),
        ({"note": "x" * 4_001}, 400),
        ({"position": "1"}, 400),
        ({"sample": "7"}, 400),
        ({"position": "x"}, 400),
    ],
)
def test_what_is_not_there(fields: dict[str, str], status: int, lead: Client, url: str):
    refused = rate(lead, url, fragment=True, **fields)
    assert refused.status_code == status
    assert not RationaleRating.objects.exists()


def test_a_refusal_stands_on_the_page(lead: Client, url: str):
    refused = rate(lead, url, value="good")
    assert refused.status_code == 400
    assert "is no rating of a rationale" in check_html(refused.content.decode())


def test_who_may(everyone: dict[str, Client], url: str):
    got = {}
    for role in ROLES:
        RationaleRating.objects.all().delete()
        got[role] = (
            everyone[role].get(f"{url}?{QUERY}").status_code,
            rate(everyone[role], url).status_code,
        )
    assert got == {
        "lead": (200, 302),
        "annotator": (403, 403),
        "adjudicator": (200, 302),
        "engineer": (200, 403),
        "outsider": (404, 404),
        "nobody": (302, 302),
    }


def test_an_engineer_is_not_offered_what_they_may_not(engineer: Client, item: JobItem):
    html = read(engineer.get(reverse("modeljobs:item-evidence", args=[item.pk])))
    assert "data-rationale-value" not in html


def test_texts_that_are_gone(lead: Client, world: World):
    item = make_job(world.project, world.alice, world.solutions[1:2]).items.get()
    add_evidence(item, 0, with_texts=False)
    url = reverse("modeljobs:rationales", args=[item.pk])
    html = read(lead.get(f"{url}?{QUERY}"))
    assert "older than texts are kept" in check_html(html)
    assert '<input type="radio"' not in html


def test_hostile_text(lead: Client, url: str, item: JobItem, world: World, mei: User):
    add_rating(item, world.alice, note=ATTACK)
    addresses = (
        f"{url}?{QUERY}",
        f"{url}?fragment=rationale&{QUERY}",
        reverse("modeljobs:item", args=[item.pk]),
        reverse("modeljobs:job-rationales", args=[item.job_id]),
    )
    for address in addresses:
        html = read(lead.get(address))
        check_html(html)
        assert "<script>" not in html
        assert "<img" not in html


def test_an_item_costs_the_same_for_many_ratings(
    lead: Client, item: JobItem, world: World, mei: User
):
    address = reverse("modeljobs:item", args=[item.pk])
    add_rating(item, world.alice)
    few = count_queries(lead, address)
    for sample in (0, 1):
        add_rating(item, mei, sample=sample)
        add_rating(item, world.alice, sample=sample)
    assert count_queries(lead, address) == few


# --- A whole job ----------------------------------------------------------------------------------


def test_the_job_says_how_much_is_sound(lead: Client, item: JobItem, world: World, mei: User):
    address = reverse("modeljobs:job", args=[item.job_id])
    assert "Reasoning rated by people" not in words_of(lead.get(address))
    for sample in (0, 1):
        add_rating(item, world.alice, sample=sample)
    add_rating(item, mei, value="wrong")
    html = read(lead.get(address))
    text = check_html(html)
    assert "Reasoning rated by people" in text
    assert "of 3: 21 to 94 % (Wilson, 95 %)" in text
    # Every number is a door.
    assert f"{reverse('modeljobs:job-rationales', args=[item.job_id])}?value=wrong" in html


def test_the_list_behind_it(lead: Client, list_url: str, item: JobItem, world: World, mei: User):
    add_rating(item, mei, value="wrong", note="No step follows.")
    add_rating(item, world.alice, value="wrong")
    add_rating(item, world.alice, value="sound")
    text = words_of(lead.get(list_url))
    assert "Sound: 1 of 2" in text
    assert "Mei Lin" in text
    assert "No step follows." in text
    text = words_of(lead.get(f"{list_url}?value=sound"))
    assert "Mei Lin" not in text
    assert "Nobody has said so" in words_of(lead.get(f"{list_url}?value=wrong_reason"))


def test_nobody_has_rated_yet(lead: Client, list_url: str):
    assert "Nobody has rated its reasoning yet" in words_of(lead.get(list_url))


def test_as_a_table(lead: Client, item: JobItem, mei: User):
    add_rating(item, mei, value="wrong", note="=1+1")
    answer = lead.get(reverse("modeljobs:job-rationales-csv", args=[item.job_id]))
    lines = b"".join(cast(Any, answer).streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("id,item,solution,step,sample,person,value,note")
    # No cell is a formula to a spreadsheet.
    assert "Mei Lin,wrong,'=1+1" in lines[1]
    assert f",{item.pk},{item.solution_id},1,1," in lines[1]


def test_who_sees_the_list(everyone: dict[str, Client], list_url: str, item: JobItem):
    statuses = tuple(everyone[role].get(list_url).status_code for role in ROLES)
    assert statuses == (200, 403, 403, 200, 404, 302)
    table = reverse("modeljobs:job-rationales-csv", args=[item.job_id])
    assert everyone["annotator"].get(table).status_code == 403


def test_the_list_costs_the_same_for_many(
    lead: Client, list_url: str, item: JobItem, world: World, mei: User
):
    add_rating(item, mei)
    few = count_queries(lead, list_url)
    for position in range(4):
        add_rating(item, world.alice, position=position)
    assert count_queries(lead, list_url) == few
