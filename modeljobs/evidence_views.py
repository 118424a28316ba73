"""What was found of a step, as pages and REST show it. Nothing here writes.

Summaries are columns and cheap to list; details are texts in chunks (`modeljobs.texts`) and may
be gone. Whatever a method wrote is taken as it comes: a fact that is missing is None, and a text
that cannot be read is a sentence that says so.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from labeling.alignment import TextDiff, diff_text
from labeling.selectors.review import StepView, list_steps
from modeljobs import rollout_views, score_views
from modeljobs.given import count, flag, list_of, number, whole
from modeljobs.methods.catalog import METHODS
from modeljobs.methods.rpe_work import KIND_START
from modeljobs.models import CodeTrial, JobItem, ModelJob, RationaleRating, StepEvidence
from modeljobs.models.engines import Engine
from modeljobs.rollout_views import WHOLE, Curve, RolloutView, Sight, load_curve, parse_rollouts
from modeljobs.score_views import ScoredView, parse_scores
from modeljobs.texts import TextMissing, read_chunk

GENPRM = "genprm"
# Kinds of evidence that have a page of their own.
KNOWN_KINDS = frozenset({GENPRM}) | rollout_views.KINDS | score_views.KINDS
# What a page lists of the latest finished steps.
NEWEST = 10
# Items in flight, and items that wait, that are looked at for it.
LIVELY = 256
# A longer analysis is shown as it is, without its differences.
MOST_COMPARED = 6_000
# A sample, and a block of it.
Place = tuple[int, int]
REMOVED = "The texts of this step were removed, because they were older than texts are kept."


@dataclass(frozen=True, slots=True)
class SourceView:
    """Who speaks: the run of a method over one solution, with the engine as it was then."""

    item_id: int
    job_id: int
    method: str
    engine: str
    model: str
    state: str
    is_scripted: bool
    is_tiny: bool

    @property
    def is_under_way(self) -> bool:
        return self.state in (JobItem.State.PENDING, JobItem.State.LEASED)


@dataclass(frozen=True, slots=True)
class BlockView:
    """Python that a model wrote, and what came of running it. `status` is "imagined" where the
    model wrote the output too and nothing was run.
    """

    number: int
    code: str
    output: str
    status: str
    is_truncated: bool
    wall_ms: int | None
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleView:
    """One sample's word. `verdict` is "yes", "no", or None with `unparsed` saying why."""

    sample: int
    text: str
    analysis: str
    blocks: tuple[BlockView, ...]
    verdict: str | None
    p_yes: float | None
    bound: str | None
    unparsed: str
    fell_back: bool
    completion_tokens: int | None
    # Why there is a verdict, but no probability of it.
    no_p_yes: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: reviewers see their own runs and no other reviewer's."""

    user_id: int
    sees_others: bool


@dataclass(frozen=True, slots=True)
class TrialView:
    """A person's own version of a sample's code, and of its analysis where they changed that.

    `diff` is how the analysis differs from the model's own; None where it was not changed, or is
    too long to be compared.
    """

    trial: CodeTrial
    diff: TextDiff | None = None


@dataclass(frozen=True, slots=True)
class SampleRatings:
    """What people think of a sample's reasoning.

    `own` is this person's newest word and `earlier` what they said before, newest first. `others`
    counts the newest words of others by value, and is empty until this person has said theirs.
    """

    own: RationaleRating | None = None
    earlier: tuple[RationaleRating, ...] = ()
    others: tuple[tuple[str, int], ...] = ()


NOT_RATED = SampleRatings()


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of a step together. What is not known is None, never 0.

    `mean` is the mean of P(Yes), `verdict` whether it reaches the threshold; `majority` counts
    votes and is None on a tie. `chosen` is the place of the sample that stands for all.
    """

    mean: float | None
    verdict: bool | None
    majority: bool | None
    yes: int
    no: int
    unparsed: int
    samples: int
    threshold: float | None
    variance: float | None
    bounds: tuple[str | None, ...]
    completion_tokens: int | None
    code_runs: int
    fell_back: int
    mode: str
    chosen: int | None
    unparsed_reasons: tuple[tuple[str, int], ...]

    @property
    def decision(self) -> bool | None:
        """The mean's verdict, or the majority's where no probability is known."""
        return self.majority if self.mean is None else self.verdict

    @property
    def is_disputed(self) -> bool:
        """Does the count of votes say otherwise than the mean?"""
        return (
            self.verdict is not None and self.majority is not None and self.majority != self.verdict
        )

    @property
    def is_tied(self) -> bool:
        return self.majority is None and self.yes + self.no > 0

    @property
    def has_bounds(self) -> bool:
        """Is some probability known only from one side?"""
        return any(bound in ("at_least", "at_most") for bound in self.bounds)


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One step as one run found it. By its kind one of `summary` (GenPRM), `rollouts` (RPE) and
    `scores` (PRMs and critics) is there; `facts` shows evidence of a kind that nobody knows.
    `missing` says why the texts are not there.
    """

    id: int
    kind: str
    position: int
    at: datetime
    source: SourceView
    summary: Summary | None
    facts: tuple[tuple[str, str], ...] = ()
    samples: tuple[SampleView, ...] = ()
    missing: str = ""
    trials: Mapping[tuple[int, int], Sequence[TrialView]] = field(default_factory=dict)
    ratings: Mapping[int, SampleRatings] = field(default_factory=dict)
    rollouts: RolloutView | None = None
    scores: ScoredView | None = None

    @property
    def decision(self) -> bool | None:
        """The verdict, whichever kind of evidence it is from; None where there is none."""
        spoken = self.summary or self.rollouts or self.scores
        return None if spoken is None else spoken.decision

    @property
    def number(self) -> int:
        return self.position + 1


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a solution with what a run found of it; nothing where it has not come to it."""

    step: StepView
    evidence: tuple[EvidenceView, ...]


# --- Sources --------------------------------------------------------------------------------------


def build_source(item: JobItem, job: ModelJob) -> SourceView:
    snapshot = job.engine_snapshot
    kind = str(snapshot.get("kind", ""))
    settings = snapshot.get("settings") or {}
    return SourceView(
        item_id=item.pk,
        job_id=job.pk,
        method=job.method,
        engine=str(snapshot.get("name", "")),
        model=str(settings.get("model") or ""),
        state=item.state,
        is_scripted=job.is_scripted,
        is_tiny=kind == Engine.Kind.TINY,
    )


def list_sources(solution_id: int, *, limit: int = 5) -> list[tuple[JobItem, SourceView]]:
    """The runs that found something of this solution, the newest first."""
    items = (
        JobItem.objects.filter(solution=solution_id, evidence__isnull=False)
        .select_related("job")
        .distinct()
        .order_by("-pk")[:limit]
    )
    return [(item, build_source(item, item.job)) for item in items]


# --- Steps ----------------------------------------------------------------------------------------


def list_evidence(
    item: JobItem,
    *,
    position: int | None = None,
    with_texts: bool = True,
    sight: Sight | None = None,
    viewer: Viewer | None = None,
) -> list[EvidenceView]:
    """What the run found, step by step. Without texts, summaries alone: one query, and two more
    for rollouts.

    `sight` says what else of the solution may be seen beside each step; by default nothing.
    Without a `viewer` nothing is shown that people made of it.
    """
    rows = StepEvidence.objects.filter(item=item).order_by("position", "pk")
    if position is not None:
        rows = rows.filter(position=position)
    found = list(rows)
    trials: dict[int, dict[Place, list[CodeTrial]]] = {}
    ratings: dict[int, dict[int, SampleRatings]] = {}
    if with_texts and found and viewer is not None:
        trials = _group_trials(item, position, viewer)
        ratings = group_ratings(item, position, viewer)
    source = build_source(item, item.job)
    curve: Curve | None = None
    if any(row.kind in rollout_views.KINDS for row in found):
        curve = load_curve(item)
        if sight is None:
            sight = Sight(frozenset(), item.job.project.show_reference_answer)
    views = [
        build_evidence(
            row,
            source,
            with_texts=with_texts,
            trials=trials.get(row.position, {}),
            ratings=ratings.get(row.position, {}),
            curve=curve,
            sight=sight,
        )
        for row in found
    ]
    return _gather_curve(views) if position is None and sight == WHOLE else views


def _gather_curve(views: list[EvidenceView]) -> list[EvidenceView]:
    """Those who see the whole curve see it once, and not again with each step."""
    last = max(
        (at for at, view in enumerate(views) if view.rollouts and view.rollouts.curve), default=None
    )
    return [
        replace(
            view,
            rollouts=replace(
                view.rollouts,
                curve=None,
                whole=view.rollouts.curve if at == last else None,
            ),
        )
        if view.rollouts
        else view
        for at, view in enumerate(views)
    ]


def find_whole_curve(rows: Iterable[StepRow]) -> Curve | None:
    """The curve of all steps, where the rows were listed for somebody who may see it."""
    found = [view.rollouts.whole for row in rows for view in row.evidence if view.rollouts]
    return next((curve for curve in found if curve is not None), None)


def list_step_rows(
    item: JobItem,
    *,
    with_texts: bool = True,
    sight: Sight = WHOLE,
    viewer: Viewer | None = None,
) -> list[StepRow]:
    """Every step of the item's solution, with or without evidence. For those who browse the
    project, unless `sight` says otherwise.
    """
    by_position: dict[int, list[EvidenceView]] = defaultdict(list)
    for view in list_evidence(item, with_texts=with_texts, sight=sight, viewer=viewer):
        by_position[view.position].append(view)
    return [StepRow(step, tuple(by_position[step.position])) for step in list_steps(item.solution)]


def build_evidence(
    row: StepEvidence,
    source: SourceView,
    *,
    with_texts: bool,
    trials: Mapping[Place, Sequence[CodeTrial]] | None = None,
    ratings: Mapping[int, SampleRatings] | None = None,
    curve: Curve | None = None,
    sight: Sight | None = None,
) -> EvidenceView:
    """A row of evidence as pages show it. Without a `curve`, rollouts have no verdict."""
    view = EvidenceView(
        id=row.pk,
        kind=row.kind,
        position=row.position,
        at=row.created_at,
        source=source,
        summary=None,
        trials={place: [TrialView(one) for one in ran] for place, ran in (trials or {}).items()},
        ratings=ratings or {},
    )
    if row.kind not in KNOWN_KINDS:
        return replace(view, facts=_list_facts(row.summary))
    detail = read_detail(row) if with_texts else None
    texts = detail if isinstance(detail, Mapping) else None
    if isinstance(detail, str):
        view = replace(view, missing=detail)
    if row.kind == GENPRM:
        given = list_of(texts.get("samples")) if texts is not None else ()
        samples = tuple(_parse_sample(data) for data in given)
        return replace(
            view,
            summary=parse_summary(row.summary),
            samples=samples,
            trials={
                (sample, block): show_trials(ran, _find_analysis(samples, sample))
                for (sample, block), ran in (trials or {}).items()
            },
        )
    if row.kind in score_views.KINDS:
        return replace(view, scores=parse_scores(row.summary, texts))
    rollouts = parse_rollouts(
        row.kind,
        row.position,
        row.summary,
        texts,
        curve=curve,
        sight=sight or Sight(frozenset(), answers=False),
    )
    return replace(view, rollouts=rollouts)


def read_detail(row: StepEvidence) -> Mapping[str, Any] | str:
    """The texts of a step, or a sentence on why they cannot be read."""
    if not row.chunk:
        return REMOVED
    try:
        document = json.loads(read_chunk(row.chunk))
    except TextMissing as error:
        return str(error)
    except ValueError:
        return f"The text {row.chunk} is no record of a step."
    detail = document.get("detail", document) if isinstance(document, dict) else None
    if not isinstance(detail, dict):
        return f"The text {row.chunk} is no record of a step."
    return detail


def parse_summary(data: Mapping[str, Any]) -> Summary:
    """The summary of GenPRM's evidence, whatever of it is there."""
    reasons = data.get("unparsed_reasons")
    counted = reasons.items() if isinstance(reasons, Mapping) else ()
    return Summary(
        mean=number(data.get("mean")),
        verdict=flag(data.get("verdict")),
        majority=flag(data.get("majority")),
        yes=count(data.get("yes")),
        no=count(data.get("no")),
        unparsed=count(data.get("unparsed")),
        samples=count(data.get("samples")),
        threshold=number(data.get("threshold")),
        variance=number(data.get("variance")),
        bounds=tuple(_bound(value) for value in list_of(data.get("bounds"))),
        completion_tokens=whole(data.get("completion_tokens")),
        code_runs=count(data.get("code_runs")),
        fell_back=count(data.get("fell_back")),
        mode=str(data.get("mode") or ""),
        chosen=whole(data.get("chosen")),
        unparsed_reasons=tuple(
            sorted(((str(code), count(n)) for code, n in counted), key=lambda pair: -pair[1])
        ),
    )


# --- A whole job ----------------------------------------------------------------------------------


def checks_steps(job: ModelJob) -> bool:
    """Does the job's method judge solutions step by step? One that alters them does not; of one
    that is not there any more, what it left tells.
    """
    method = METHODS.get(job.method)
    return method.judges if method else StepEvidence.objects.filter(item__job=job).exists()


def count_verified_steps(job: ModelJob) -> int:
    """Steps with evidence; rollouts of a problem alone are of no step."""
    rows = StepEvidence.objects.filter(item__job=job)
    return rows.exclude(kind=KIND_START).count()


def list_newest_steps(job: ModelJob, *, limit: int = NEWEST) -> list[tuple[EvidenceView, str, str]]:
    """The steps that were finished last, newest first: (evidence, problem, text of the step)."""
    from labeling.models import Step

    rows = list(
        StepEvidence.objects.filter(item__in=_list_last_items(job, limit=limit))
        .select_related("item__solution__problem")
        .order_by("-pk")[:limit]
    )
    texts = {
        (solution_id, position): text
        for solution_id, position, text in Step.objects.filter(
            solution__in={row.item.solution_id for row in rows},
            position__in={row.position for row in rows},
        ).values_list("solution_id", "position", "text")
    }
    return [
        (
            build_evidence(row, build_source(row.item, job), with_texts=False),
            row.item.solution.problem.text,
            texts.get((row.item.solution_id, row.position), ""),
        )
        for row in rows
    ]


def _list_last_items(job: ModelJob, *, limit: int) -> list[int]:
    """The items that a job's newest steps are of: those in flight, those whose work was broken off,
    and those that ended last.

    Found through indexes: a look at all steps of a large job takes longer than the page may.
    """
    items = JobItem.objects.filter(job=job)
    leased = items.filter(state=JobItem.State.LEASED).order_by("pk")
    waiting = items.filter(state=JobItem.State.PENDING).order_by("pk")
    ended = items.filter(finished_at__isnull=False).order_by("-finished_at")
    parts = (leased[:LIVELY], waiting[:LIVELY], ended[:limit])
    return [pk for part in parts for pk in part.values_list("pk", flat=True)]


# --- Reading what a method wrote ------------------------------------------------------------------


def list_trials(item: JobItem, viewer: Viewer, **place: int) -> list[CodeTrial]:
    """People's runs of the item's code that this person may see, oldest first."""
    rows = CodeTrial.objects.filter(item=item, **place).select_related("author").order_by("pk")
    return list(rows if viewer.sees_others else rows.filter(author=viewer.user_id))


def show_trials(trials: Iterable[CodeTrial], analysis: str) -> list[TrialView]:
    """Runs beside the analysis that their sample's model wrote."""
    return [TrialView(trial, _compare_analysis(analysis, trial.analysis)) for trial in trials]


def _compare_analysis(written: str, changed: str) -> TextDiff | None:
    if not changed or max(len(written), len(changed)) > MOST_COMPARED:
        return None
    return diff_text(written, changed)


def _find_analysis(samples: Sequence[SampleView], sample: int) -> str:
    return next((one.analysis for one in samples if one.sample == sample), "")


def _group_trials(
    item: JobItem, position: int | None, viewer: Viewer
) -> dict[int, dict[Place, list[CodeTrial]]]:
    place = {} if position is None else {"position": position}
    grouped: dict[int, dict[Place, list[CodeTrial]]] = defaultdict(lambda: defaultdict(list))
    for trial in list_trials(item, viewer, **place):
        grouped[trial.position][trial.sample, trial.block].append(trial)
    return grouped


def group_ratings(
    item: JobItem, position: int | None, viewer: Viewer
) -> dict[int, dict[int, SampleRatings]]:
    """What is thought of the samples of each step, as far as this person may know: of others only
    where they have said their own word.
    """
    rows = RationaleRating.objects.filter(item=item).order_by("pk")
    if position is not None:
        rows = rows.filter(position=position)
    said: dict[int, dict[int, list[RationaleRating]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        said[row.position][row.sample].append(row)
    return {
        position: {sample: _sum_up_ratings(rows, viewer) for sample, rows in samples.items()}
        for position, samples in said.items()
    }


def _sum_up_ratings(rows: Sequence[RationaleRating], viewer: Viewer) -> SampleRatings:
    own = [row for row in rows if row.person_id == viewer.user_id]
    if not own:
        return NOT_RATED
    newest = {row.person_id: row.value for row in rows if row.person_id != viewer.user_id}
    counted = Counter(newest.values())
    return SampleRatings(
        own=own[-1],
        earlier=tuple(reversed(own[:-1])),
        others=tuple(
            (value, counted[value]) for value in RationaleRating.Value.values if counted[value]
        ),
    )


def find_sample_text(row: StepEvidence, sample: int) -> str:
    """What a sample wrote of the step; "" where it wrote nothing, or where it is gone."""
    detail = read_detail(row)
    if isinstance(detail, str) or row.kind not in (GENPRM, *score_views.KINDS):
        return ""
    if row.kind == GENPRM:
        written = [_parse_sample(data) for data in list_of(detail.get("samples"))]
        return next((one.text or one.analysis for one in written if one.sample == sample), "")
    said = parse_scores(row.summary, detail)
    return next((one.text for one in said.written if one.sample == sample), "")


def _parse_sample(data: Any) -> SampleView:
    given = data if isinstance(data, Mapping) else {}
    verdict = given.get("verdict")
    return SampleView(
        sample=count(given.get("sample")),
        text=str(given.get("text") or ""),
        analysis=str(given.get("analysis") or ""),
        blocks=tuple(
            _parse_block(number, block) for number, block in enumerate(list_of(given.get("blocks")))
        ),
        verdict=verdict if verdict in ("yes", "no") else None,
        p_yes=number(given.get("p_yes")),
        bound=_bound(given.get("bound")),
        unparsed=str(given.get("unparsed") or ""),
        fell_back=bool(given.get("fell_back")),
        completion_tokens=whole(given.get("completion_tokens")),
        no_p_yes=str(given.get("no_p_yes") or ""),
    )


def _parse_block(number: int, data: Any) -> BlockView:
    given = data if isinstance(data, Mapping) else {}
    return BlockView(
        number=number,
        code=str(given.get("code") or ""),
        output=str(given.get("output") or ""),
        status=str(given.get("status") or ""),
        is_truncated=bool(given.get("is_truncated")),
        wall_ms=whole(given.get("wall_ms")),
        layers=tuple(str(layer) for layer in list_of(given.get("layers"))),
    )


def _list_facts(summary: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The plain values of a summary that no page knows."""
    shown = ((str(name), _show_fact(value)) for name, value in summary.items())
    return tuple((name, text) for name, text in shown if text)


def _show_fact(value: Any) -> str:
    """A value in a line; "" for one that is not known, or too deep for a line."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case str() | int():
            return str(value)
        case list():
            return ", ".join(filter(None, map(_show_fact, value)))
        case Mapping():
            return ", ".join(f"{name} {text}" for name, text in _list_facts(value))
        case _:
            return ""


def _bound(value: Any) -> str | None:
    return value if value in ("exact", "at_least", "at_most") else None
