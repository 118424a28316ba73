from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Solution
from modeljobs.models import Engine, ModelJob
from tests.labeling.web.helpers import check_html, words_of
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")


@pytest.fixture
def url(world: World) -> str:
    return reverse("modeljobs:job-new", args=[world.project.slug])


def form(world: World, **changes: Any) -> dict[str, Any]:
    values = {
        "action": "start",
        "engine": world.engine.pk,
        "option-error_types": ["deception", "circular"],
        "option-examples": "1",
        "option-temperature": "0.5",
        "option-top_p": "1.0",
        "option-max_tokens": "2048",
        "option-repair": "on",
        "correct_only": "on",
        "limit": "2",
        "seed": "7",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def test_it_works(
    lead: Client,
    url: str,
    world: World,
    sent: list[tuple[int, int]],
    django_capture_on_commit_callbacks: Any,
):
    with django_capture_on_commit_callbacks(execute=True):
        response = lead.post(url, form(world))
    job = ModelJob.objects.get()
    assert response.headers["Location"] == reverse("modeljobs:job", args=[job.pk])
    assert (job.state, job.seed, job.created_by) == ("running", 7, world.alice)
    assert job.parameters == {
        # In the order in which the method offers them.
        "error_types": ["circular", "deception"],
        "examples": 1,
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 2048,
        "repair": True,
    }
    assert job.selection == {"correct_only": True, "shuffle": False, "limit": 2}
    # 2 solutions, each once per class.
    assert job.items.count() == 4
    assert [pk for pk, _count in sent] == [job.pk]


def test_a_box_that_is_not_ticked_is_no(lead: Client, url: str, world: World):
    lead.post(url, form(world, **{"option-repair": None, "correct_only": None}))
    job = ModelJob.objects.get()
    assert job.parameters["repair"] is False
    assert job.selection["correct_only"] is False


def test_the_form_shows_what_the_method_declares(lead: Client, url: str, world: World):
    text = words_of(lead.get(url))
    for word in ("Error classes", "Temperature", "Longest reply, in tokens", "Seed", "unit tests"):
        assert word in text
    assert "scripted: seeded rules, no model" in text


def test_counting_makes_nothing(lead: Client, url: str, world: World):
    response = lead.post(url, form(world, action="count"))
    text = words_of(response)
    assert "4 items from 2 solutions" in text
    assert not ModelJob.objects.exists()
    # What was filled in is still there.
    assert 'value="0.5"' in response.content.decode()


def test_the_count_alone(lead: Client, url: str, world: World):
    response = lead.post(f"{url}?fragment=count", form(world, limit=None))
    html = response.content.decode()
    assert "<html" not in html
    assert "6 items from 3 solutions" in check_html(html)
    # Asking for the count never starts anything, whichever button was pressed.
    assert not ModelJob.objects.exists()


def test_the_count_alone_says_what_is_wrong(lead: Client, url: str, world: World):
    response = lead.post(f"{url}?fragment=count", form(world, limit="0", action="count"))
    assert "greater than or equal to 1" in check_html(response.content.decode())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"seed": "-1"}, "seed"),
        ({"engine": "99"}, "engine"),
        ({"source": "nowhere"}, "source"),
        ({"option-temperature": "9"}, "option-temperature"),
        ({"option-temperature": "warm"}, "option-temperature"),
        ({"option-error_types": ["nonsense"]}, "option-error_types"),
    ],
)
def test_what_is_wrong_stands_at_its_field(changes, field, lead: Client, url: str, world: World):
    response = lead.post(url, form(world, **changes))
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not ModelJob.objects.exists()


def test_no_solution_fits(lead: Client, url: str, world: World):
    Solution.objects.update(final_answer_correct=False)
    response = lead.post(url, form(world))
    assert response.status_code == 400
    assert "No solution fits this selection." in check_html(response.content.decode())
    assert not ModelJob.objects.exists()


def test_an_engine_that_is_switched_off_is_not_offered(lead: Client, url: str, world: World):
    Engine.objects.update(is_active=False)
    response = lead.post(url, form(world))
    assert response.status_code == 400
    assert "engine" in response.context["form"].errors


def test_without_any_engine(lead: Client, url: str, world: World):
    Engine.objects.all().delete()
    assert "There is no engine yet" in words_of(lead.get(url))
    # Looking makes none; asking for it does.
    assert not Engine.objects.exists()
    assert lead.post(url, {"action": "scripted"}).headers["Location"] == url
    assert Engine.objects.get().is_scripted


def test_an_engineer_may_not(engineer: Client, url: str, world: World):
    assert engineer.post(url, form(world)).status_code == 403
    assert not ModelJob.objects.exists()


def test_by_source(lead: Client, url: str, world: World):
    lead.post(url, form(world, source="unit tests", shuffle="on"))
    job = ModelJob.objects.get()
    assert job.selection["source"] == "unit tests"
    assert job.selection["shuffle"] is True
