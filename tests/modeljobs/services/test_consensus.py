"""What the filter keeps, and why not, from rows as jobs leave them."""

from __future__ import annotations

import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.formats.base import ReadOptions, get_format
from labeling.models import AuditEvent, Project, ReviewItem, Solution, Source, User
from labeling.records import At, NoError, Validity
from labeling.records import Solution as SolutionRecord
from labeling.services.routing import Routed
from modeljobs.methods.consensus import (
    SCOPES,
    VOTES,
    Candidate,
    ConsensusRule,
    find_consensus,
)
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import ConsensusFinding, ConsensusRun, Engine, JobItem, ModelJob, StepEvidence
from modeljobs.selectors_consensus import describe_findings, list_findings, name_model
from modeljobs.services.consensus import (
    compare,
    open_conversations,
    send_dropped,
)
from tests.labeling.factories import make_project, make_user
from tests.modeljobs.consensus_rows import (
    add_item,
    add_judgement,
    add_rollouts,
    add_step,
    make_job,
    make_rpe_job,
    make_sample,
    make_solutions,
    spell_out,
)
from tests.modeljobs.writing_now import freeze_conversations
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

RIGHT = ("right", "right", "right")
YES = (True, True, True)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def project(alice: User) -> Project:
    return make_project(alice)


@pytest.fixture
def rpe(project: Project, alice: User) -> ModelJob:
    return make_rpe_job(project, alice)


@pytest.fixture
def judge(project: Project, alice: User) -> ModelJob:
    return make_job(project, alice, "genprm")


def find(run: ConsensusRun, solution: Solution) -> ConsensusFinding:
    return ConsensusFinding.objects.get(run=run, solution=solution)


def run_on(
    rpe: ModelJob,
    judge: ModelJob,
    words: tuple[str, ...],
    *samples: tuple[bool | None, ...],
    **options: object,
) -> ConsensusFinding:
    """What is found of one solution with these rollouts and these samples."""
    [solution] = make_solutions(rpe.project, 1, steps=len(words))
    add_rollouts(rpe, solution, words)
    add_judgement(judge, solution, *samples)
    return find(
        compare(
            project=rpe.project,
            rpe_job=rpe,
            judge_job=judge,
            by=rpe.created_by,
            **options,  # type: ignore[arg-type]
        ),
        solution,
    )


# --- The rule on constructed cases ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "samples", "decision", "first"),
    [
        (RIGHT, [YES], "kept", None),
        (("right", "wrong", "wrong"), [(True, False, False)], "kept", None),
        # What the judge says behind its first error does not matter: all is wrong from there on.
        (("right", "wrong", "wrong"), [(True, False, True)], "kept", None),
        (RIGHT, [(True, True, False)], "disagreement", 2),
        (("right", "wrong", "wrong"), [YES], "disagreement", 1),
        # From the first error on all are wrong: a recovery disagrees.
        (("right", "wrong", "right"), [(True, False, False)], "disagreement", 2),
        (RIGHT, [YES, (True, True, False)], "judge_split", None),
        (RIGHT, [(True, None, True)], "judge_unread", None),
        (("right", "open", "right"), [YES], "rpe_open", None),
        (("right", "unknown", "right"), [YES], "rpe_open", None),
    ],
)
def test_the_published_rule(
    rpe: ModelJob,
    judge: ModelJob,
    words: tuple[str, ...],
    samples: list[tuple[bool | None, ...]],
    decision: str,
    first: int | None,
) -> None:
    found = run_on(rpe, judge, words, *samples)
    assert (found.decision, found.first_disagreement) == (decision, first)


def test_each_step_is_kept_with_what_both_say(rpe: ModelJob, judge: ModelJob) -> None:
    found = run_on(rpe, judge, ("right", "open", "wrong"), (True, True, False))
    assert found.steps == [[True, True], [None, True], [False, False]]
    assert found.judge_first_error == {"at": 2}


def test_a_majority_settles_what_is_not_unanimous(rpe: ModelJob, judge: ModelJob) -> None:
    found = run_on(
        rpe, judge, RIGHT, YES, YES, (True, False, False), rule=ConsensusRule(vote="majority")
    )
    assert found.decision == "kept"


def test_the_prefix_ends_with_the_first_error(rpe: ModelJob, judge: ModelJob) -> None:
    found = run_on(
        rpe,
        judge,
        ("right", "wrong", "right"),
        (True, False, False),
        rule=ConsensusRule(scope="prefix"),
    )
    assert found.decision == "kept"
    [view] = describe_findings(found.run, [found])
    assert [step.agrees for step in view.steps] == [True, True, None]


def test_open_steps_can_have_the_verdict_of_their_counts(rpe: ModelJob, judge: ModelJob) -> None:
    # As published: there is no band.
    words = ("right", "open", "right")
    assert run_on(rpe, judge, words, YES, open_steps="label").decision == "kept"


def test_another_label_rule_compares_the_same_counts_anew(rpe: ModelJob, judge: ModelJob) -> None:
    # The share falls to a quarter: wrong by the ratio 0.8, and more than nothing.
    words, samples = ("right", "wrong", "right"), (True, True, True)
    found = run_on(rpe, judge, words, samples, label_rule=LabelRule(kind="hard"))
    assert found.decision == "kept"
    assert found.run.rule["labels"]["rule"] == "hard"


def test_the_rule_in_force_is_the_default(rpe: ModelJob, judge: ModelJob) -> None:
    rpe.label_rule = {"rule": "hard"}
    rpe.save()
    assert run_on(rpe, judge, ("right", "wrong", "right"), YES).decision == "kept"


STEPS = st.integers(min_value=1, max_value=4)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_rows_say_what_the_rule_says(project: Project, alice: User, data: st.DataObject) -> None:
    n_steps = data.draw(STEPS)
    words = data.draw(st.tuples(*[st.sampled_from(["right", "wrong"])] * n_steps))
    first = st.one_of(st.just(NoError()), st.integers(min_value=0, max_value=n_steps - 1).map(At))
    firsts = tuple(data.draw(st.lists(first, min_size=1, max_size=3)))
    rule = ConsensusRule(data.draw(st.sampled_from(VOTES)), data.draw(st.sampled_from(SCOPES)))
    with_rows = run_on(
        make_rpe_job(project, alice),
        make_job(project, alice, "genprm"),
        words,
        *(tuple(spell_out(one, n_steps)) for one in firsts),
        rule=rule,
    )
    labels = tuple(word == "right" for word in words)
    expected = find_consensus(Candidate("s", labels, firsts, "policy", "judge"), rule)
    assert with_rows.decision == expected.decision
    assert with_rows.first_disagreement == expected.first_disagreement
    ConsensusRun.objects.all().delete()
    JobItem.objects.all().delete()
    Solution.objects.all().delete()


# --- Who is compared ------------------------------------------------------------------------------


def test_only_what_both_have_finished_is_compared(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    both, only_rpe, failed, waiting = make_solutions(project, 4)
    for solution in (both, only_rpe, failed):
        add_rollouts(rpe, solution, RIGHT)
    add_item(rpe, waiting, state=JobItem.State.PENDING)
    add_judgement(judge, both, YES)
    add_judgement(judge, waiting, YES)
    add_item(judge, failed, state=JobItem.State.FAILED, reason_code="engine_error")
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    assert list(run.findings.values_list("solution", flat=True)) == [both.pk]


def test_an_answer_that_nobody_could_read_counts_as_unread(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    bare, told = make_solutions(project, 2)
    for solution in (bare, told):
        add_rollouts(rpe, solution, RIGHT)
    unread = {"state": JobItem.State.FAILED, "reason_code": "unparsed"}
    add_item(judge, bare, **unread)
    add_judgement(judge, told, (None, None, None), **unread)
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    assert run.report["decisions"] == {"judge_unread": 2}


def test_a_judge_that_stopped_early_has_said_enough_at_an_error(
    rpe: ModelJob, judge: ModelJob
) -> None:
    assert run_on(rpe, judge, ("right", "wrong", "wrong"), (True, False)).decision == "kept"


def test_a_sample_that_was_stopped_by_the_others_is_unread(rpe: ModelJob, judge: ModelJob) -> None:
    found = run_on(rpe, judge, RIGHT, (True, False), (True, True))
    assert found.decision == "judge_unread"


def test_samples_with_a_shared_history_are_one(
    project: Project, alice: User, rpe: ModelJob
) -> None:
    judge = make_job(project, alice, "genprm", parameters={"sampling": "step"})
    # Two of three say yes to each step: not unanimous as judges, but one mean.
    found = run_on(rpe, judge, RIGHT, YES, YES, (True, False, True))
    assert found.decision == "kept"


@pytest.mark.parametrize("samples", [[YES, YES], [YES, (True, False, False)]])
def test_summaries_of_an_older_version_are_read_as_well(
    project: Project,
    alice: User,
    rpe: ModelJob,
    judge: ModelJob,
    samples: list[tuple[bool, ...]],
) -> None:
    [solution] = make_solutions(project, 1)
    add_rollouts(rpe, solution, RIGHT)
    add_judgement(judge, solution, *samples, drop=["verdicts"])
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    same = samples[0] == samples[1]
    assert find(run, solution).decision == ("kept" if same else "judge_split")


def test_an_older_step_whose_texts_are_gone_is_unread(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    [solution] = make_solutions(project, 1)
    add_rollouts(rpe, solution, RIGHT)
    add_judgement(judge, solution, YES, (True, False, False), drop=["verdicts"])
    StepEvidence.objects.update(chunk="")
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    assert find(run, solution).decision == "judge_unread"


def test_a_model_with_one_verdict_for_each_step_is_a_judge(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    [solution] = make_solutions(project, 1)
    add_rollouts(rpe, solution, ("right", "wrong", "wrong"))
    item = add_item(judge, solution)
    for position, verdict in enumerate((True, False, False)):
        StepEvidence.objects.create(
            item=item,
            position=position,
            kind="prm",
            summary={"verdict": verdict, "scores": [], "samples": 1},
            created_at=item.job.created_at,
        )
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    assert find(run, solution).decision == "kept"


def test_the_judge_must_be_another_model(project: Project, alice: User, rpe: ModelJob) -> None:
    same = make_job(project, alice, "genprm", model="org/Policy-1")
    with pytest.raises(InvalidInput, match="is the policy that made the rollouts"):
        compare(project=project, rpe_job=rpe, judge_job=same, by=alice)
    assert not ConsensusRun.objects.exists()


def test_jobs_that_cannot_be_compared_are_refused(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    elsewhere = make_job(make_project(alice, "geometry"), alice, "genprm")
    wrong = [
        (judge, judge, "labels nothing by rollouts"),
        (rpe, rpe, "is no judge"),
        (rpe, elsewhere, "There is no job"),
        (rpe, judge, "no solution in common"),
    ]
    for rpe_job, judge_job, sentence in wrong:
        with pytest.raises(InvalidInput, match=sentence):
            compare(project=project, rpe_job=rpe_job, judge_job=judge_job, by=alice)


def test_a_rule_without_verdicts_is_refused(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    with pytest.raises(InvalidInput, match="no verdicts"):
        compare(
            project=project,
            rpe_job=rpe,
            judge_job=judge,
            by=alice,
            label_rule=LabelRule(kind="soft"),
        )


def test_only_members_who_export_may_compare(
    project: Project, rpe: ModelJob, judge: ModelJob
) -> None:
    with pytest.raises(NotFound):
        compare(project=project, rpe_job=rpe, judge_job=judge, by=make_user("mallory"))


# --- The funnel -----------------------------------------------------------------------------------


@pytest.fixture
def mixed(project: Project, alice: User, rpe: ModelJob, judge: ModelJob) -> ConsensusRun:
    """Six solutions: two kept, one dropped for each reason."""
    cases: list[tuple[tuple[str, ...], list[tuple[bool | None, ...]]]] = [
        (RIGHT, [YES, YES]),
        (("right", "wrong", "wrong"), [(True, False, False)] * 2),
        (RIGHT, [(True, True, False)] * 2),
        (RIGHT, [YES, (True, True, False)]),
        (RIGHT, [YES, (True, None, True)]),
        (("right", "open", "right"), [YES, YES]),
    ]
    for solution, (words, samples) in zip(make_solutions(project, len(cases)), cases, strict=True):
        add_rollouts(rpe, solution, words)
        add_judgement(judge, solution, *samples)
    return compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)


def test_the_funnel_counts_what_is_left_after_each_question(mixed: ConsensusRun) -> None:
    funnel = mixed.report["funnel"]
    assert funnel == {
        "given": 6,
        "judge_read": 5,
        "judge_settled": 4,
        "rpe_settled": 3,
        "kept": 2,
        # 3 + 3 + 3 of those that are kept or disagree, and the two of the open one that are not.
        "steps_compared": 11,
        "steps_agreeing": 10,
        "dropped_share": pytest.approx(4 / 6),
    }
    assert mixed.report["pairs"] == {
        "correct_correct": 8,
        "correct_wrong": 1,
        "wrong_correct": 0,
        "wrong_wrong": 2,
    }


def test_who_was_compared_and_how_is_recorded(mixed: ConsensusRun, alice: User) -> None:
    assert mixed.report["policies"] == ["policy-1"]
    assert mixed.report["judges"] == ["judge-1"]
    assert (mixed.rule["vote"], mixed.rule["scope"]) == ("unanimity", "all")
    assert mixed.rule["labels"]["epsilon"] == 0.8
    event = AuditEvent.objects.get(verb="consensus.compared")
    assert (event.actor, event.detail["kept"]) == (alice, 2)


def test_comparing_costs_the_same_for_many(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
        return len(queries)

    solutions = make_solutions(project, 20)
    for solution in solutions[:1]:
        add_rollouts(rpe, solution, RIGHT)
        add_judgement(judge, solution, YES)
    one = count()
    for solution in solutions[1:]:
        add_rollouts(rpe, solution, RIGHT)
        add_judgement(judge, solution, YES)
    assert count() == one


# --- To people ------------------------------------------------------------------------------------


def test_what_is_dropped_goes_to_people_by_decision(mixed: ConsensusRun, alice: User) -> None:
    sent = send_dropped(run=mixed, by=alice, decisions=["disagreement", "rpe_open"])
    assert sent == Routed(queued=2, moved=0, there=0)
    queued = ReviewItem.objects.values_list("solution", flat=True)
    wanted = list_findings(mixed).filter(decision__in=["disagreement", "rpe_open"])
    assert set(queued) == set(wanted.values_list("solution", flat=True))
    assert send_dropped(run=mixed, by=alice) == Routed(queued=2, moved=0, there=2)
    event = AuditEvent.objects.filter(verb="items.sent_to_people").order_by("pk")[0]
    assert event.detail["reason"] == f"comparison {mixed.pk}: disagreement, rpe_open"


def test_what_is_kept_needs_nobody(mixed: ConsensusRun, alice: User) -> None:
    with pytest.raises(InvalidInput, match="not 'kept'"):
        send_dropped(run=mixed, by=alice, decisions=["kept"])


# --- Conversations --------------------------------------------------------------------------------


def read_file(run: ConsensusRun) -> list[SolutionRecord]:
    """The file through our own reader; a defect fails."""
    _written, path = open_conversations(run)
    rows = get_format("genprm").read(io.BytesIO(path.read_bytes()), options=ReadOptions())
    records = list(rows)
    assert all(isinstance(row, SolutionRecord) for row in records), records
    return [row for row in records if isinstance(row, SolutionRecord)]


def test_conversations_read_back_as_the_labels_that_both_agree_on(
    mixed: ConsensusRun, alice: User
) -> None:
    run = freeze_conversations(run=mixed, by=alice)
    assert run.report["conversations"]["rows"] == 2
    kept = list_findings(run, "kept").order_by("solution__source_key")
    for record, finding in zip(read_file(run), kept, strict=True):
        assert record.problem.text == finding.solution.problem.text
        texts = finding.solution.steps.values_list("text", flat=True)
        assert [step.text for step in record.steps] == list(texts)
        [labels] = record.label_sets
        validities = [label.validity if label else None for label in labels.labels]
        both = [rpe for rpe, judge in finding.steps if rpe is judge]
        assert validities == [Validity.CORRECT if one else Validity.WRONG for one in both]
        assert len(both) == len(validities)


def test_the_same_rows_give_the_same_bytes(mixed: ConsensusRun, alice: User) -> None:
    first = freeze_conversations(run=mixed, by=alice).report["conversations"]
    _, path = open_conversations(mixed)
    content = path.read_bytes()
    again = compare(
        project=mixed.project, rpe_job=mixed.rpe_job, judge_job=mixed.judge_job, by=alice
    )
    second = freeze_conversations(run=again, by=alice).report["conversations"]
    assert first == second
    assert open_conversations(again)[1].read_bytes() == content
    assert content.count(b"\n") == 2
    assert content.startswith(b'{"conversations":[{"role":"system","content":"You are a math')


def test_it_is_counted_what_has_no_conversation_and_why(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    whole, pruned, fell_back, imagined, mute = solutions = make_solutions(project, 5)
    for solution in solutions:
        add_rollouts(rpe, solution, RIGHT)
    items = {one.pk: add_judgement(judge, one, YES) for one in (whole, pruned)}
    StepEvidence.objects.filter(item=items[pruned.pk], position=1).update(chunk="")
    for solution, changes in (
        (fell_back, {"fell_back": True}),
        (imagined, {"blocks": [{"code": "print(1)", "output": "", "status": "imagined"}]}),
        (mute, {"text": "I say \\boxed{Yes}."}),
    ):
        item = add_item(judge, solution)
        for position in range(3):
            add_step(item, position, [make_sample(True, number=position + 1) | changes])
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    written = freeze_conversations(run=run, by=alice).report["conversations"]
    assert written["rows"] == 1
    assert written["left_out"] == {
        "fell_back": 1,
        "malformed": 1,
        "not_run": 1,
        "texts_gone": 1,
    }


def test_a_conversation_that_ends_behind_the_first_error_is_counted(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    [solution] = make_solutions(project, 1)
    add_rollouts(rpe, solution, ("wrong", "wrong", "wrong"))
    # The judge takes up the third step by itself and finds it right.
    add_judgement(judge, solution, (False, False, True))
    run = compare(project=project, rpe_job=rpe, judge_job=judge, by=alice)
    written = freeze_conversations(run=run, by=alice).report["conversations"]
    assert (written["rows"], written["turns"]) == (1, 2)
    assert written["shortened"] == {"disagrees": 1}


def test_a_source_that_may_not_be_passed_on_closes_the_gate(
    mixed: ConsensusRun, alice: User
) -> None:
    freeze_conversations(run=mixed, by=alice)
    Source.objects.update(redistribution=Source.Redistribution.FORBIDDEN)
    with pytest.raises(Conflict, match="may not be redistributed"):
        freeze_conversations(run=mixed, by=alice)
    # Nor does a file go out that was written before.
    with pytest.raises(Conflict, match="may not be redistributed"):
        open_conversations(mixed)


def test_a_judge_whose_output_may_not_train_closes_the_gate(
    mixed: ConsensusRun, alice: User
) -> None:
    Engine.objects.filter(pk=mixed.judge_job.engine_id).update(output_may_train=False)
    mixed.judge_job.engine.refresh_from_db()
    with pytest.raises(Conflict, match="do not allow training"):
        freeze_conversations(run=mixed, by=alice)


def test_a_judge_without_rationales_gives_none(
    project: Project, alice: User, rpe: ModelJob, judge: ModelJob
) -> None:
    found = run_on(rpe, judge, RIGHT, YES)
    ModelJob.objects.filter(pk=judge.pk).update(method="critic")
    run = ConsensusRun.objects.get(pk=found.run_id)
    with pytest.raises(Conflict, match="no rationale with code"):
        freeze_conversations(run=run, by=alice)


def test_nothing_kept_is_no_file(rpe: ModelJob, judge: ModelJob, alice: User) -> None:
    found = run_on(rpe, judge, RIGHT, (True, True, False))
    with pytest.raises(Conflict, match="Nothing is kept"):
        freeze_conversations(run=found.run, by=alice)


def test_a_file_that_is_not_there_is_not_found(mixed: ConsensusRun, alice: User) -> None:
    with pytest.raises(NotFound, match="not written yet"):
        open_conversations(mixed)
    run = freeze_conversations(run=mixed, by=alice)
    open_conversations(run)[1].unlink()
    with pytest.raises(NotFound, match="Write it again"):
        open_conversations(run)


def test_only_who_exports_may_write_them(mixed: ConsensusRun, project: Project) -> None:
    from labeling.models import Membership
    from tests.labeling.factories import join

    bob = make_user("bob")
    join(project, bob, Membership.Role.ANNOTATOR)
    with pytest.raises(NotAllowed):
        freeze_conversations(run=mixed, by=bob)


@pytest.mark.parametrize(
    ("snapshot", "name"),
    [
        ({"kind": "vllm", "name": "ours", "settings": {"model": "org/m"}}, "org/m"),
        ({"kind": "tiny", "name": "ours", "settings": {"checkpoint": "worse"}}, "tiny-worse"),
        ({"kind": "scripted", "name": "ours", "settings": {}, "is_scripted": True}, "scripted"),
        ({"kind": "transformers_local", "name": "ours", "settings": {}}, "ours"),
        ({}, "engine of judge-1"),
    ],
)
def test_a_model_has_a_name_whatever_its_engine(
    judge: ModelJob, snapshot: dict[str, object], name: str
) -> None:
    judge.engine_snapshot = snapshot
    assert name_model(judge) == name
