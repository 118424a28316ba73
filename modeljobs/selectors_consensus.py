"""What comparisons of two jobs read: which jobs there are to compare, both sides' words solution by
solution, and what was found. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, get_args

import numpy as np
import orjson
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from labeling.access import Capability, require
from labeling.bulk import steady_heap
from labeling.content import parse_first_error
from labeling.models import Injection, Project, Source, User
from labeling.records import FirstError
from modeljobs.methods.catalog import METHODS
from modeljobs.methods.consensus import (
    Candidate,
    ConsensusRule,
    Decision,
    StepAgreement,
    compare_steps,
    find_first_errors,
)
from modeljobs.methods.rpe_labels import CORRECT, LabelRule, read_rule
from modeljobs.methods.rpe_work import METHOD as RPE
from modeljobs.models import ConsensusFinding, ConsensusRun, JobItem, ModelJob, StepEvidence
from modeljobs.readings import (
    IS_CORRECT,
    IS_OPEN,
    IS_WRONG,
    find_states,
    load_counts,
    read_table,
)
from modeljobs.texts import TextMissing, read_chunk
from workbench.errors import NotFound

OpenSteps = Literal["leave", "label"]
OPEN_STEPS: Final[tuple[OpenSteps, ...]] = get_args(OpenSteps)
GENPRM: Final = "genprm"
DROPPED: Final = tuple(str(one) for one in Decision if one is not Decision.KEPT)
# How GenPRM's own filter went (Zhao et al. 2025; its data card counts 22,557 conversations).
PUBLISHED_KEPT: Final = 22_557
PUBLISHED_DROPPED_SHARE: Final = 0.51
_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class RunRules:
    """How a comparison was made, as its row keeps it."""

    consensus: ConsensusRule
    labels: LabelRule
    open_steps: OpenSteps

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> RunRules:
        return cls(
            ConsensusRule(data["vote"], data["scope"]),
            read_rule(data["labels"]),
            data["open_steps"],
        )


@dataclass(frozen=True, slots=True)
class StepPair:
    """One step with what both say of it, counted from one; `agrees` is None where not compared."""

    number: int
    rpe: bool | None
    judge: bool | None
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class FindingView:
    """A solution as a comparison found it, with the items that hold the evidence of both sides."""

    finding: ConsensusFinding
    steps: tuple[StepPair, ...]
    judge_first_error: FirstError
    rpe_item: int | None
    judge_item: int | None


# --- Jobs -----------------------------------------------------------------------------------------


def list_judge_methods() -> frozenset[str]:
    """The methods that say of steps whether they are right, other than by rollouts."""
    return frozenset(name for name, method in METHODS.items() if method.judges and name != RPE)


def name_model(job: ModelJob) -> str:
    """The model that a job asked, by the engine as it was then: its own name, else the checkpoint
    that ships with its kind of engine, else the engine's name. All scripted engines are one model.
    """
    snapshot = job.engine_snapshot
    kind, settings = str(snapshot.get("kind", "")), snapshot.get("settings") or {}
    if snapshot.get("is_scripted"):
        return kind
    if settings.get("model"):
        return str(settings["model"])
    if settings.get("checkpoint"):
        return f"{kind}-{settings['checkpoint']}"
    return str(snapshot.get("name") or job.engine.name)


def list_rpe_jobs(project: Project) -> QuerySet[ModelJob]:
    """Jobs whose rollouts can be compared, the newest first."""
    return _list_finished(project).filter(method=RPE)


def list_judge_jobs(project: Project) -> QuerySet[ModelJob]:
    """Jobs that a comparison can take as the judge, the newest first."""
    return _list_finished(project).filter(method__in=list_judge_methods())


def _list_finished(project: Project) -> QuerySet[ModelJob]:
    done = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.DONE)
    jobs = ModelJob.objects.filter(Exists(done), project=project)
    return jobs.select_related("engine").order_by("-pk")


# --- Both sides -----------------------------------------------------------------------------------


def load_candidates(
    *, rpe_job: ModelJob, judge_job: ModelJob, rule: LabelRule, open_steps: OpenSteps
) -> list[Candidate]:
    """Every solution that both jobs have finished, in the order of the solutions.

    A judge's item of which nothing could be read is finished: its samples are Unknown. Keys are the
    solutions' ids.
    """
    rpe = load_verdicts(rpe_job, rule, open_steps)
    policy, judge = name_model(rpe_job), name_model(judge_job)
    judged = dict(iterate_judged(judge_job, {key: len(steps) for key, steps in rpe.items()}))
    return [
        Candidate(str(key), rpe[key], judged[key], policy, judge)
        for key in sorted(rpe.keys() & judged.keys())
    ]


def load_verdicts(
    job: ModelJob, rule: LabelRule, open_steps: OpenSteps
) -> dict[int, tuple[bool | None, ...]]:
    """The verdict of each step by solution: None where it is unknown, or open and left so.

    With `open_steps` "label" a step within the band has the verdict of its counts all the same, as
    published.
    """
    counts = load_counts(job)
    reading = read_table(counts.table, rule)
    states = find_states(reading, rule)
    if open_steps == "label":
        by_counts = np.where(reading.labels.verdicts == CORRECT, IS_CORRECT, IS_WRONG)
        states = np.where(states == IS_OPEN, by_counts, states)
    words = {IS_CORRECT: True, IS_WRONG: False}
    verdicts = [words.get(state) for state in states.tolist()]
    bounds = counts.table.offsets.tolist()
    return {
        solution_id: tuple(verdicts[begin:end])
        for solution_id, begin, end in zip(
            counts.solution_ids.tolist(), bounds, bounds[1:], strict=False
        )
    }


def iterate_judged(
    job: ModelJob, sizes: Mapping[int, int]
) -> Iterator[tuple[int, tuple[FirstError, ...]]]:
    """(solution, first error of each of the judge's samples) of those of `sizes`, which maps them
    to their numbers of steps.

    One pass over the stored summaries. Texts are read only for a step whose samples differ and
    whose summary, of an older version, does not say how.
    """
    items = {
        item_id: solution_id
        for item_id, solution_id in list_finished_items(job).values_list("pk", "solution_id")
        if solution_id in sizes
    }
    is_one = job.parameters.get("sampling") == "step"
    rows = (
        StepEvidence.objects.filter(item__job=job)
        .exclude(kind__startswith=RPE)
        .order_by("item_id", "position")
        .values_list("item_id", "position", "chunk", Cast("summary", TextField()))
    )
    unseen = dict(items)
    with steady_heap():
        for item_id, steps in groupby(rows.iterator(chunk_size=_AT_ONCE), key=itemgetter(0)):
            solution_id = items.get(item_id)
            if solution_id is not None:
                unseen.pop(item_id)
                verdicts = _gather_verdicts(steps, is_one=is_one)
                yield solution_id, find_first_errors(verdicts, sizes[solution_id])
    for solution_id in unseen.values():
        yield solution_id, ()


def list_finished_items(job: ModelJob) -> QuerySet[JobItem]:
    """A judge's items of which its word is known: done, or ended without one that could be read."""
    unread = Q(state=JobItem.State.FAILED, reason_code="unparsed")
    return JobItem.objects.filter(Q(state=JobItem.State.DONE) | unread, job=job)


def _gather_verdicts(
    steps: Iterator[tuple[int, int, str, str]], *, is_one: bool
) -> list[tuple[bool | None, ...]]:
    """The samples' verdicts on one step after the other, up to the first that was not judged."""
    verdicts: list[tuple[bool | None, ...]] = []
    for _item, position, chunk, text in steps:
        if position != len(verdicts):
            break
        verdicts.append(read_verdicts(orjson.loads(text), chunk, is_one=is_one))
    return verdicts


def read_verdicts(
    summary: Mapping[str, Any], chunk: str, *, is_one: bool
) -> tuple[bool | None, ...]:
    """What each sample says of a step. With `is_one` all are taken as one, by what they come to:
    samples that share a history are no judges of their own.
    """
    if is_one and "mean" in summary:
        return (summary.get("majority" if summary["mean"] is None else "verdict"),)
    if summary.get("verdicts"):
        return tuple(summary["verdicts"])
    if "yes" not in summary:
        # A reward model has one verdict.
        return (summary.get("verdict"),)
    # GenPRM as it stored its steps before it kept each sample's verdict.
    samples = int(summary.get("samples", 0))
    for word, verdict in (("yes", True), ("no", False), ("unparsed", None)):
        if samples and summary.get(word) == samples:
            return (verdict,) * samples
    words = {"yes": True, "no": False}
    detail = read_samples(chunk)
    return (None,) * samples if detail is None else tuple(words.get(s["verdict"]) for s in detail)


def read_samples(chunk: str) -> Sequence[Mapping[str, Any]] | None:
    """The samples of a step with their texts; None where these are gone."""
    if not chunk:
        return None
    try:
        samples = orjson.loads(read_chunk(chunk))["detail"]["samples"]
    except (TextMissing, ValueError, KeyError, TypeError):
        return None
    return samples if isinstance(samples, list) else None


# --- What was found -------------------------------------------------------------------------------


def list_runs(project: Project) -> QuerySet[ConsensusRun]:
    """The project's comparisons, the newest first, with both jobs."""
    return (
        ConsensusRun.objects.filter(project=project)
        .select_related("rpe_job__engine", "judge_job__engine", "created_by")
        .order_by("-pk")
    )


def get_run(user: User, run_id: int, capability: Capability = Capability.VIEW_JOBS) -> ConsensusRun:
    """The comparison, if the user may do that in its project."""
    missing = f"There is no comparison {run_id} that you may see."
    run = (
        ConsensusRun.objects.select_related(
            "project", "rpe_job__engine", "judge_job__engine", "created_by"
        )
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise NotFound(missing)
    require(user, run.project, capability, missing=missing)
    return run


def list_findings(run: ConsensusRun, decision: str = "") -> QuerySet[ConsensusFinding]:
    """What was found of each solution, or of those with one decision."""
    findings = ConsensusFinding.objects.filter(run=run).order_by("pk")
    return findings.filter(decision=decision) if decision else findings


def describe_findings(run: ConsensusRun, findings: Sequence[ConsensusFinding]) -> list[FindingView]:
    """The findings of one page, step by step: one query more, however many there are."""
    items = {
        (job_id, solution_id): item_id
        for item_id, job_id, solution_id in JobItem.objects.filter(
            job__in=(run.rpe_job_id, run.judge_job_id),
            solution__in=[one.solution_id for one in findings],
        ).values_list("pk", "job_id", "solution_id")
    }
    scope = RunRules.parse(run.rule).consensus.scope
    views = []
    for finding in findings:
        first = parse_first_error(finding.judge_first_error)
        views.append(
            FindingView(
                finding,
                _pair_steps(
                    finding, compare_steps([row[0] for row in finding.steps], first, scope)
                ),
                first,
                items.get((run.rpe_job_id, finding.solution_id)),
                items.get((run.judge_job_id, finding.solution_id)),
            )
        )
    return views


def _pair_steps(
    finding: ConsensusFinding, compared: Sequence[StepAgreement]
) -> tuple[StepPair, ...]:
    return tuple(
        StepPair(number, rpe, judge, step.agrees)
        for number, ((rpe, judge), step) in enumerate(
            zip(finding.steps, compared, strict=True), start=1
        )
    )


def list_terms_against(run: ConsensusRun) -> list[str]:
    """Why conversations of this comparison must not leave: the terms that a release's gate reads,
    of the sources of what is kept, of the judge, and of what wrote the injections among it.
    """
    kept = ConsensusFinding.objects.filter(run=run, decision=Decision.KEPT)
    forbidden = Source.objects.filter(
        redistribution=Source.Redistribution.FORBIDDEN,
        pk__in=kept.values("solution__source"),
    ).order_by("name")
    problems = [
        f"The source {source.name!r} may not be redistributed. Leave it out of the jobs, or "
        "correct its terms."
        for source in forbidden
    ]
    judge = run.judge_job
    # What is noted with the engine today goes before what was when the job started.
    noted = judge.engine.output_may_train
    if noted is None:
        noted = judge.engine_snapshot.get("output_may_train")
    if noted is False:
        problems.append(
            f"The terms of {judge.engine.name!r} do not allow training on what it wrote. Compare "
            "with another judge, or correct the engine's terms."
        )
    made = Injection.objects.filter(
        modified__in=kept.values("solution"), provenance__output_may_train=False
    )
    return problems + [
        f"The terms of {producer!r} do not allow training on what it wrote, and some of what is "
        "kept are its injections."
        for producer in sorted(set(made.values_list("producer", flat=True)))
    ]
