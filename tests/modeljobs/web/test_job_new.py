from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Solution
from modeljobs.methods.catalog import METHODS
from modeljobs.models import Engine, ModelJob
from modeljobs.services.engines import ensure_tiny_engine
from tests.labeling.factories import make_injection_item
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
        "drop_wrong_answers": False,
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
    response = lead.post(url, {"action": "shipped"})
    assert response.headers["Location"] == f"{url}?method=injection"
    assert set(Engine.objects.values_list("kind", flat=True)) == {"scripted", "tiny"}


def test_the_scripted_engine_is_not_offered_for_judging(lead: Client, url: str, world: World):
    assert "There is no engine yet" in words_of(lead.get(f"{url}?method=genprm"))
    tiny = ensure_tiny_engine()
    form_ = lead.get(f"{url}?method=genprm").context["form"]
    assert list(form_.fields["engine"].queryset) == [tiny]
    assert form_.fields["engine"].initial == tiny


def test_an_engineer_may_not(engineer: Client, url: str, world: World):
    assert engineer.post(url, form(world)).status_code == 403
    assert not ModelJob.objects.exists()


def test_by_source(lead: Client, url: str, world: World):
    lead.post(url, form(world, source="unit tests", shuffle="on"))
    job = ModelJob.objects.get()
    assert job.selection["source"] == "unit tests"
    assert job.selection["shuffle"] is True


# --- Any method -----------------------------------------------------------------------------------


def genprm_form(**changes: Any) -> dict[str, Any]:
    """What a browser sends of GenPRM's form as it comes, with boxes that are ticked."""
    values: dict[str, Any] = {"action": "start", "engine": ensure_tiny_engine().pk, "seed": "3"}
    for option in METHODS["genprm"].parameters:
        if option.type == "bool":
            if option.default:
                values[f"option-{option.name}"] = "on"
        elif option.default is not None:
            values[f"option-{option.name}"] = option.default
    return values | changes


def test_a_job_that_verifies_steps(lead: Client, url: str, world: World):
    Solution.objects.filter(pk=world.solutions[0].pk).update(final_answer_correct=False)
    response = lead.post(f"{url}?method=genprm", genprm_form(**{"option-samples": "4"}))
    job = ModelJob.objects.get()
    assert response.headers["Location"] == reverse("modeljobs:job", args=[job.pk])
    assert (job.method, job.seed, job.parameters["samples"]) == ("genprm", 3, 4)
    # Wrong solutions are what it is for.
    assert job.items.count() == 3


def test_its_form_is_drawn_from_what_it_declares(lead: Client, url: str, world: World):
    ensure_tiny_engine()
    response = lead.get(f"{url}?method=genprm")
    text = words_of(response)
    for option in METHODS["genprm"].parameters:
        assert option.title in text
    groups = {group.name: group.fields for group in response.context["form"].option_groups}
    assert [field.name for field in groups["sampling"]][:2] == [
        "option-temperature",
        "option-top_p",
    ]
    assert sum(len(fields) for fields in groups.values()) == len(METHODS["genprm"].parameters)
    # The box is there, and not ticked: any solution may be judged.
    assert not response.context["form"].fields["correct_only"].initial


def test_injected_solutions_alone(lead: Client, url: str, world: World):
    make_injection_item(world.project)
    counted = lead.post(
        f"{url}?method=genprm&fragment=count",
        genprm_form(action="count", kind="injections"),
    )
    assert "1 item from 1 solution" in words_of(counted)
    lead.post(f"{url}?method=genprm", genprm_form(kind="injections"))
    assert ModelJob.objects.get().selection["kind"] == "injections"


def test_a_fault_of_a_setting_stands_at_the_setting(lead: Client, url: str, world: World):
    response = lead.post(f"{url}?method=genprm", genprm_form(**{"option-max_tokens": "99999999"}))
    errors = response.context["form"].errors
    assert "option-max_tokens" in errors
    assert "budget-max_tokens" not in errors


@pytest.mark.parametrize("name", ["max_tokens", "max_cost", "max_seconds"])
def test_a_budget_is_more_than_nothing(name, lead: Client, url: str, world: World):
    response = lead.post(url, form(world, **{f"budget-{name}": "0"}))
    assert response.status_code == 400
    assert f"budget-{name}" in response.context["form"].errors


def test_a_tiny_engine_says_that_it_is_one(lead: Client, url: str, world: World):
    Engine.objects.create(name="Sums", kind="tiny")
    assert "Sums (tiny arithmetic model)" in words_of(lead.get(url))


def test_budgets(lead: Client, url: str, world: World):
    given = {"budget-max_tokens": "90000", "budget-max_seconds": "60"}
    lead.post(url, form(world, **given))
    assert ModelJob.objects.get().budgets == {"max_tokens": 90_000, "max_seconds": 60.0}


def test_a_budget_of_money_wants_prices(lead: Client, url: str, world: World):
    response = lead.post(url, form(world, **{"budget-max_cost": "3"}))
    assert response.status_code == 400
    assert "budget-max_cost" in response.context["form"].errors
    assert not ModelJob.objects.exists()
