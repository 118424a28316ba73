"""Each lint on hundreds of corrupted claims, and on thousands of clean ones.

The claims are made by rule, so that what is right about them is known; the corruptions are those
of `lint_mutations`. The same is measured on published rows in `tests/real_data`.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from labeling.formats.lint import LINTS, LintContext, lint_injection
from labeling.formats.lint.texts import find_announcement
from labeling.records import Solution
from tests.labeling.formats.lint_mutations import (
    ANNOUNCEMENTS,
    MUTATORS,
    Tally,
    has_question_of_its_own,
    measure,
)
from tests.modeljobs.methods.test_rules_many import make_injections

CLEAN = 1_800
# Of each lint.
MUTANTS = 150
LEAST_FOUND = 0.99
MOST_FALSE_ALARMS = 0.01


@pytest.fixture(scope="module")
def clean() -> list[Solution]:
    return [made.record for made in make_injections(CLEAN)]


@pytest.fixture(scope="module")
def tallies(clean: list[Solution]) -> dict[str, Tally]:
    return measure(clean, most=MUTANTS)


@pytest.fixture(scope="module")
def alarms(clean: list[Solution]) -> Counter[str]:
    """How many clean injections have each lint."""
    context = LintContext.build(clean)
    found: Counter[str] = Counter()
    for solution in clean:
        codes = {lint.code for lint in lint_injection(solution, context=context)}
        # A question that was changed is to be named, whoever changed it.
        if has_question_of_its_own(solution):
            assert "W17" in codes
            codes.remove("W17")
        found.update(codes)
    return found


def test_every_lint_has_a_corruption() -> None:
    assert MUTATORS.keys() == LINTS.keys()


@pytest.mark.parametrize("code", LINTS)
def test_a_corruption_is_found(code: str, tallies: dict[str, Tally]) -> None:
    tally = tallies[code]
    assert tally.tried == MUTANTS
    assert tally.rate >= LEAST_FOUND, tally.escaped


@pytest.mark.parametrize("code", LINTS)
def test_a_clean_claim_raises_no_alarm(code: str, alarms: Counter[str]) -> None:
    assert alarms[code] / CLEAN <= MOST_FALSE_ALARMS


@pytest.mark.parametrize("code", LINTS)
def test_a_corruption_is_one(code: str, clean: list[Solution]) -> None:
    rng = random.Random(code)
    mutants = [
        (base, mutant) for base in clean[:90] if (mutant := MUTATORS[code](base, rng)) is not None
    ]
    assert mutants
    for base, mutant in mutants:
        assert mutant.solution != base or mutant.others


@pytest.mark.parametrize("said", ANNOUNCEMENTS)
def test_an_announcement_in_plain_words_is_found(said: str) -> None:
    assert find_announcement(f"Hence $x = 3$. {said}") is not None
