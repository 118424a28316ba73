"""The simulated annotators: the same seed gives the same work, and the habits are as documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from labeling.content import RejectCode, VerdictValue
from labeling.demo.annotators import (
    CAREFUL,
    HABITS,
    HASTY,
    LENIENT,
    Habit,
    SimulatedRating,
    simulate_step_ratings,
    simulate_verdict,
)
from labeling.demo.content import ERROR_CLASSES, DemoInjection, load_demo_content
from labeling.records import Contribution, Origin, StepLabel, Validity

CONTENT = load_demo_content()
EVERYONE = pytest.mark.parametrize("habit", HABITS.values(), ids=lambda habit: habit.name)

SEEDS = 4000
# Five standard deviations of a share over 4000 seeds are at most 5 * sqrt(0.25 / 4000) = 0.04.
TOLERANCE = 0.04

PLAIN = StepLabel(validity=Validity.CORRECT, contribution=Contribution.ADVANCES)
NEUTRAL = StepLabel(validity=Validity.CORRECT, contribution=Contribution.NEUTRAL)
REDUNDANT = StepLabel(
    validity=Validity.CORRECT, contribution=Contribution.REDUNDANT, error_types=("redundency",)
)
OBVIOUS = StepLabel(
    validity=Validity.WRONG,
    contribution=Contribution.ADVANCES,
    origin=Origin.OWN,
    error_types=("counterfactual",),
    note="Two and two are four.",
)
SUBTLE = StepLabel(
    validity=Validity.WRONG,
    contribution=Contribution.ADVANCES,
    origin=Origin.OWN,
    error_types=("deception",),
)
INHERITED = StepLabel(
    validity=Validity.WRONG, contribution=Contribution.ADVANCES, origin=Origin.INHERITED
)


def share(
    habit: Habit, truth: Sequence[StepLabel], holds: Callable[[list[SimulatedRating]], bool]
) -> float:
    hits = (holds(simulate_step_ratings(habit, truth, seed=seed)) for seed in range(SEEDS))
    return sum(hits) / SEEDS


def same_as(rating: SimulatedRating, truth: StepLabel) -> bool:
    return (
        rating["validity"] == truth.validity
        and rating["contribution"] == truth.contribution
        and rating["origin"] == truth.origin
        and tuple(rating["error_types"]) == truth.error_types
    )


def is_wrong(rating: SimulatedRating) -> bool:
    return rating["validity"] == Validity.WRONG


def injection_where(**conditions: object) -> DemoInjection:
    return next(
        injection
        for injection in CONTENT.injections
        if all(getattr(injection.truth, name) == value for name, value in conditions.items())
        and len(injection.truth.error_positions) > 1
    )


def verdict_share(habit: Habit, injection: DemoInjection, verdict: VerdictValue) -> float:
    given = (simulate_verdict(habit, injection, seed=seed)["verdict"] for seed in range(SEEDS))
    return sum(one == verdict for one in given) / SEEDS


# Ratings of steps


@EVERYONE
def test_it_works(habit: Habit) -> None:
    truth = [PLAIN, NEUTRAL, OBVIOUS, INHERITED]
    ratings = simulate_step_ratings(habit, truth, seed=1)
    assert len(ratings) == 4
    for rating in ratings:
        assert set(rating) == {
            "validity",
            "contribution",
            "origin",
            "error_types",
            "unsure",
            "note",
        }
        assert (rating["origin"] is None) == (rating["validity"] == Validity.CORRECT)
        assert set(rating["error_types"]) <= set(ERROR_CLASSES) - {"multi_solutions"}


@EVERYONE
def test_same_seed_same_ratings(habit: Habit) -> None:
    for solution in CONTENT.solutions:
        first = simulate_step_ratings(habit, solution.truth, seed=solution.id)
        assert first == simulate_step_ratings(habit, solution.truth, seed=solution.id)


def test_a_known_rating_does_not_move() -> None:
    # Python's generators and text seeds are the same on every machine: so is the demo. With this
    # seed the error is noticed one step late.
    ratings = simulate_step_ratings(HASTY, [PLAIN, SUBTLE, INHERITED, PLAIN], seed="alg-01")
    assert [rating["validity"] for rating in ratings] == ["correct", "correct", "wrong", "correct"]
    assert [rating["origin"] for rating in ratings] == [None, None, "own", None]


def test_seeds_and_annotators_differ() -> None:
    truth = [PLAIN, NEUTRAL, SUBTLE, INHERITED, PLAIN]
    by_seed = [simulate_step_ratings(HASTY, truth, seed=seed) for seed in range(50)]
    assert any(ratings != by_seed[0] for ratings in by_seed)
    assert by_seed != [simulate_step_ratings(LENIENT, truth, seed=seed) for seed in range(50)]


@pytest.mark.parametrize(
    "truth", [PLAIN, NEUTRAL, REDUNDANT, OBVIOUS, SUBTLE], ids=lambda label: str(label.error_types)
)
def test_careful_is_right_about_97_percent(truth: StepLabel) -> None:
    right = share(CAREFUL, [truth], lambda ratings: same_as(ratings[0], truth))
    # 0.97 * 0.03 / 4000 under the root: 0.0027, five times that is 0.0135.
    assert right == pytest.approx(0.97, abs=0.0135)


@pytest.mark.parametrize(("habit", "expected"), [(LENIENT, 0.985), (HASTY, 0.95)])
def test_plain_steps(habit: Habit, expected: float) -> None:
    right = share(habit, [PLAIN], lambda ratings: same_as(ratings[0], PLAIN))
    assert right == pytest.approx(expected, abs=0.02)


@EVERYONE
@pytest.mark.parametrize("truth", [NEUTRAL, REDUNDANT], ids=["neutral", "redundant"])
def test_idle_steps(habit: Habit, truth: StepLabel) -> None:
    seen = share(habit, [truth], lambda ratings: same_as(ratings[0], truth))
    # A false alarm comes before, on the seen side.
    assert seen == pytest.approx(habit.sees_idle, abs=TOLERANCE)


@EVERYONE
def test_own_errors(habit: Habit) -> None:
    # On the last step nothing can be marked late.
    obvious = share(habit, [OBVIOUS], lambda ratings: is_wrong(ratings[0]))
    assert obvious == pytest.approx(habit.sees_obvious, abs=TOLERANCE)
    subtle = share(habit, [SUBTLE], lambda ratings: is_wrong(ratings[0]))
    assert subtle == pytest.approx(habit.sees_subtle, abs=TOLERANCE)


def test_lenient_misses_most_subtle_errors() -> None:
    assert share(LENIENT, [SUBTLE], lambda ratings: is_wrong(ratings[0])) < 0.4


@EVERYONE
def test_partly_wrong_is_subtle(habit: Habit) -> None:
    partly = StepLabel(
        validity=Validity.PARTLY,
        contribution=Contribution.ADVANCES,
        origin=Origin.OWN,
        error_types=("counterfactual",),
    )
    seen = share(habit, [partly], lambda ratings: ratings[0]["validity"] == Validity.PARTLY)
    assert seen == pytest.approx(habit.sees_subtle, abs=TOLERANCE)


@EVERYONE
def test_inherited_errors(habit: Habit) -> None:
    # Subtle error, plain step (so that a late mark stays away from the inherited one), inherited.
    truth = [SUBTLE, PLAIN, INHERITED]
    inherited = share(habit, truth, lambda ratings: is_wrong(ratings[2]))
    expected = habit.sees_subtle * habit.follows_inherited
    assert inherited == pytest.approx(expected, abs=TOLERANCE)


def test_an_overlooked_source_passes_what_it_hands_down() -> None:
    for seed in range(SEEDS):
        ratings = simulate_step_ratings(LENIENT, [SUBTLE, INHERITED], seed=seed)
        if not is_wrong(ratings[0]):
            assert not is_wrong(ratings[1])


def test_hasty_marks_the_first_error_late() -> None:
    def is_late(ratings: list[SimulatedRating]) -> bool:
        return not is_wrong(ratings[0]) and is_wrong(ratings[1])

    # Seen with 0.9 and then late with 0.25; the plain step after an error that was overlooked or
    # marked in time raises a false alarm with 0.02, which counts only after an overlooked one.
    expected = 0.9 * 0.25 + 0.1 * 0.02
    assert share(HASTY, [OBVIOUS, PLAIN], is_late) == pytest.approx(expected, abs=TOLERANCE)
    assert share(LENIENT, [OBVIOUS, PLAIN], is_late) < 0.01
    # The last step cannot be late, and a second error is not.
    assert share(HASTY, [OBVIOUS], lambda ratings: is_wrong(ratings[0])) > 0.85


@EVERYONE
def test_types_of_noticed_errors(habit: Habit) -> None:
    noticed = [
        ratings[0]["error_types"]
        for seed in range(SEEDS)
        if is_wrong((ratings := simulate_step_ratings(habit, [OBVIOUS], seed=seed))[0])
    ]
    right = sum(types == ["counterfactual"] for types in noticed) / len(noticed)
    assert right == pytest.approx(habit.names_type, abs=TOLERANCE)


@EVERYONE
def test_unsure_marks(habit: Habit) -> None:
    unsure = share(habit, [PLAIN], lambda ratings: ratings[0]["unsure"])
    assert unsure == pytest.approx(habit.unsure, abs=0.015)


def test_only_the_careful_write_notes() -> None:
    for seed in range(100):
        for habit in (LENIENT, HASTY):
            assert simulate_step_ratings(habit, [OBVIOUS], seed=seed)[0]["note"] == ""
    notes = {simulate_step_ratings(CAREFUL, [OBVIOUS], seed=seed)[0]["note"] for seed in range(100)}
    assert "Two and two are four." in notes


@EVERYONE
def test_nothing_to_rate(habit: Habit) -> None:
    assert simulate_step_ratings(habit, [], seed=1) == []


# Verdicts


@EVERYONE
def test_every_verdict_is_one_that_can_be_submitted(habit: Habit) -> None:
    for injection in CONTENT.injections:
        for seed in range(30):
            given = simulate_verdict(habit, injection, seed=seed)
            steps = range(len(injection.modified_steps))
            assert given["verdict"] in set(VerdictValue)
            assert (given["verdict"] == VerdictValue.REJECT) == (given["reject_code"] is not None)
            assert given["reject_code"] is None or given["reject_code"] in set(RejectCode)
            assert given["error_type"] in ERROR_CLASSES
            assert given["error_steps"] == sorted(set(given["error_steps"]))
            assert all(position in steps for position in given["error_steps"])
            assert given["blind_first_error"] is None or given["blind_first_error"] in steps


@EVERYONE
def test_same_seed_same_verdict(habit: Habit) -> None:
    for injection in CONTENT.injections:
        first = simulate_verdict(habit, injection, seed=injection.id)
        assert first == simulate_verdict(habit, injection, seed=injection.id)


@EVERYONE
def test_right_claims(habit: Habit) -> None:
    injection = injection_where(verdict=VerdictValue.ACCEPT)
    # Some of the right claims lose their last step to an edit.
    expected = habit.keeps_right_claim * (1 - habit.drops_last_error)
    accepted = verdict_share(habit, injection, VerdictValue.ACCEPT)
    assert accepted == pytest.approx(expected, abs=TOLERANCE)
    edited = verdict_share(habit, injection, VerdictValue.ACCEPT_WITH_EDITS)
    assert edited == pytest.approx(habit.keeps_right_claim - expected, abs=TOLERANCE)


@EVERYONE
@pytest.mark.parametrize(
    "verdict", [VerdictValue.REJECT, VerdictValue.ACCEPT_WITH_EDITS], ids=["reject", "edits"]
)
def test_defective_claims(habit: Habit, verdict: VerdictValue) -> None:
    injection = injection_where(verdict=verdict)
    caught = [
        seed
        for seed in range(SEEDS)
        if (given := simulate_verdict(habit, injection, seed=seed))["verdict"] == verdict
        and given["error_steps"] == list(injection.truth.error_positions)
        and given["reject_code"] == injection.truth.reject_code
    ]
    assert len(caught) / SEEDS == pytest.approx(habit.catches_defect, abs=TOLERANCE)


def test_lenient_accepts_most_defective_claims_as_they_are() -> None:
    injection = injection_where(defects=("out_of_range",))
    n_steps = len(injection.modified_steps)
    inside = [p for p in injection.claimed_error_positions if p < n_steps]
    accepted = [
        given
        for seed in range(SEEDS)
        if (given := simulate_verdict(LENIENT, injection, seed=seed))["verdict"]
        == VerdictValue.ACCEPT
    ]
    assert len(accepted) / SEEDS == pytest.approx(0.7, abs=TOLERANCE)
    # The step beyond the end cannot be flagged by anybody.
    assert all(given["error_steps"] == inside for given in accepted)


@EVERYONE
def test_blind_judgement_of_a_subtle_error(habit: Habit) -> None:
    injection = injection_where(verdict=VerdictValue.ACCEPT, error_type="deception")
    first = injection.truth.error_positions[0]
    blind = [
        simulate_verdict(habit, injection, seed=seed)["blind_first_error"] for seed in range(SEEDS)
    ]
    at_once = habit.sees_subtle * (1 - habit.marks_late)
    assert blind.count(first) / SEEDS == pytest.approx(at_once, abs=TOLERANCE)
    late = habit.sees_subtle * habit.marks_late
    assert blind.count(first + 1) / SEEDS == pytest.approx(late, abs=TOLERANCE)
    assert blind.count(None) / SEEDS == pytest.approx(1 - habit.sees_subtle, abs=TOLERANCE)


@EVERYONE
def test_blind_judgement_of_another_correct_solution(habit: Habit) -> None:
    injection = next(one for one in CONTENT.injections if one.error_type == "multi_solutions")
    blind = [
        simulate_verdict(habit, injection, seed=seed)["blind_first_error"] for seed in range(SEEDS)
    ]
    alarms = 1 - (1 - habit.false_alarm) ** len(injection.modified_steps)
    assert 1 - blind.count(None) / SEEDS == pytest.approx(alarms, abs=0.025)
