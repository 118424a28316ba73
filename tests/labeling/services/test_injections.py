"""What a machine's injection is compared with when it comes in."""

from __future__ import annotations

from typing import Any

import pytest

from labeling import records
from labeling.models import Injection, Project, Solution, StepLink
from labeling.services.injections import find_lints, record_injection
from tests.labeling.factories import STEPS, make_project, make_solution, make_user

ALTERED = (
    STEPS[0],
    "Then by the rule that every beginner learns first $2+2=5$ holds without doubt.",
    "So the answer is $\\boxed{5}$.",
)


@pytest.fixture
def project(db: None) -> Project:
    return make_project(make_user("alice"))


def record(
    original: Solution,
    error_type: str = "deception",
    steps: tuple[str, ...] = ALTERED,
    **claim: Any,
) -> Injection:
    problem = records.Problem(
        text=original.problem.text,
        source_id=original.problem.source_key,
        family=original.problem.family.key,
    )
    given = {
        "claimed_error_positions": (1, 2),
        "claimed_changed_positions": (1, 2),
        "reason": "Step 2 adds wrongly, and step 3 repeats it.",
    }
    made = record_injection(
        original=original,
        proposal=records.Solution(
            problem=problem,
            steps=tuple(records.Step(text) for text in steps),
            source_id=f"{error_type}_{original.source_key}",
            injection=records.Injection(
                error_type=error_type,
                original_problem=original.problem.text,
                original_steps=STEPS,
                **(given | claim),
            ),
        ),
        producer="a test",
        provenance={},
        is_scripted=True,
    )
    assert made is not None
    return made


def codes(injection: Injection) -> list[str]:
    injection.refresh_from_db()
    return [lint["code"] for lint in injection.lints]


def test_it_works(project: Project) -> None:
    injection = record(make_solution(project))
    assert codes(injection) == []
    assert injection.blocking_lints == 0


def test_what_changed_is_found_by_comparing_and_stands_beside_the_claim(project: Project) -> None:
    injection = record(make_solution(project), claimed_changed_positions=(0,))
    assert injection.claimed_changed_positions == [0]
    links = StepLink.objects.filter(to_solution=injection.modified).exclude(kind="same")
    assert sorted(link.after.position for link in links if link.after) == [1, 2]
    assert codes(injection) == ["W11", "W12"]


def test_nearly_the_same_under_another_class_is_found_on_both(project: Project) -> None:
    original = make_solution(project)
    first = record(original)
    second = record(original, "confidence")
    assert codes(second) == ["W24"]
    assert codes(first) == ["W24"]


def test_the_same_change_in_another_family_is_nobodys_twin(project: Project) -> None:
    record(make_solution(project))
    other = make_solution(project, "two", question="How much do two and two make?")
    assert codes(record(other, "confidence")) == []


def test_lints_stored_at_first_are_those_found_later(project: Project) -> None:
    original = make_solution(project)
    made = [record(original), record(original, "confidence")]
    made.append(record(original, "circular", steps=(STEPS[0], STEPS[0], *STEPS[1:])))
    for injection in made:
        injection.refresh_from_db()
        assert injection.lints == find_lints(injection)
    assert made[2].lints


def test_blocking_lints_are_counted(project: Project) -> None:
    injection = record(make_solution(project), claimed_error_positions=(7,))
    assert "E03a" in codes(injection)
    assert injection.blocking_lints == 1
