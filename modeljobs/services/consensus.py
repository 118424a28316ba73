"""Comparisons of RPE labels with a judge, what they give to people, and the training conversations
that they leave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling.access import Capability, require
from labeling.bulk import insert_rows
from labeling.content import pack_first_error
from labeling.formats.base import dump_row
from labeling.models import Project, Solution, Step, User
from labeling.services.audit import record_event
from labeling.services.routing import Routed, send_to_people
from modeljobs.methods.consensus import (
    Consensus,
    ConsensusRule,
    Decision,
    SameModel,
    check_models,
    filter_solutions,
)
from modeljobs.methods.conversations import Conversation, Judged, LeftOut, build_conversation
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.methods.rpe_work import METHOD as RPE
from modeljobs.models import ConsensusFinding, ConsensusRun, ModelJob, StepEvidence
from modeljobs.readings import find_rule, pack_rule
from modeljobs.selectors_consensus import (
    DROPPED,
    GENPRM,
    OPEN_STEPS,
    OpenSteps,
    RunRules,
    list_finished_items,
    list_judge_methods,
    list_terms_against,
    load_candidates,
    name_model,
    read_samples,
)
from modeljobs.services.writings import Asked, Pen, request_writing
from workbench.errors import Conflict, InvalidInput, NotFound

# More solutions are compared in parts: a page waits for the answer.
MAX_SOLUTIONS: Final = 100_000
FINDING_COLUMNS: Final = (
    *("run", "solution", "decision", "first_disagreement", "steps", "judge_first_error"),
)
CHUNK: Final = 250


# --- Comparing ------------------------------------------------------------------------------------


def compare(
    *,
    project: Project,
    rpe_job: ModelJob,
    judge_job: ModelJob,
    by: User,
    rule: ConsensusRule | None = None,
    label_rule: LabelRule | None = None,
    open_steps: OpenSteps = "leave",
) -> ConsensusRun:
    """Compare what both jobs say of the solutions that both have finished, and keep what was found.

    Counts are read under `label_rule`, by default the one in force for the job; `open_steps` says
    whether a step that the counts leave open decides nothing ("leave") or has the verdict of its
    counts all the same ("label", as published). InvalidInput where the two cannot be compared.
    """
    require(by, project, Capability.EXPORT)
    _check_jobs(project, rpe_job, judge_job)
    if open_steps not in OPEN_STEPS:
        allowed = " or ".join(OPEN_STEPS)
        raise InvalidInput(f"Open steps: {allowed}, not {open_steps!r}.", field="open_steps")
    labels = label_rule or find_rule(rpe_job)
    if labels.kind == "soft":
        raise InvalidInput(
            "The soft rule gives numbers and no verdicts. Compare under another rule.",
            field="label_rule",
        )
    rules = RunRules(rule or ConsensusRule(), labels, open_steps)
    candidates = load_candidates(
        rpe_job=rpe_job, judge_job=judge_job, rule=labels, open_steps=open_steps
    )
    if not candidates:
        raise InvalidInput(
            f"Jobs {rpe_job.pk} and {judge_job.pk} have finished no solution in common. Run both "
            "on the same solutions."
        )
    if len(candidates) > MAX_SOLUTIONS:
        raise InvalidInput(
            f"{len(candidates):,} solutions are too many for one comparison; at most "
            f"{MAX_SOLUTIONS:,} are compared at once."
        )
    report = filter_solutions(candidates, rules.consensus)
    with transaction.atomic():
        run = ConsensusRun.objects.create(
            project=project,
            rpe_job=rpe_job,
            judge_job=judge_job,
            rule=_pack_rules(rules),
            report={
                **report.describe(),
                "pairs": _count_pairs(report.found),
                "is_scripted": rpe_job.is_scripted or judge_job.is_scripted,
            },
            created_by=by,
            created_at=timezone.now(),
        )
        insert_rows(ConsensusFinding, FINDING_COLUMNS, _iterate_rows(run, report.found))
        record_event(
            project=project,
            actor=by,
            verb="consensus.compared",
            target=run,
            rpe_job=rpe_job.pk,
            judge_job=judge_job.pk,
            given=report.funnel.given,
            kept=report.funnel.kept,
        )
    return run


def _check_jobs(project: Project, rpe_job: ModelJob, judge_job: ModelJob) -> None:
    for name, job in (("rpe_job", rpe_job), ("judge_job", judge_job)):
        if job.project_id != project.pk:
            raise InvalidInput(f"There is no job {job.pk} in {project.name!r}.", field=name)
    if rpe_job.method != RPE:
        raise InvalidInput(
            f"Job {rpe_job.pk} labels nothing by rollouts: its method is {rpe_job.method!r}.",
            field="rpe_job",
        )
    if judge_job.method not in list_judge_methods():
        raise InvalidInput(
            f"Job {judge_job.pk} is no judge: its method is {judge_job.method!r}.",
            field="judge_job",
        )
    try:
        check_models(policy=name_model(rpe_job), judge=name_model(judge_job))
    except SameModel as error:
        raise InvalidInput(str(error), field="judge_job") from None


def _pack_rules(rules: RunRules) -> dict[str, Any]:
    return {
        "vote": rules.consensus.vote,
        "scope": rules.consensus.scope,
        "open_steps": rules.open_steps,
        "labels": pack_rule(rules.labels),
    }


def _iterate_rows(run: ConsensusRun, found: Iterable[Consensus]) -> Iterator[tuple[Any, ...]]:
    for one in found:
        steps = [[step.rpe, step.judge] for step in one.steps]
        first = pack_first_error(one.judge_first_error)
        yield run.pk, int(one.key), str(one.decision), one.first_disagreement, steps, first


def _count_pairs(found: Iterable[Consensus]) -> dict[str, int]:
    """The compared steps by what both say: "correct_wrong": right by rollouts, wrong by judge."""
    words = {True: "correct", False: "wrong"}
    pairs = Counter(
        (step.rpe, step.judge) for one in found for step in one.steps if step.agrees is not None
    )
    return {
        f"{rpe}_{judge}": pairs[mine, theirs]
        for mine, rpe in words.items()
        for theirs, judge in words.items()
    }


# --- To people ------------------------------------------------------------------------------------


def send_dropped(
    *, run: ConsensusRun, by: User, decisions: Sequence[str] = DROPPED, reason: str = ""
) -> Routed:
    """Put the solutions with these decisions before people, first in the queue.

    InvalidInput for a decision that is none, or for what is kept: both sides agree on it.
    """
    for decision in decisions:
        if decision not in DROPPED:
            allowed = ", ".join(DROPPED)
            raise InvalidInput(
                f"What goes to people is one of {allowed}, not {decision!r}.", field="decisions"
            )
    ids = (
        ConsensusFinding.objects.filter(run=run, decision__in=decisions)
        .order_by("pk")
        .values_list("solution_id", flat=True)
    )
    why = reason.strip() or f"comparison {run.pk}: {', '.join(decisions)}"
    return send_to_people(project=run.project, solution_ids=ids, by=by, reason=why)


# --- Conversations --------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """What was written, and what was not."""

    rows: int = 0
    turns: int = 0
    shortened: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def count(self, made: Conversation | LeftOut, steps: int) -> None:
        if isinstance(made, LeftOut):
            self.left_out[str(made)] += 1
            return
        self.rows += 1
        self.turns += made.n_judged
        if made.n_judged < steps and made.shortened is not None:
            self.shortened[str(made.shortened)] += 1


class _Kept(NamedTuple):
    """A kept solution: what orders it in a file does not depend on the database."""

    source: str
    source_key: str
    content_hash: str
    version: int
    solution_id: int
    steps: list[list[bool | None]]
    judge_first_error: Mapping[str, Any]


def conversations_folder() -> Path:
    """Where files of conversations lie, each named by its hash."""
    return Path(settings.MEDIA_ROOT) / "consensus"


def check_terms(run: ConsensusRun) -> None:
    """Conflict where terms of a source or of the judge forbid that conversations go out."""
    problems = list_terms_against(run)
    if problems:
        raise Conflict(" ".join(problems))


def request_conversations(*, run: ConsensusRun, by: User) -> Asked:
    """Have a worker write the training conversations into a file that never changes, and note its
    hash; again while it is at it is the same writing.

    Written again from the same rows and texts it has the same bytes. Conflict where the judge wrote
    no rationales with code, where terms forbid it, or where nothing is kept.
    """
    require(by, run.project, Capability.EXPORT)
    total = _check_conversations(run)
    return request_writing(of=run, request={}, total=total, by=by)


def _check_conversations(run: ConsensusRun) -> int:
    """How many kept solutions there are. Conflict where they may not or cannot be written."""
    if run.judge_job.method != GENPRM:
        raise Conflict(
            "The judge of this comparison wrote no rationale with code. Compare with a GenPRM job "
            "that runs its code to get conversations."
        )
    check_terms(run)
    kept = int(run.report["funnel"]["kept"])
    if not kept:
        raise Conflict("Nothing is kept, so there is no conversation to write.")
    return kept


def write_conversations(pen: Pen) -> None:
    """Write the conversations that a writing asks for, and note them with the comparison.

    Terms may have changed since it was asked for, so the gate is asked again.
    """
    run = pen.writing.run
    if run is None:
        raise ValueError(f"Writing {pen.writing.pk} is of no comparison.")
    _check_conversations(run)
    tally = Tally()
    rows = iterate_conversations(run, tally, report=pen.report)
    stored = pen.store(rows, folder=conversations_folder(), what="The conversations")
    with pen.finish() as held:
        noted = ConsensusRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        noted.report = {
            **noted.report,
            "conversations": {
                "sha256": stored.sha256,
                "size": stored.size,
                "rows": tally.rows,
                "turns": tally.turns,
                "shortened": dict(sorted(tally.shortened.items())),
                "left_out": dict(sorted(tally.left_out.items())),
            },
        }
        noted.save(update_fields=["report"])
        record_event(
            project=run.project,
            actor=held.requested_by,
            verb="consensus.conversations_written",
            target=run,
            rows=tally.rows,
            sha256=stored.sha256,
        )


def open_conversations(run: ConsensusRun) -> tuple[dict[str, Any], Path]:
    """What is known of the file, and where it lies. NotFound where there is none, Conflict where
    terms have come to forbid it.
    """
    written = run.report.get("conversations")
    if not written:
        raise NotFound(f"The conversations of comparison {run.pk} are not written yet.")
    path = conversations_folder() / f"{written['sha256']}.jsonl"
    if not path.is_file():
        raise NotFound("The file is not in the data folder any more. Write it again.")
    check_terms(run)
    return written, path


def iterate_conversations(
    run: ConsensusRun,
    tally: Tally | None = None,
    *,
    report: Callable[[int, int], None] | None = None,
) -> Iterator[bytes]:
    """The rows of the file, one line each, in an order that depends on their content alone.

    `report` is told now and then how many of how many kept solutions are done.
    """
    tally = tally or Tally()
    kept = _list_kept(run)
    parameters = run.judge_job.parameters
    for start in range(0, len(kept), CHUNK):
        if report is not None:
            report(start, len(kept))
        some = kept[start : start + CHUNK]
        ids = [one.solution_id for one in some]
        texts = _load_texts(ids)
        judged = _load_judged(run.judge_job, ids)
        for one in some:
            problem, steps = texts[one.solution_id]
            made = build_conversation(
                problem,
                steps,
                judged.get(one.solution_id, []),
                _settle_labels(one),
                shares_history=parameters.get("sampling") == "step",
                is_protocol=parameters.get("protocol", "genprm") == "genprm",
            )
            tally.count(made, len(steps))
            if isinstance(made, Conversation):
                yield dump_row({"conversations": list(made.turns)}) + b"\n"
    if report is not None:
        report(len(kept), len(kept))


def _list_kept(run: ConsensusRun) -> list[_Kept]:
    """The kept solutions in the file's order. Sorted here: databases sort texts differently."""
    rows = ConsensusFinding.objects.filter(run=run, decision=Decision.KEPT).values_list(
        "solution__source__name",
        "solution__source_key",
        "solution__content_hash",
        "solution__version",
        "solution_id",
        "steps",
        "judge_first_error",
    )
    return sorted((_Kept(*row) for row in rows), key=lambda one: one[:5])


def _settle_labels(kept: _Kept) -> list[bool]:
    """The label of each step: what both say, and behind a prefix what the first error implies."""
    at = kept.judge_first_error.get("at")
    return [at is None or position < at for position in range(len(kept.steps))]


def _load_texts(ids: Sequence[int]) -> dict[int, tuple[str, list[str]]]:
    """Problem and steps of each solution: two queries."""
    problems = dict(Solution.objects.filter(pk__in=ids).values_list("pk", "problem__text"))
    texts: dict[int, tuple[str, list[str]]] = {pk: (text, []) for pk, text in problems.items()}
    steps = Step.objects.filter(solution__in=ids).order_by("solution_id", "position")
    for solution_id, text in steps.values_list("solution_id", "text"):
        texts[solution_id][1].append(text)
    return texts


def _load_judged(job: ModelJob, ids: Sequence[int]) -> dict[int, list[Judged]]:
    """What the judge wrote about each solution, step by step from the first on."""
    items = dict(list_finished_items(job).filter(solution__in=ids).values_list("pk", "solution_id"))
    judged: dict[int, list[Judged]] = {}
    rows = StepEvidence.objects.filter(item__in=items, kind=GENPRM).order_by("item_id", "position")
    for item_id, position, summary, chunk in rows.values_list(
        "item_id", "position", "summary", "chunk"
    ):
        steps = judged.setdefault(items[item_id], [])
        if position == len(steps):
            steps.append(Judged(read_samples(chunk), summary.get("mean"), summary.get("chosen")))
    return judged
