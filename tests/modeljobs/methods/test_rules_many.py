"""Ten thousand injections by rule: each checked again from its texts, linted, and the same anew."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest

from labeling.formats.lint import LintContext, lint_injection
from labeling.records import Injection, Problem, Solution, Step
from modeljobs.methods.rule_injection import (
    ALL_CLASSES,
    MULTI_SOLUTIONS,
    OTHER_SOLUTION,
    RuleInjection,
    inject_by_rule,
)
from modeljobs.methods.rules import RULES, SOLUTIONS
from tests.modeljobs.methods.rule_sources import Chain, make_chains
from tests.modeljobs.methods.rule_truths import TRUTHS, check_truth

COUNT = 10_000


@dataclass(frozen=True, slots=True)
class Made:
    chain: Chain
    injection: RuleInjection

    @property
    def record(self) -> Solution:
        made, chain = self.injection, self.chain
        return Solution(
            Problem(made.modified_question, source_id=chain.name, family=chain.name),
            tuple(Step(text) for text in made.modified_steps),
            source_id=f"{made.error_type}_{chain.name}",
            injection=Injection(
                error_type=made.error_type,
                original_problem=chain.question,
                original_steps=chain.steps,
                claimed_error_positions=made.error_positions,
                claimed_changed_positions=made.changed_positions,
                reason=made.reason,
            ),
        )


def make_injections(count: int) -> list[Made]:
    """One of each class from each chain, in turn, until there are so many."""
    found = []
    for number, chain in enumerate(make_chains(count // len(ALL_CLASSES) + 30)):
        for error_type in ALL_CLASSES:
            made = inject_by_rule(
                chain.question,
                chain.steps,
                error_type=error_type,
                seed=f"many:{chain.name}",
                # Every second time the calculations are to be done in another way.
                other_solution=chain.other if number % 2 else None,
            )
            if made is not None:
                found.append(Made(chain, made))
    return found[:count]


def digest(injections: list[Made]) -> str:
    texts = [
        [one.injection.error_type, one.injection.rule, one.injection.modified_question]
        + [*one.injection.modified_steps, *map(str, one.injection.error_positions)]
        for one in injections
    ]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


@pytest.fixture(scope="module")
def many() -> list[Made]:
    return make_injections(COUNT)


def test_there_are_ten_thousand_over_nine_classes(many: list[Made]) -> None:
    assert len(many) == COUNT
    counts = Counter(one.injection.error_type for one in many)
    assert counts.keys() == set(ALL_CLASSES)
    # A ninth is 1,111. The injected classes fit every solution; not each has another way.
    assert min(counts[error_type] for error_type in RULES) > 1_100
    assert counts[MULTI_SOLUTIONS] > 900
    assert len({digest([one]) for one in many}) == COUNT


def test_each_is_what_its_rule_says(many: list[Made]) -> None:
    for one in many:
        try:
            check_truth(one.injection, one.chain.question, one.chain.steps)
        except AssertionError as error:
            raise AssertionError(f"{one.injection} from {one.chain}") from error


def test_every_rule_has_a_check_and_is_used(many: list[Made]) -> None:
    names = {name for rules in RULES.values() for name in rules}
    names |= {OTHER_SOLUTION} | {rule.__name__ for rule in SOLUTIONS}
    assert TRUTHS.keys() == names
    assert {one.injection.rule for one in many} == names


def test_no_rule_is_most_of_its_class(many: list[Made]) -> None:
    used: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in many:
        used[one.injection.error_type][one.injection.rule] += 1
    for error_type, counts in used.items():
        assert len(counts) >= 3, error_type
        assert max(counts.values()) / counts.total() < 0.6, (error_type, counts)


def test_most_are_certain(many: list[Made]) -> None:
    certain = sum(one.injection.is_certain for one in many)
    assert certain / COUNT > 0.85
    by_class = Counter(one.injection.error_type for one in many if one.injection.is_certain)
    assert min(by_class[error_type] for error_type in ALL_CLASSES) > 250


def test_none_has_a_blocking_lint_and_few_a_hint(many: list[Made]) -> None:
    records = [one.record for one in many]
    context = LintContext.build(records)
    hints: Counter[str] = Counter()
    for one, record in zip(many, records, strict=True):
        found = lint_injection(record, context=context)
        assert not [lint for lint in found if lint.blocks], (one, found)
        hints.update({lint.code for lint in found})
    # A condition that is dropped is a changed question, and said to be one.
    dropped = sum(one.injection.modified_question != one.chain.question for one in many)
    assert hints.pop("W17") == dropped
    assert hints.total() / COUNT < 0.01, hints


def test_the_same_seeds_give_the_same_in_another_process() -> None:
    # Another process has other hashes: nothing may depend on the order of a set.
    code = (
        "from tests.modeljobs.methods.test_rules_many import digest, make_injections;"
        "print(digest(make_injections(900)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(make_injections(900))


def test_another_solution_is_presented_as_it_is() -> None:
    chains = [chain for chain in make_chains(200) if chain.other]
    assert len(chains) > 80
    for chain in chains:
        made = inject_by_rule(
            chain.question,
            chain.steps,
            error_type=MULTI_SOLUTIONS,
            seed=0,
            other_solution=chain.other,
        )
        assert made is not None
        assert (made.rule, made.modified_steps) == (OTHER_SOLUTION, chain.other)
