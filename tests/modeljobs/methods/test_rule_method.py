from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from labeling import records
from labeling.formats.lint import has_blocking, lint_injection
from labeling.records import Injection, Problem, Solution, Step
from modeljobs.engines.base import CompletionRequest, EngineReply
from modeljobs.engines.options import validate_options
from modeljobs.engines.scripted import ScriptedEngine
from modeljobs.methods.base import Failed, ItemInput, ItemResult, Produced, collect_events
from modeljobs.methods.catalog import get_method
from modeljobs.methods.decoys import COPY, DECOYS, REASONS, REWORDED, SHIFTED, make_decoy
from modeljobs.methods.rule_injection import ALL_CLASSES, INJECTED_CLASSES, MULTI_SOLUTIONS
from modeljobs.methods.rule_method import RuleInjectionMethod
from modeljobs.methods.rules import REWORDINGS, RULES, SOLUTIONS, Source
from tests.modeljobs.methods.rule_sources import make_chains
from tests.modeljobs.methods.rule_truths import count_false

METHOD = RuleInjectionMethod()
ROOT = Path(__file__).resolve().parents[3]
QUESTION = "She has $45$ pens and buys $37$. She sells half of the pens. How many are left?"
STEPS = (
    "Together there are $45 + 37 = 82$ pens.",
    "Then half of them is $82 / 2 = 41$.",
    "So $41$ pens are left.",
)
REFERENCE = "Half of $45 + 37$ is to be found.\n\nThat is $82 / 2$.\n\nThe answer is $41$."


class SilentEngine(ScriptedEngine):
    """Fails the test that asks it."""

    async def complete(self, request: CompletionRequest) -> EngineReply:
        raise AssertionError("The method asked its engine.")


class RealEngine(SilentEngine):
    @property
    def is_scripted(self) -> bool:
        return False


def make_source(**changes: Any) -> Solution:
    problem = Problem(QUESTION, source_id="pens", reference_answer="41", **changes)
    return Solution(problem, tuple(map(Step, STEPS)), source_id="pens-a")


def run(
    unit: str,
    *,
    source: Solution | None = None,
    seed: int = 0,
    engine: ScriptedEngine | None = None,
    key: str = "",
    **settings: Any,
) -> ItemResult:
    item = ItemInput(key or f"7:{unit}", source or make_source(), unit)
    values = validate_options(METHOD.parameters, settings)
    events = METHOD.run(item, engine=engine or SilentEngine(), settings=values, rng_seed=seed)
    return asyncio.run(collect_events(events))


def make(unit: str, **options: Any) -> tuple[Solution, Injection, dict[str, Any]]:
    """The product, its claim and the truth about it."""
    result = run(unit, **options)
    assert result.failure is None
    (produced,) = result.products
    solution = produced.product
    assert isinstance(solution, Solution)
    assert solution.injection is not None
    return solution, solution.injection, dict(produced.provenance["truth"])


def make_texts(unit: str, **options: Any) -> tuple[str, ...]:
    return tuple(step.text for step in make(unit, **options)[0].steps)


def test_it_works() -> None:
    for error_type in INJECTED_CLASSES:
        solution, claim, truth = make(error_type)
        assert claim.error_type == error_type
        assert claim.original_steps == STEPS
        assert tuple(truth["error_positions"]) == claim.claimed_error_positions != ()
        assert truth["verdict"] == "accept"
        assert truth["error_type"] == error_type
        assert truth["rule"] in RULES[error_type]
        assert isinstance(truth["certain"], bool)
        assert solution.problem.family == "pens"


def test_it_is_in_the_catalogue() -> None:
    assert get_method("rule_injection") == METHOD


def test_no_engine_is_asked_and_a_real_one_is_refused() -> None:
    result = run("deception", engine=RealEngine())
    assert (result.products, result.calls) == ((), ())
    assert result.failure is not None
    assert result.failure.reason_code == "no_model_needed"
    assert "scripted engine" in result.failure.message


def test_it_neither_judges_nor_needs_a_sandbox() -> None:
    assert not METHOD.judges
    assert not METHOD.asks_engine
    assert not METHOD.needs_sandbox(validate_options(METHOD.parameters, {}))


def test_there_is_a_unit_for_each_class_and_number() -> None:
    settings = {"error_types": ["circular", "deception"], "per_class": 3}
    assert METHOD.units(validate_options(METHOD.parameters, settings)) == (
        *("circular", "circular:2", "circular:3"),
        *("deception", "deception:2", "deception:3"),
    )


def test_the_second_of_a_class_is_another_one() -> None:
    made = {make_texts(unit, per_class=9) for unit in ("deception", "deception:2")}
    assert len(made) == 2


def test_the_same_seed_and_key_give_the_same_product() -> None:
    assert run("confidence", seed=3) == run("confidence", seed=3)
    assert len({make_texts("confidence", seed=seed) for seed in range(20)}) > 5
    assert len({make_texts("confidence", key=str(key)) for key in range(20)}) > 5


def test_what_is_certain_alone_on_demand() -> None:
    for seed in range(40):
        result = run("missing_condition", seed=seed, certain_only=True)
        if result.products:
            assert result.products[0].provenance["truth"]["certain"]


def test_where_no_rule_is_certain_it_says_so() -> None:
    source = Solution(Problem("Why?"), (Step("Think."), Step("Answer.")))
    result = run("missing_condition", source=source, certain_only=True)
    assert result.failure is not None
    assert result.failure.reason_code == "no_rule_fits"


@pytest.mark.parametrize(
    "source",
    [
        Solution(Problem("Q?"), (Step("A."),), final_answer_correct=False),
        Solution(Problem("Q?"), (Step(" "),)),
        Solution(Problem(" "), (Step("A."),)),
    ],
)
def test_an_unsuitable_source_is_refused(source: Solution) -> None:
    result = run("deception", source=source)
    assert result.failure is not None
    assert result.failure.reason_code == "unsuitable_source"


def test_a_changed_question_has_no_known_answer() -> None:
    found = [make("missing_condition", seed=seed)[0] for seed in range(40)]
    changed = [one.problem for one in found if one.problem.text != QUESTION]
    assert changed
    assert all(problem.reference_answer is None for problem in changed)
    kept = [one.problem for one in found if one.problem.text == QUESTION]
    assert all(problem.reference_answer == "41" for problem in kept)


# The class without an error


def test_the_reference_solution_is_another_solution() -> None:
    source = make_source(reference_solution=REFERENCE)
    solution, claim, truth = make(MULTI_SOLUTIONS, source=source)
    assert [step.text for step in solution.steps] == REFERENCE.split("\n\n")
    assert claim.claimed_error_positions == ()
    assert (truth["verdict"], truth["rule"]) == ("accept", "other_solution")


def test_the_solutions_own_reference_is_no_other_one() -> None:
    source = make_source(reference_solution="\n\n".join(STEPS))
    _solution, _claim, truth = make(MULTI_SOLUTIONS, source=source)
    assert truth["rule"] in ("split_operations", "round_and_correct")


def test_where_there_is_no_other_solution_it_says_so() -> None:
    source = Solution(Problem("Why?"), (Step("Think."),))
    result = run(MULTI_SOLUTIONS, source=source)
    assert result.failure is not None
    assert result.failure.reason_code == "no_other_solution"


# Decoys


def test_as_many_decoys_as_asked() -> None:
    verdicts = Counter(
        make("deception", key=str(key), decoys=0.25)[2]["verdict"] for key in range(400)
    )
    # 400 draws at 0.25: 100 ± 9 (one standard deviation).
    assert 60 < verdicts["reject"] + verdicts["accept_with_edits"] < 140
    assert min(verdicts["reject"], verdicts["accept_with_edits"]) > 20


def test_without_a_share_there_is_none() -> None:
    assert all(make("circular", key=str(key))[2]["verdict"] == "accept" for key in range(100))


@pytest.mark.parametrize("kind", DECOYS)
@pytest.mark.parametrize("error_type", INJECTED_CLASSES)
def test_a_decoy_is_what_its_truth_says(kind: str, error_type: str) -> None:
    made = 0
    for number, chain in enumerate(make_chains(60)):
        decoy = make_decoy(
            chain.question, chain.steps, error_type=error_type, kind=kind, seed=number
        )
        if decoy is None:
            continue
        made += 1
        truth = decoy.truth
        assert decoy.error_positions
        assert all(f"tep {k + 1}" in decoy.reason for k in decoy.error_positions)
        if kind == COPY:
            assert (truth.verdict, truth.error_positions) == ("reject", ())
            assert decoy.steps == chain.steps
        elif kind == REWORDED:
            assert (truth.verdict, truth.error_positions) == ("reject", ())
            assert len(decoy.steps) == len(chain.steps)
            different = [k for k, step in enumerate(decoy.steps) if step != chain.steps[k]]
            assert tuple(different) == decoy.error_positions
            # Nothing that held before is false now.
            assert count_false(" ".join(decoy.steps)) == count_false(" ".join(chain.steps))
        else:
            assert truth.verdict == "accept_with_edits"
            by = {
                claimed - true
                for claimed, true in zip(decoy.error_positions, truth.error_positions, strict=True)
            }
            assert by in ({1}, {-1})
            assert truth.rule.removeprefix(f"{SHIFTED}:") in RULES[error_type]
    # An error at both ends of a solution cannot be counted off by one.
    assert made > 30


@pytest.mark.parametrize("kind", [REWORDED, SHIFTED])
def test_only_a_copy_shows_in_a_blocking_lint(kind: str) -> None:
    for number, chain in enumerate(make_chains(60)):
        decoy = make_decoy(
            chain.question, chain.steps, error_type="deception", kind=kind, seed=number
        )
        if decoy is None:
            continue
        claim = Injection(
            decoy.error_type,
            chain.question,
            chain.steps,
            decoy.error_positions,
            decoy.changed_positions,
            decoy.reason,
        )
        solution = Solution(Problem(decoy.question), tuple(map(Step, decoy.steps)), injection=claim)
        assert not has_blocking(lint_injection(solution))


def test_a_second_solution_may_be_a_wrong_one() -> None:
    source = make_source(reference_solution=REFERENCE)
    solution, claim, truth = make(
        MULTI_SOLUTIONS, source=source, decoys=1.0, decoy_kinds=["reworded"]
    )
    assert (claim.error_type, claim.claimed_error_positions) == (MULTI_SOLUTIONS, ())
    assert truth["verdict"] == "reject"
    (position,) = truth["error_positions"]
    assert solution.steps[position].text not in REFERENCE


def test_an_unknown_decoy_is_named() -> None:
    with pytest.raises(ValueError, match="no decoy 'duck'"):
        make_decoy("Q?", ("A.",), error_type="deception", kind="duck", seed=0)


@pytest.mark.parametrize("reword", REWORDINGS, ids=lambda rule: rule.__name__)
def test_a_reworded_step_stays_true(reword: Any) -> None:

    rng, made = random.Random(0), 0
    for chain in make_chains(150):
        rewrite = reword(Source(chain.question, chain.steps), rng)
        if rewrite is None:
            continue
        made += 1
        (k,) = rewrite.changed
        assert rewrite.steps[k] != chain.steps[k]
        assert (*rewrite.steps[:k], *rewrite.steps[k + 1 :]) == (
            *chain.steps[:k],
            *chain.steps[k + 1 :],
        )
        assert count_false(rewrite.steps[k]) == count_false(chain.steps[k])
    assert made > 50


# What may be told to whom


def find_secrets() -> set[str]:
    rules = {name for kinds in RULES.values() for name in kinds}
    return rules | {rule.__name__ for rule in (*SOLUTIONS, *REWORDINGS)} | {*DECOYS, "decoy"}


def test_nothing_but_the_truth_tells_a_decoy_from_an_honest_claim() -> None:
    """The product and the rest of its provenance are alike in all but question, steps and claim."""
    seen = set()
    for key in range(60):
        for error_type in ALL_CLASSES:
            result = run(error_type, key=f"{key}:{error_type}", decoys=0.5)
            produced = result.products[0]
            assert isinstance(produced, Produced)
            assert isinstance(produced.product, Solution)
            told = {name: value for name, value in produced.provenance.items() if name != "truth"}
            told["seed"] = 0
            product = dataclasses.replace(produced.product, steps=(), injection=None)
            product = dataclasses.replace(
                product, problem=dataclasses.replace(product.problem, text="", reference_answer="")
            )
            seen.add((error_type, json.dumps(told, sort_keys=True), repr(product), produced.notes))
    assert len(seen) == len(ALL_CLASSES)
    words = re.findall(r"[a-z_]+", " ".join(map(repr, seen)))
    assert not find_secrets() & set(words)


def test_reasons_of_decoys_are_worded_as_those_of_rules() -> None:
    assert REASONS.keys() == set(INJECTED_CLASSES)
    assert all(reason.startswith("Step {n} ") and reason[-1] == "." for reason in REASONS.values())


def test_a_record_has_no_place_for_the_truth() -> None:
    # Formats write records: what a record cannot hold no release can tell.
    assert "truth" not in {field.name for field in dataclasses.fields(records.Injection)}


@pytest.mark.parametrize("folder", ["labeling/api", "labeling/web", "modeljobs/web", "templates"])
def test_no_page_and_no_serializer_shows_it(folder: str) -> None:
    names = re.compile(r"injection\w*\.truth\b|[\"']truth[\"']|\btruth\s*=\s*serializers")
    files = [
        path
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".html", ".js")
    ]
    assert files
    assert [str(path) for path in files if names.search(path.read_text(encoding="utf-8"))] == []


def test_a_failure_is_a_sentence() -> None:
    for result in (
        run("deception", engine=RealEngine()),
        run(MULTI_SOLUTIONS, source=Solution(Problem("Why?"), (Step("Think."),))),
    ):
        assert isinstance(result.failure, Failed)
        assert result.failure.message.endswith(".")
