from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from labeling.records import (
    At,
    Contribution,
    LabelSet,
    NoError,
    Problem,
    Score,
    Solution,
    Step,
    Unknown,
    Validity,
)
from modeljobs.engines.base import Capabilities, EnginePermanent
from modeljobs.engines.options import validate_options
from modeljobs.engines.scripted import ScriptedEngine, ScriptSettings
from modeljobs.methods.base import ItemInput, ItemResult, Outcome, collect_events
from modeljobs.methods.prm.method import PrmMethod
from tests.modeljobs.methods.prm.fakes import FakeEngine

METHOD = PrmMethod()
Answer = Callable[[int], Sequence[Sequence[float]]]


def run(engine: Any, *steps: str, **settings: Any) -> ItemResult:
    solution = Solution(Problem("Q?"), tuple(Step(text) for text in steps))
    events = METHOD.run(
        ItemInput("s1", solution),
        engine=engine,
        settings=validate_options(METHOD.parameters, settings),
        rng_seed=7,
    )
    return asyncio.run(collect_events(events))


def find_labels(result: ItemResult) -> Any:
    """The one set of labels that was made."""
    [made] = result.products
    assert isinstance(made.product, LabelSet)
    return made.product


def always(*rows: Sequence[float]) -> FakeEngine:
    return FakeEngine(lambda count: rows)


def test_it_works() -> None:
    engine = always((0.1, 0.9), (0.8, 0.2), (0.4, 0.6))
    result = run(engine, "a", "b", "c")
    assert result.outcome is Outcome.DONE
    found = find_labels(result)
    labels = found.labels
    assert [one.validity for one in labels] == [
        Validity.CORRECT,
        Validity.WRONG,
        Validity.CORRECT,
    ]
    assert labels[1].score == Score(0.2, "probability", ">0.5")
    assert found.first_error == At(1)
    assert found.method == "prm"


def test_one_request_and_it_is_stored() -> None:
    engine = always((0.1, 0.9), (0.8, 0.2))
    result = run(engine, "a", "b")
    [record] = result.pools
    assert record.request is engine.asked[0]
    assert (record.request.key, record.purpose, record.is_usable) == ("s1/prm", "score", True)
    assert len(engine.asked) == 1


def test_each_step_is_reported() -> None:
    result = run(always((0.1, 0.9), (0.8, 0.2)), "a", "b")
    first, second = result.steps
    assert (first.position, first.kind, first.detail) == (0, "prm", {})
    assert second.summary == {
        "scores": [
            {
                "name": "validity",
                "raw": 0.2,
                "scale": "probability",
                "rule": ">0.5",
                "verdict": False,
            }
        ],
        "verdict": False,
        "uncertainty": None,
        "family": "qwen_prm",
        "template": second.summary["template"],
        "token": second.summary["token"],
        "samples": 1,
        "reason": "",
    }
    assert second.summary["template"].startswith("qwen_prm-")
    assert second.summary["token"] > first.summary["token"]


def test_the_record_says_how_it_came_about() -> None:
    [made] = run(always((0.1, 0.9)), "a", threshold=0.95).products
    assert made.provenance["family"] == "qwen_prm"
    assert made.provenance["rule"] == ">0.95"
    assert made.provenance["template"].startswith("qwen_prm-")
    assert made.provenance["engine"] == {"kind": "fake", "name": "fake"}
    assert made.provenance["served_models"] == ["served"]
    assert made.provenance["is_scripted"] is False


def test_no_wrong_step_is_no_error() -> None:
    assert find_labels(run(always((0.1, 0.9)), "a")).first_error == NoError()


def test_skywork_stores_its_score_and_judges_the_difference() -> None:
    # Logistic values 0.5, 0.88, 0.27: the third is 0.61 lower than the second.
    result = run(always((0.0,), (2.0,), (-1.0,)), "a", "b", "c", family="skywork")
    last = find_labels(result).labels[2]
    assert last.validity is Validity.WRONG
    assert last.score.raw == pytest.approx(0.2689, abs=1e-4)
    assert (last.score.scale, last.score.rule) == ("probability", "difference>-0.05")
    scores = result.steps[2].summary["scores"]
    assert [one["name"] for one in scores] == ["reward", "difference"]
    assert scores[1]["raw"] == pytest.approx(-0.6119, abs=1e-4)
    assert (scores[0]["verdict"], scores[1]["verdict"]) == (None, False)


def test_reasoneval_has_two_scores() -> None:
    engine = always((0.1, 0.3, 0.6), (0.05, 0.05, 0.9), (0.9, 0.05, 0.05), (0.6, 0.3, 0.1))
    found = find_labels(run(engine, "a", "b", "c", "d", family="reasoneval"))
    redundant, good, wrong, both = found.labels
    assert redundant.score.raw == pytest.approx(0.9)
    assert redundant.redundancy == Score(0.3, "probability", ">0.15")
    assert (redundant.validity, redundant.contribution) == (
        Validity.CORRECT,
        Contribution.REDUNDANT,
    )
    assert good.contribution is Contribution.ADVANCES
    assert (wrong.validity, wrong.contribution) == (Validity.WRONG, None)
    assert (both.validity, both.contribution) == (Validity.WRONG, Contribution.REDUNDANT)


def test_an_ensemble_that_disagrees_is_unsure() -> None:
    engine = always((4.0, 4.0), (4.0, -1.0), (0.2, 0.2))
    result = run(engine, "a", "b", "c", family="actprm")
    # Agreed and clear; not agreed; agreed and not clear.
    assert [one.unsure for one in find_labels(result).labels] == [False, True, True]
    assert result.steps[0].summary["uncertainty"] == 0.0
    assert result.steps[1].summary["uncertainty"] > 0.3


def test_a_number_that_is_none_leaves_the_step_unjudged() -> None:
    engine = always((0.1, 0.9), (float("nan"), 0.5), (0.1, 0.9))
    result = run(engine, "a", "b", "c")
    assert find_labels(result).labels[1] is None
    assert find_labels(result).first_error == Unknown("step 2 has no score")
    summary = result.steps[1].summary
    assert summary["scores"][0]["raw"] is None
    assert "not finite" in summary["reason"]


def test_no_number_at_all_is_a_failure() -> None:
    result = run(always((float("nan"), 0.5)), "a")
    assert result.outcome is Outcome.UNPARSED
    assert result.failure is not None
    assert result.failure.reason_code == "no_scores"


def test_an_exact_zero_moves_no_score() -> None:
    engine = always((1.0, 0.0), (0.0, 1.0), (1.0, 0.0))
    found = find_labels(run(engine, "a", "b", "c"))
    assert [one.score.raw for one in found.labels] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("rows", [1, 3])
def test_another_number_of_rows_is_a_failure(rows: int) -> None:
    result = run(FakeEngine(lambda count: [(0.1, 0.9)] * rows), "a", "b")
    assert result.failure is not None
    assert result.failure.reason_code == "row_count"
    assert "which row belongs to which step" in result.failure.message
    assert not result.products
    # What was paid for is kept, with the reason that it is of no use.
    assert result.pools[0].problem == result.failure.message


def test_a_text_longer_than_the_context_is_not_sent() -> None:
    engine = always((0.1, 0.9))
    engine.capabilities = Capabilities(pooling=True, context_length=20)
    result = run(engine, "a")
    assert result.failure is not None
    assert result.failure.reason_code == "context_overflow"
    assert not engine.asked


@pytest.mark.parametrize(
    "engine",
    [
        ScriptedEngine(ScriptSettings()),
        FakeEngine(lambda count: [], capabilities=Capabilities()),
    ],
)
def test_an_engine_that_scores_nothing_is_refused(engine: Any) -> None:
    with pytest.raises(EnginePermanent, match="does not score") as caught:
        run(engine, "a")
    assert caught.value.code == "no_pooling"


def test_a_solution_without_steps() -> None:
    result = run(always(), "")
    assert result.failure is not None
    assert result.failure.reason_code == "unsuitable_source"


def test_an_empty_last_step_is_not_judged() -> None:
    found = find_labels(run(always((0.1, 0.9)), "a", " "))
    assert found.labels[1] is None
    assert found.first_error == NoError()


def test_a_step_without_text_says_so() -> None:
    engine = always((0.1, 0.2, 0.7), (0.1, 0.2, 0.7))
    result = run(engine, "a", "", "b", family="reasoneval")
    assert "no text" in result.steps[1].summary["reason"]
    assert result.steps[1].summary["token"] is None
    assert find_labels(result).labels[1] is None


def test_it_needs_no_sandbox_and_judges() -> None:
    settings = validate_options(METHOD.parameters, {})
    assert METHOD.judges
    assert not METHOD.needs_sandbox(settings)
    assert METHOD.units(settings) == ("",)
