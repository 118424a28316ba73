from __future__ import annotations

from typing import Any

import pytest

from modeljobs.costs import NO_PRICE, NOT_COUNTED, Prices, Usage, compute_cost, read_prices
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.selectors import has_uncounted_calls, measure_usage
from modeljobs.services.budgets import (
    Budgets,
    check_prices,
    find_excess,
    parse_budgets,
    read_budgets,
)
from tests.modeljobs.worlds import NOON, World
from workbench.errors import InvalidInput

EURO = Prices(prompt=0.5, completion=2.0, currency="EUR")


# --- As they are sent -------------------------------------------------------------------------


def test_it_works() -> None:
    budgets = parse_budgets({"max_tokens": 1_000, "max_cost": 5, "max_seconds": 60.5})

    assert budgets == Budgets(1_000, 5.0, 60.5)
    assert budgets.pack() == {"max_tokens": 1_000, "max_cost": 5.0, "max_seconds": 60.5}


@pytest.mark.parametrize("given", [None, {}, {"max_tokens": None, "max_cost": None}])
def test_none_is_no_bound(given: dict[str, Any] | None) -> None:
    budgets = parse_budgets(given)

    assert not budgets
    assert budgets.pack() == {}
    assert find_excess(budgets, Usage(10**9, 10**9, 5, 1e9), Prices()) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", -5),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("max_tokens", "1000"),
        ("max_cost", 0),
        ("max_cost", float("nan")),
        ("max_cost", float("inf")),
        ("max_cost", "5"),
        ("max_seconds", -1),
        ("max_seconds", False),
        ("max_watts", 5),
    ],
)
def test_what_is_no_budget(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_budgets({name: value})

    assert caught.value.extra["field"] == name


# --- Cost -------------------------------------------------------------------------------------


def test_prices_are_those_of_the_engine_as_the_job_keeps_it() -> None:
    settings = {"price_prompt": 0.5, "price_completion": 2, "currency": "EUR"}

    assert read_prices({"name": "Paid", "settings": settings}) == EURO


@pytest.mark.parametrize("price", [None, "", "2", -1, float("nan"), True])
def test_a_price_that_is_none(price: Any) -> None:
    prices = read_prices({"settings": {"price_prompt": price, "price_completion": 2.0}})

    assert prices.prompt is None
    assert not prices.is_known


def test_cost_is_by_the_million() -> None:
    # 3 million tokens read at 0.50, and 0.1 million written at 2.00.
    cost = compute_cost(Usage(prompt_tokens=3_000_000, completion_tokens=100_000), EURO)

    assert cost.amount == pytest.approx(3 * 0.5 + 0.1 * 2.0)
    assert (cost.currency, cost.unknown) == ("EUR", "")


def test_cost_is_unknown_without_a_price() -> None:
    cost = compute_cost(Usage(), Prices(prompt=0.5, currency="EUR"))

    assert (cost.amount, cost.unknown) == (None, NO_PRICE)


def test_cost_is_unknown_where_tokens_were_not_counted() -> None:
    cost = compute_cost(Usage(prompt_tokens=1_000, uncounted=1), EURO)

    assert (cost.amount, cost.unknown) == (None, NOT_COUNTED)


def test_what_is_free_costs_nothing_however_much_it_is() -> None:
    assert compute_cost(Usage(uncounted=3), Prices(0.0, 0.0, "EUR")).amount == 0.0


def test_a_budget_of_cost_needs_prices() -> None:
    check_prices(Budgets(max_cost=5.0), EURO)
    check_prices(Budgets(max_tokens=5), Prices())
    with pytest.raises(InvalidInput, match="has no prices") as caught:
        check_prices(Budgets(max_cost=5.0), Prices(prompt=1.0))
    assert caught.value.extra["field"] == "max_cost"


# --- Used up ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budgets", "usage"),
    [
        (Budgets(max_tokens=1_000), Usage(600, 399)),
        (Budgets(max_cost=2.0), Usage(1_000_000, 700_000)),
        (Budgets(max_seconds=60.0), Usage(seconds=59.9)),
    ],
)
def test_some_is_left(budgets: Budgets, usage: Usage) -> None:
    assert find_excess(budgets, usage, EURO) == ""


@pytest.mark.parametrize(
    ("budgets", "usage", "sentence"),
    [
        (
            Budgets(max_tokens=1_000),
            Usage(600, 424),
            "The budget of 1,000 tokens is used up: 1,024 were used, 24 beyond it.",
        ),
        (
            # 1 million read at 0.50 and 0.8 million written at 2.00: 2.10.
            Budgets(max_cost=2.0),
            Usage(1_000_000, 800_000),
            "The budget of 2.00 EUR is used up: 2.10 EUR were spent, 0.10 EUR beyond it.",
        ),
        (
            Budgets(max_cost=0.001),
            Usage(2_400, 0),
            "The budget of 0.0010 EUR is used up: 0.0012 EUR were spent, 0.00020 EUR beyond it.",
        ),
        (
            Budgets(max_seconds=60.0),
            Usage(seconds=72.4),
            "The budget of 60 seconds at work is used up: it took 72, 12 beyond it.",
        ),
        (
            Budgets(max_tokens=1_000),
            Usage(uncounted=1),
            "The budget of 1,000 tokens cannot be kept: the engine did not say of every call how "
            "many tokens it took.",
        ),
        (
            Budgets(max_cost=2.0),
            Usage(uncounted=1),
            "The budget of 2.00 EUR cannot be kept: the engine did not say of every call how many "
            "tokens it took.",
        ),
    ],
)
def test_it_says_which_budget_and_by_how_much(
    budgets: Budgets, usage: Usage, sentence: str
) -> None:
    assert find_excess(budgets, usage, EURO) == sentence


def test_a_budget_of_exactly_what_was_used_is_used_up() -> None:
    assert find_excess(Budgets(max_tokens=10), Usage(4, 6), EURO)


# --- From the rows ----------------------------------------------------------------------------


def add_call(item: JobItem, prompt: int | None, completion: int | None) -> None:
    ModelCall.objects.create(
        item=item,
        attempt=1,
        place=item.calls.count(),
        purpose="ask",
        outcome="ok",
        prompt_tokens=prompt,
        completion_tokens=completion,
        created_at=NOON,
    )


def test_usage_is_what_all_items_took(world: World) -> None:
    job, other = world.make_job(), world.make_job()
    JobItem.objects.filter(job=job).update(prompt_tokens=100, completion_tokens=10)
    JobItem.objects.filter(job=other).update(prompt_tokens=999)
    ModelJob.objects.filter(pk=job.pk).update(ran_seconds=12.5)
    job.refresh_from_db()

    usage = measure_usage(job, has_uncounted=False)

    # Three items.
    assert usage == Usage(300, 30, 0, 12.5)
    assert usage.tokens == 330


@pytest.mark.parametrize(("prompt", "completion"), [(None, 3), (3, None), (None, None)])
def test_one_call_that_was_not_counted_is_found(
    world: World, prompt: int | None, completion: int | None
) -> None:
    job = world.make_job()
    item = JobItem.objects.filter(job=job)[0]
    add_call(item, 5, 5)
    assert not has_uncounted_calls(job)
    add_call(item, prompt, completion)

    assert has_uncounted_calls(job)
    assert not has_uncounted_calls(world.make_job())


def test_a_job_keeps_its_budgets(world: World) -> None:
    job = world.make_job(budgets={"max_tokens": 5, "max_cost": None})

    assert job.budgets == {"max_tokens": 5}
    assert read_budgets(job) == Budgets(max_tokens=5)
