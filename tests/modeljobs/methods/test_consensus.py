from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.records import At, FirstError, NoError, Unknown
from modeljobs.methods.consensus import (
    Candidate,
    Consensus,
    ConsensusRule,
    Decision,
    SameModel,
    Vote,
    check_models,
    compare_steps,
    filter_solutions,
    find_consensus,
    find_first_errors,
    imply_label,
    settle_judge,
)

PUBLISHED = ConsensusRule()
GOOD, BAD = True, False
UNREAD = Unknown("the reply has no index")


def find(rpe: list[bool | None], *judged: FirstError, rule: ConsensusRule = PUBLISHED) -> Consensus:
    return find_consensus(Candidate("s1", tuple(rpe), judged, "policy", "judge"), rule)


# --- The published rule ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rpe", "judged"),
    [
        ([GOOD, GOOD, GOOD], NoError()),
        ([GOOD, BAD, BAD], At(1)),
        ([BAD, BAD], At(0)),
        ([GOOD, GOOD, BAD], At(2)),
    ],
)
def test_a_solution_is_kept_where_every_step_agrees(rpe, judged):
    assert find(rpe, judged).is_kept


@pytest.mark.parametrize(
    ("rpe", "judged", "first"),
    [
        # One step off is enough.
        ([GOOD, GOOD, GOOD], At(2), 2),
        ([GOOD, GOOD, BAD], NoError(), 2),
        ([GOOD, BAD, BAD], At(2), 1),
        # From the first error on all are wrong: a recovery disagrees.
        ([GOOD, BAD, GOOD], At(1), 2),
    ],
)
def test_one_step_that_disagrees_drops_the_solution(rpe, judged, first):
    found = find(rpe, judged)
    assert found.decision is Decision.DISAGREEMENT
    assert found.first_disagreement == first


def test_the_prefix_scope_ends_with_the_first_error():
    rule = ConsensusRule(scope="prefix")
    found = find([GOOD, BAD, GOOD], At(1), rule=rule)
    assert found.is_kept
    assert [step.agrees for step in found.steps] == [True, True, None]


def test_the_prefix_scope_still_sees_a_wrong_place():
    rule = ConsensusRule(scope="prefix")
    assert find([GOOD, BAD, BAD], At(2), rule=rule).first_disagreement == 1
    assert find([GOOD, GOOD, BAD], At(1), rule=rule).first_disagreement == 1


def test_an_open_step_keeps_the_solution_from_being_kept():
    assert find([GOOD, None, GOOD], NoError()).decision is Decision.RPE_OPEN


def test_an_open_step_after_the_prefix_does_no_harm():
    rule = ConsensusRule(scope="prefix")
    assert find([GOOD, BAD, None], At(1), rule=rule).is_kept


def test_a_disagreement_outweighs_an_open_step():
    assert find([None, BAD, BAD], NoError()).decision is Decision.DISAGREEMENT


def test_each_step_tells_what_both_said():
    found = compare_steps([GOOD, None, BAD], At(1), "all")
    assert [(step.rpe, step.judge, step.agrees) for step in found] == [
        (True, True, True),
        (None, False, None),
        (False, False, True),
    ]


def test_an_unknown_first_error_implies_nothing():
    assert imply_label(UNREAD, 0) is None


# --- The judge ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "unanimity", "majority"),
    [
        ([At(1)] * 4, At(1), At(1)),
        ([At(1), At(1), At(1), NoError()], None, At(1)),
        ([At(1), At(1), NoError(), NoError()], None, None),
        ([At(1), At(1), At(1), UNREAD], None, At(1)),
        ([At(1), At(1), UNREAD, UNREAD], None, None),
        ([NoError()], NoError(), NoError()),
        ([UNREAD] * 4, None, None),
        ([], None, None),
    ],
)
def test_the_vote_is_a_setting(samples, unanimity, majority):
    cases: list[tuple[Vote, FirstError | None]] = [("unanimity", unanimity), ("majority", majority)]
    for vote, expected in cases:
        found = settle_judge(samples, vote)
        assert isinstance(found, Unknown) if expected is None else found == expected


def test_a_split_judge_and_an_unreadable_one_are_told_apart():
    assert find([GOOD], NoError(), At(0)).decision is Decision.JUDGE_SPLIT
    assert find([GOOD], UNREAD, UNREAD).decision is Decision.JUDGE_UNREAD
    assert find([GOOD]).decision is Decision.JUDGE_UNREAD


@pytest.mark.parametrize(
    ("policy", "judge"),
    [("m", "m"), ("Qwen/Qwen2.5-Math-7B", "qwen2.5-math-7b"), ("/models/a/", "org/A ")],
)
def test_the_policy_cannot_be_its_own_judge(policy, judge):
    with pytest.raises(SameModel, match="another model must judge"):
        check_models(policy=policy, judge=judge)


def test_models_without_names_are_refused():
    with pytest.raises(ValueError, match="names"):
        check_models(policy="", judge="judge")


def test_a_judge_who_points_past_the_end_is_refused():
    with pytest.raises(ValueError, match="points to step 3 of 2"):
        find([GOOD, GOOD], At(2))


@pytest.mark.parametrize("fields", [{"vote": "any"}, {"scope": "some"}])
def test_a_rule_that_is_none_is_refused(fields):
    with pytest.raises(ValueError, match="must be one of"):
        ConsensusRule(**fields)


# --- The funnel -----------------------------------------------------------------------------------


def test_the_funnel_counts_after_each_question():
    cases: list[tuple[list[bool | None], list[FirstError]]] = [
        ([GOOD, GOOD], [NoError()] * 4),
        ([GOOD, BAD], [At(1)] * 4),
        ([GOOD, BAD], [NoError()] * 4),
        ([None, GOOD], [NoError()] * 4),
        ([GOOD, GOOD], [NoError(), At(0), NoError(), NoError()]),
        ([GOOD, GOOD], [UNREAD] * 4),
    ]
    report = filter_solutions(
        [
            Candidate(f"s{number}", tuple(rpe), tuple(judged), "policy", "judge")
            for number, (rpe, judged) in enumerate(cases)
        ],
        PUBLISHED,
    )
    funnel = report.funnel
    assert (
        funnel.given,
        funnel.judge_read,
        funnel.judge_settled,
        funnel.rpe_settled,
        funnel.kept,
    ) == (6, 5, 4, 3, 2)
    # Two each of the first three, one of the fourth.
    assert (funnel.steps_compared, funnel.steps_agreeing) == (7, 6)
    assert funnel.dropped_share == pytest.approx(4 / 6)
    assert report.describe()["rule"] == {"vote": "unanimity", "scope": "all"}
    assert report.describe()["decisions"] == {
        "disagreement": 1,
        "judge_split": 1,
        "judge_unread": 1,
        "kept": 2,
        "rpe_open": 1,
    }


def test_nothing_given_has_no_dropped_share():
    assert filter_solutions([], PUBLISHED).funnel.dropped_share is None


@settings(deadline=None)
@given(
    rpe=st.lists(st.booleans(), min_size=1, max_size=8),
    data=st.data(),
)
def test_what_the_published_rule_keeps_is_what_the_index_implies(rpe, data):
    first = data.draw(st.integers(-1, len(rpe) - 1))
    judged: FirstError = NoError() if first < 0 else At(first)
    implied = [first < 0 or position < first for position in range(len(rpe))]
    assert find(list(rpe), judged).is_kept == (rpe == implied)


# --- A judge that speaks step by step -------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([GOOD, GOOD, GOOD], NoError()),
        ([GOOD, BAD, BAD], At(1)),
        # What it says behind its first error does not matter.
        ([BAD, GOOD, None], At(0)),
        ([GOOD, BAD], At(1)),
        ([GOOD, None, BAD], Unknown("no verdict on step 2")),
        ([GOOD, GOOD], Unknown("judging stopped after step 2")),
    ],
)
def test_a_samples_first_error_is_its_first_no(verdicts, expected):
    assert find_first_errors([(one,) for one in verdicts], 3) == (expected,)


def test_each_sample_has_a_first_error_of_its_own():
    verdicts = [(GOOD, GOOD, BAD), (GOOD, BAD, BAD)]
    assert find_first_errors(verdicts, 2) == (NoError(), At(1), At(0))


def test_a_sample_that_is_missing_on_a_step_said_nothing_of_it():
    found = find_first_errors([(GOOD, GOOD), (GOOD,)], 2)
    assert found == (NoError(), Unknown("no verdict on step 2"))


def test_nothing_judged_has_no_sample():
    assert find_first_errors([], 3) == ()
