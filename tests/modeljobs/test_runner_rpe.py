"""Jobs that label steps by rollouts: what they leave and share, and what is never done twice."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import asdict
from typing import Any

import pytest
from django.db import connections

from labeling.models import Project, Suggestion, User
from modeljobs.engines.base import Capabilities, EngineTransient
from modeljobs.methods.rpe_labels import Counts, LabelRule
from modeljobs.methods.rpe_reading import read_counts
from modeljobs.models import (
    AnswerVerdict,
    CodeRun,
    Engine,
    JobItem,
    ModelCall,
    ModelJob,
    ReferenceDoubt,
    RolloutChunk,
    StepCounts,
    StepEvidence,
)
from modeljobs.runner import RunReport, run_job
from modeljobs.sandbox.base import (
    CodeLimits,
    CodeResult,
    CodeStatus,
    SandboxUnavailable,
    Session,
)
from modeljobs.sandbox.isolated import IsolatedSandbox
from modeljobs.sandbox.layers import REQUIRED
from modeljobs.services import jobs
from modeljobs.services.calls import list_exchanges
from modeljobs.services.engines import ensure_scripted_engine, ensure_tiny_engine
from modeljobs.tiny.problems import Attempt, draw_problem, plant_error
from tests.labeling.factories import make_project, make_solution, make_user
from tests.modeljobs.rolling import (
    CHUNKS_A_PROBLEM,
    PARAMETERS,
    STEPS,
    RollingEngine,
    make_problems,
    read_chunks,
    read_rolled,
    read_texts,
)
from tests.modeljobs.sandbox.needs import demand_layers
from tests.modeljobs.test_runner import items_of, sleep_briefly
from tests.modeljobs.worlds import NOON, Clock, count_states

PROBLEMS = 2


@pytest.fixture
def alice(db: None, texts_folder: object, sent: object) -> User:
    return make_user("alice")


@pytest.fixture
def project(alice: User) -> Project:
    made = make_project(alice)
    make_problems(made, PROBLEMS)
    return made


def make_job(project: Project, **changes: Any) -> ModelJob:
    by = User.objects.get(username="alice")
    parameters = {**PARAMETERS, **changes.pop("parameters", {})}
    given: dict[str, Any] = {
        "project": project,
        "engine": ensure_scripted_engine(),
        "method": "rpe",
        "parameters": parameters,
        "seed": 7,
        "selection": {},
        "by": by,
    }
    return jobs.start(job=jobs.create_job(**(given | changes)), by=by, now=NOON)


def run(job: ModelJob, engine: RollingEngine | None = None, **changes: Any) -> RunReport:
    used = engine or RollingEngine()
    given: dict[str, Any] = {
        "job_id": job.pk,
        "worker": "one",
        "now": Clock(),
        "clock": lambda: 0.0,
        "sleep": sleep_briefly,
        "make_engine": lambda snapshot: used,
        "should_stop": lambda: False,
    }
    report = run_job(**(given | changes))
    job.refresh_from_db()
    return report


def read_rows(job: ModelJob) -> dict[str, Any]:
    """What the job left, but for ids, times, attempts and who sampled what is shared."""
    return {
        "items": [read_rolled(item) for item in items_of(job)],
        "chunks": read_chunks(RolloutChunk.objects.all()),
    }


def list_asked(job: ModelJob) -> list[tuple[str, int | None]]:
    """Prompt and seed of every stored call of the job."""
    return [
        (
            "\n".join(f"{one.role}: {one.content}" for one in exchange.record.request.messages),
            exchange.record.request.sampling.seed,
        )
        for item in items_of(job)
        for exchange in list_exchanges(item)
        if exchange.record is not None
    ]


# --- What is left ---------------------------------------------------------------------------------


def test_it_works(project: Project) -> None:
    job = make_job(project)
    engine = RollingEngine()

    run(job, engine)

    assert job.state == "done"
    assert count_states(job) == {"done": 2 * PROBLEMS}
    assert Suggestion.objects.count() == 2 * PROBLEMS
    # The problem alone, the steps, and the last one by its answer.
    assert StepEvidence.objects.count() == 2 * PROBLEMS * (STEPS + 1)
    assert StepCounts.objects.count() == 2 * PROBLEMS * (STEPS + 1)
    assert len(engine.asked) == RolloutChunk.objects.count() == PROBLEMS * CHUNKS_A_PROBLEM


def test_counts_are_those_of_the_evidence(project: Project) -> None:
    job = make_job(project)
    run(job)

    for step in StepEvidence.objects.all():
        position = -1 if step.kind == "rpe_start" else step.position
        row = StepCounts.objects.get(item=step.item_id, position=position)
        assert {name: getattr(row, name) for name in Counts._fields} == step.summary["counts"]
        assert row.is_exact == (step.kind == "rpe" and step.position == STEPS - 1)


def test_labels_can_be_derived_again_from_the_rows(project: Project) -> None:
    """Stored are counts; the suggestion is one reading of them, and says which."""
    job = make_job(project)
    run(job)

    [*_, item] = items_of(job)
    suggestion = Suggestion.objects.get(solution=item.solution_id)
    rows = [
        Counts(*row) for row in item.step_counts.order_by("position").values_list(*Counts._fields)
    ]
    assert suggestion.provenance["counts"] == [list(row) for row in rows[1:]]
    assert suggestion.provenance["start"]["counts"] == rows[0].as_dict()
    rule = LabelRule(**suggestion.provenance["rule"])
    assert asdict(rule)["epsilon"] == 0.8
    progress = read_counts(rows[0], rows[1:], rule).labels.progress
    scores = [label["score"]["raw"] for label in suggestion.labels]
    assert scores == pytest.approx(progress.tolist())


def test_another_rule_leaves_the_same_counts(project: Project) -> None:
    first, second = make_job(project), make_job(project, parameters={"rule": "hard"})
    engine = RollingEngine()
    run(first)
    run(second, engine)

    assert engine.asked == []
    fields = ("item__solution", "position", *Counts._fields)
    assert list(
        StepCounts.objects.filter(item__job=first).order_by("item", "position").values_list(*fields)
    ) == list(
        StepCounts.objects.filter(item__job=second)
        .order_by("item", "position")
        .values_list(*fields)
    )
    assert Suggestion.objects.count() == 4 * PROBLEMS


# --- Sharing --------------------------------------------------------------------------------------


def test_a_prefix_that_solutions_share_is_sampled_once(project: Project) -> None:
    job = make_job(project)
    engine = RollingEngine()

    run(job, engine)

    assert len(engine.asked) == len(set(engine.asked))
    shared = [
        sum(step.summary.get("shared", 0) for step in item.evidence.all()) for item in items_of(job)
    ]
    # Of each problem's two items one sampled what both begin with: 8 rollouts at either place.
    assert sum(shared) == PROBLEMS * 16


def test_sharing_changes_no_label(project: Project) -> None:
    job = make_job(project)
    run(job)
    shared = [read_rolled(item) for item in items_of(job)]
    Suggestion.objects.all().delete()
    alone = make_job(project, parameters={"share_rollouts": False})

    engine = RollingEngine()
    run(alone, engine)

    assert [read_rolled(item) for item in items_of(alone)] == shared
    assert len(engine.asked) > PROBLEMS * CHUNKS_A_PROBLEM


def test_another_job_finds_the_rollouts_and_says_whose_they_are(project: Project) -> None:
    first, second = make_job(project), make_job(project, parameters={"epsilon": 0.9})
    run(first)
    engine = RollingEngine()

    run(second, engine)

    assert engine.asked == []
    assert ModelCall.objects.filter(item__job=second).count() == 0
    step = StepEvidence.objects.filter(item__job=second, kind="rpe", position=0).first()
    assert step is not None
    assert step.summary["shared"] == 8
    origins = [chunk["origin"] for chunk in read_texts(step)["chunks"]]
    assert all(origin.startswith(f"{first.pk}/") for origin in origins)


def test_a_model_of_unknown_revision_shares_within_its_job_alone(project: Project) -> None:
    first, second = make_job(project), make_job(project)
    run(first, RollingEngine(revision=""))
    engine = RollingEngine(revision="")

    run(second, engine)

    assert len(engine.asked) == PROBLEMS * CHUNKS_A_PROBLEM


def test_a_server_that_gives_one_at_a_time_gives_the_same_chunks(project: Project) -> None:
    engine = RollingEngine(capabilities=Capabilities(n=False, chat=True))

    run(make_job(project), engine)

    assert len(engine.asked) == 4 * PROBLEMS * CHUNKS_A_PROBLEM
    assert set(RolloutChunk.objects.values_list("rollouts", flat=True)) == {4}


def test_texts_that_are_lost_are_sampled_again(project: Project) -> None:
    run(make_job(project))
    lost = RolloutChunk.objects.order_by("pk")[0]
    RolloutChunk.objects.filter(pk=lost.pk).update(chunk="")
    engine = RollingEngine()

    run(make_job(project), engine)

    assert len(engine.asked) == 1
    # Of its four rollouts none is missing.
    [texts] = [chunk["texts"] for chunk in read_chunks(RolloutChunk.objects.filter(pk=lost.pk))]
    assert len(texts) == 4


def test_two_workers_leave_what_one_leaves(any_database: str, sent: object, texts_folder: object):
    """Each may sample what the other is at, and both go on with what was stored first."""
    project = make_project(make_user("alice"))
    make_problems(project, 6)
    undisturbed = make_job(project)
    run(undisturbed)
    whole = read_rows(undisturbed)
    for model in (Suggestion, RolloutChunk):
        model.objects.all().delete()
    job = make_job(project)
    start = threading.Barrier(2)

    def work(name: str) -> None:
        try:
            start.wait()
            run_job(
                job_id=job.pk,
                worker=name,
                make_engine=lambda snapshot: RollingEngine(),
                should_stop=lambda: False,
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert read_rows(job) == whole
    # One process: even two runs sample a prefix once.
    asked = list_asked(job)
    assert len(asked) == len(set(asked))


# --- What is never done twice ---------------------------------------------------------------------


@pytest.mark.parametrize(("most", "plan"), [(1, "fixed"), (3, "sequential"), (7, "published")])
def test_a_run_that_is_cut_short_again_and_again_leaves_what_an_undisturbed_one_leaves(
    project: Project, clock: Clock, most: int, plan: str
) -> None:
    undisturbed = make_job(project, parameters={"plan": plan, "samples": 16})
    run(undisturbed)
    whole, calls = read_rows(undisturbed), sorted(list_asked(undisturbed))
    for model in (Suggestion, RolloutChunk):
        model.objects.all().delete()
    job = make_job(project, parameters={"plan": plan, "samples": 16})
    # Each run ends after so many requests, as if its worker had been killed there.
    for _ in range(200):
        engine = RollingEngine()
        run(job, engine, now=clock, should_stop=lambda used=engine: len(used.asked) >= most)
        clock.move(minutes=5)
        if job.state == "done":
            break

    assert job.state == "done"
    assert read_rows(job) == whole
    assert sorted(list_asked(job)) == calls
    assert len(calls) == len(set(calls)) > PROBLEMS * CHUNKS_A_PROBLEM


def test_an_engine_that_fails_once_costs_nothing_twice(project: Project, clock: Clock) -> None:
    job = make_job(project)

    def fail_once(request: Any) -> None:
        if len(engine.asked) == 5:
            raise EngineTransient("The server did not answer.", code="timeout")

    engine = RollingEngine(fail_once)
    run(job, engine, now=clock)
    clock.move(minutes=5)
    run(job, engine, now=clock)

    assert job.state == "done"
    asked = list_asked(job)
    assert len(asked) == len(set(asked)) == PROBLEMS * CHUNKS_A_PROBLEM
    # What was refused is asked for once more, by the same item or by one that waited for it.
    assert len(engine.asked) == len(asked) + 1


def test_a_budget_pauses_and_going_on_leaves_the_same_rows(project: Project, clock: Clock) -> None:
    undisturbed = make_job(project)
    run(undisturbed)
    whole = read_rows(undisturbed)
    for model in (Suggestion, RolloutChunk):
        model.objects.all().delete()
    job = make_job(project, budgets={"max_tokens": 100})

    run(job, now=clock)
    assert job.state == "paused"
    assert "budget" in job.note.lower()
    alice = User.objects.get(username="alice")
    jobs.change_budgets(job=job, budgets={}, by=alice)
    jobs.resume(job=job, by=alice)
    run(job, now=clock)

    assert read_rows(job) == whole


# --- Clear failures -------------------------------------------------------------------------------


def test_without_a_reference_answer_the_item_says_so(project: Project) -> None:
    solution = make_solution(project, "bare")
    solution.problem.reference_answer = None
    solution.problem.save()
    job = make_job(project, selection={"solution_ids": [solution.pk]})

    run(job)

    [item] = items_of(job)
    assert (item.state, item.reason_code) == ("failed", "no_reference")
    assert item.reason == "The problem has no reference answer to compare the rollouts with."
    assert ModelCall.objects.count() == 0


def test_an_engine_without_chats_pauses_the_job_in_words(alice: User) -> None:
    project = make_project(alice)
    make_problems(project, 4)
    job = make_job(project)

    run(job, RollingEngine(capabilities=Capabilities(completions=True)))

    assert job.state == "paused"
    assert "'rolling' takes no chats" in job.note
    assert {item.reason_code for item in items_of(job) if item.state == "failed"} == {"no_chat"}
    assert ModelCall.objects.count() == 0


def test_math_verify_waits_for_a_sandbox(project: Project) -> None:
    pytest.importorskip("math_verify")
    job = make_job(project, parameters={"checker": "math_verify"})

    def make_sandbox() -> Any:
        raise SandboxUnavailable("This machine has no Landlock.")

    run(job, make_sandbox=make_sandbox)

    assert (job.state, job.note) == ("paused", "Paused: This machine has no Landlock.")
    assert count_states(job) == {"pending": 2 * PROBLEMS}


class VerdictSandbox:
    """Says of every pair that it is not equal; `blocks` is what it ran."""

    layers = ("none",)

    def __init__(self) -> None:
        self.blocks: list[str] = []

    async def open_session(self) -> Session:
        return self

    async def run(self, code: str) -> CodeResult:
        self.blocks.append(code)
        said = json.dumps({"verdict": False, "reason": ""})
        return CodeResult(CodeStatus.OK, f"math-verify verdict: {said}", layers=self.layers)

    def remember(self, code: str) -> None:
        """No comparison needs an earlier one."""

    def describe(self) -> dict[str, Any]:
        return {"name": "verdicts"}

    async def aclose(self) -> None:
        """Nothing was started."""


def test_what_one_job_compared_no_later_one_compares_again(project: Project) -> None:
    pytest.importorskip("math_verify")
    verified = {"checker": "math_verify"}
    first, second = VerdictSandbox(), VerdictSandbox()

    run(make_job(project, parameters=verified), make_sandbox=lambda: first)
    run(make_job(project, parameters=verified), make_sandbox=lambda: second)

    # 7 for 6, and 10 for 9: what equals its reference word for word is compared by nobody.
    assert len(set(first.blocks)) == PROBLEMS
    assert second.blocks == []
    stored = AnswerVerdict.objects.filter(is_equal=False).values_list("answer", "reference")
    assert sorted(stored) == [("10", "9"), ("7", "6")]


def test_math_verify_decides_in_the_real_sandbox(project: Project) -> None:
    """What is written otherwise is the same answer."""
    pytest.importorskip("math_verify")
    demand_layers()
    solution = project.solutions.order_by("pk")[0]
    solution.problem.reference_answer = r"\frac{12}{2}"
    solution.problem.save()
    job = make_job(
        project,
        selection={"solution_ids": [solution.pk]},
        parameters={"checker": "math_verify", "undecided_limit": 1.0},
    )

    run(job, make_sandbox=lambda: IsolatedSandbox(CodeLimits(wall_s=60, cpu_s=60)))

    assert job.state == "done"
    rows = StepCounts.objects.filter(item__job=job)
    assert {row.undecided for row in rows} == {0}
    assert sum(row.correct for row in rows) > 0 < sum(row.wrong for row in rows)
    stored = AnswerVerdict.objects.values_list("answer", "is_equal")
    assert sorted(stored) == [("6", True), ("7", False)]
    # Each comparison was a block that ran under the sandbox's protections.
    for code_run in CodeRun.objects.filter(item__job=job):
        assert set(REQUIRED) <= set(code_run.layers)
    assert CodeRun.objects.filter(item__job=job).count() == 2


# --- Doubts about the reference -------------------------------------------------------------------


@pytest.fixture
def doubted(project: Project) -> Any:
    """A solution whose problem's reference says 5 where the rollouts say 6."""
    solution = project.solutions.order_by("pk")[0]
    solution.problem.reference_answer = "5"
    solution.problem.save()
    return solution


def run_on(solution: Any, **changes: Any) -> JobItem:
    job = make_job(solution.project, selection={"solution_ids": [solution.pk]}, **changes)
    run(job)
    [item] = items_of(job)
    return item


def test_rollouts_that_agree_on_another_answer_raise_a_doubt(doubted: Any) -> None:
    item = run_on(doubted)

    [doubt] = ReferenceDoubt.objects.all()
    assert (doubt.problem_id, doubt.item_id) == (doubted.problem_id, item.pk)
    assert (doubt.reference, doubt.answer, doubt.state) == ("5", "6", "open")
    assert 4 <= doubt.rollouts <= doubt.answered == 8


def test_an_open_doubt_is_brought_up_to_date(doubted: Any) -> None:
    run_on(doubted)
    doubted.problem.reference_answer = "4"
    doubted.problem.save()

    item = run_on(doubted)

    [doubt] = ReferenceDoubt.objects.all()
    assert (doubt.item_id, doubt.reference) == (item.pk, "4")


@pytest.mark.parametrize("state", ["stands", "wrong"])
def test_a_doubt_that_was_decided_on_stays_decided(doubted: Any, state: str) -> None:
    run_on(doubted)
    ReferenceDoubt.objects.update(state=state, corrected_answer="8", note="Checked.")
    before = ReferenceDoubt.objects.values().get()

    run_on(doubted)

    assert ReferenceDoubt.objects.values().get() == before


def test_a_corrected_reference_is_what_rollouts_are_compared_with(doubted: Any) -> None:
    run_on(doubted)
    ReferenceDoubt.objects.update(state="wrong", corrected_answer=" 6 ")

    item = run_on(doubted)

    start = StepCounts.objects.get(item=item, position=-1)
    assert start.correct >= 4
    doubted.problem.refresh_from_db()
    assert doubted.problem.reference_answer == "5"


def test_a_wrong_reference_without_another_is_refused(doubted: Any) -> None:
    run_on(doubted)
    ReferenceDoubt.objects.update(state="wrong")

    item = run_on(doubted)

    assert (item.state, item.reason_code) == ("failed", "no_reference")
    assert "was found to be wrong, and no other one was given" in item.reason


def test_a_reference_that_stands_is_used(doubted: Any) -> None:
    run_on(doubted)
    ReferenceDoubt.objects.update(state="stands")

    assert run_on(doubted).state == "done"


# --- With the engines that are shipped ------------------------------------------------------------


def make_sums(project: Project, count: int) -> None:
    """Solutions of generated sums that the tiny models can do; every other one has a wrong step."""
    rng = random.Random(5)
    for number in range(count):
        problem = draw_problem(rng, split="held_out", size="small")
        attempt = plant_error(problem, rng) if number % 2 else Attempt(problem, problem.equations)
        solution = make_solution(
            project, f"sum{number}", question=problem.text, steps=attempt.steps
        )
        solution.problem.reference_answer = str(problem.answer)
        solution.problem.save()


PLAIN = {"template": "plain", "instruction_place": "user", "max_tokens": 200}


def find_start_share(job: ModelJob) -> float:
    rows = StepCounts.objects.filter(item__job=job, position=-1)
    shares = [row.correct / (row.correct + row.wrong + row.unparsable) for row in rows]
    return sum(shares) / len(shares)


def test_the_tiny_models_label_generated_sums(alice: User) -> None:
    project = make_project(alice)
    make_sums(project, 4)
    engine = ensure_tiny_engine()
    job = make_job(project, engine=engine, parameters=PLAIN)

    report = run_job(job_id=job.pk, worker="one", should_stop=lambda: False)

    job.refresh_from_db()
    assert (job.state, report.done) == ("done", 4)
    # The better model solves more than nine of ten such problems.
    assert find_start_share(job) > 0.6
    assert not Suggestion.objects.filter(is_scripted=True).exists()
    assert RolloutChunk.objects.exclude(revision="").count() == RolloutChunk.objects.count() > 0


def test_the_scripted_engine_labels_generated_sums_and_says_that_it_is_scripted(
    alice: User,
) -> None:
    project = make_project(alice)
    make_sums(project, 4)
    job = make_job(project, parameters=PLAIN | {"samples": 32, "chunk": 8})

    run_job(job_id=job.pk, worker="one", should_stop=lambda: False)

    job.refresh_from_db()
    assert job.state == "done"
    assert find_start_share(job) > 0.6
    assert Suggestion.objects.filter(is_scripted=True).count() == 4
    step = StepEvidence.objects.filter(kind="rpe", position=0).first()
    assert step is not None
    texts = [sample["text"] for sample in read_texts(step)["samples"]]
    assert all(text.startswith("Scripted, by no model:") for text in texts)


def test_of_other_problems_the_scripted_engine_knows_nothing(project: Project) -> None:
    job = make_job(project, selection={"limit": 1})

    run_job(job_id=job.pk, worker="one", should_stop=lambda: False)

    start = StepCounts.objects.get(item__job=job, position=-1)
    assert (start.unparsable, start.correct) == (8, 0)
    assert Engine.objects.get(pk=job.engine_id).is_scripted
