"""What comes of asking models for injections, over a whole project: from asking to acceptance.

One row for each injector, that is for each model, class and version of the prompts, whichever jobs
it worked in. A constant number of queries, whatever there is to count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.fields.json import KT, KeyTextTransform
from django.db.models.functions import Cast

from labeling.content import RejectCode, VerdictValue
from labeling.metrics.intervals import wilson_interval
from labeling.models import Adjudication, Injection, Project, ReviewItem
from modeljobs.engines.catalog import KINDS
from modeljobs.methods.catalog import METHODS
from modeljobs.methods.injection import READ_AND_REFUSED
from modeljobs.models import JobItem, ModelCall, ModelJob

# Two injections of one class into one problem are a matter of the collection, and no fault of
# whoever made the second; this lint blocks a release that holds both.
OF_THE_COLLECTION = "E07"
NEAR_DUPLICATE = "W24"
SETTLED = (ReviewItem.State.AGREED, ReviewItem.State.DECIDED)


class Injector(NamedTuple):
    """Whose work it is: acceptance is counted for each by itself."""

    model: str
    error_type: str
    prompt_version: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole with Wilson's interval at 95 %; all None where there is no whole."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, part: int, whole: int) -> Share:
        interval = wilson_interval(part, whole)
        return cls(part / whole if whole else None, interval.low, interval.high)


@dataclass(frozen=True)
class YieldRow:
    """How an injector's proposals fared, each count a part of the one before up to `differs`.

    `asked` items have an answer stored; `parsed` replies could be read; `new` ones were not there
    already; `lint_free` have no blocking lint of their own; `differs` are no near duplicates
    either. `reviewed` counts those on which people came to an end, whatever the lints say: they are
    `accepted`, accepted with edits (`edited`), `rejected`, or none of these (`unclear`).
    """

    injector: Injector
    jobs: tuple[int, ...]
    is_scripted: bool
    items: int
    asked: int
    parsed: int
    new: int
    lint_free: int
    differs: int
    accepted: int
    edited: int
    rejected: int
    unclear: int
    reject_codes: tuple[tuple[str, int], ...]

    @property
    def model(self) -> str:
        return self.injector.model

    @property
    def error_type(self) -> str:
        return self.injector.error_type

    @property
    def prompt_version(self) -> str:
        return self.injector.prompt_version

    @property
    def reviewed(self) -> int:
        return self.accepted + self.edited + self.rejected + self.unclear

    @cached_property
    def acceptance(self) -> Share:
        """Accepted, with edits or without, of those reviewed."""
        return Share.of(self.accepted + self.edited, self.reviewed)

    @cached_property
    def difference(self) -> Share:
        """Those reviewed that nobody rejected for not being different (PRMBench's second rate)."""
        same = dict(self.reject_codes).get(str(RejectCode.NOT_DIFFERENT), 0)
        return Share.of(self.reviewed - same, self.reviewed)


def build_yield(project: Project) -> list[YieldRow]:
    """The yield of all injectors of a project, by model, prompt version and class."""
    jobs = _list_jobs(ModelJob.objects.filter(project=project))
    return _build_rows(project, jobs)


class Acceptance(NamedTuple):
    """What people said of an injector's work."""

    reviewed: int
    accepted: int


def measure_acceptance(job: ModelJob) -> dict[str, Acceptance]:
    """By class, what people said of the work of this job's injectors, in all jobs of the project
    that asked the same model with the same prompts. Two queries.
    """
    own = _name(job)
    jobs = _list_jobs(ModelJob.objects.filter(project_id=job.project_id))
    alike = {pk for pk, one in jobs.items() if (one.model, one.prompt_version) == own}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for said in _list_settled(job.project):
        if said.job in alike:
            count = counts[said.error_type]
            count[0] += said.n
            count[1] += said.n if said.is_accepting else 0
    return {kind: Acceptance(*count) for kind, count in counts.items()}


def name_model(snapshot: Mapping[str, Any]) -> str:
    """The model of an engine as jobs keep it: its name and revision, else the engine's own name."""
    settings = snapshot.get("settings") or {}
    model = str(settings.get("model") or "")
    revision = str(settings.get("revision") or "")
    if not model:
        return str(snapshot.get("name") or "")
    return f"{model}@{revision}" if revision else model


class _Job(NamedTuple):
    model: str
    prompt_version: str
    is_scripted: bool


def _name(job: ModelJob) -> tuple[str, str]:
    snapshot = job.engine_snapshot
    if not snapshot:
        # Before it starts, a job has its engine's row alone.
        engine = job.engine
        names_model = any(option.name == "model" for option in KINDS[engine.kind].options)
        model = engine.model if names_model else ""
        settings = {"model": model, "revision": engine.options.get("revision", "")}
        snapshot = {"name": engine.name, "settings": settings}
    return name_model(snapshot), job.prompt_version


def _list_jobs(jobs: QuerySet[ModelJob]) -> dict[int, _Job]:
    # What is made by rule measures reviewers: no injector is to be judged by it.
    methods = [name for name, method in METHODS.items() if not method.judges and method.asks_engine]
    rows = jobs.filter(method__in=methods).select_related("engine").order_by("pk")
    return {job.pk: _Job(*_name(job), job.is_scripted) for job in rows}


def _build_rows(project: Project, jobs: Mapping[int, _Job]) -> list[YieldRow]:
    tallies: dict[Injector, Counter[str]] = defaultdict(Counter)
    codes: dict[Injector, Counter[str]] = defaultdict(Counter)
    made_in: dict[Injector, set[int]] = defaultdict(set)

    def find(job_id: int, error_type: str) -> Injector:
        job = jobs[job_id]
        injector = Injector(job.model, error_type, job.prompt_version)
        made_in[injector].add(job_id)
        return injector

    for job_id, unit, name, n in _count_items(jobs):
        tallies[find(job_id, unit)][name] += n
    for job_id, kind, names, n in _count_made(project):
        if job_id in jobs:
            tallies[find(job_id, kind)].update(dict.fromkeys(names, n))
    for said in _list_settled(project):
        if said.job in jobs:
            injector = find(said.job, said.error_type)
            tallies[injector][said.outcome] += said.n
            if said.outcome == "rejected":
                codes[injector][said.code] += said.n
    return [
        _build_row(injector, tallies[injector], codes[injector], sorted(made_in[injector]), jobs)
        for injector in sorted(tallies, key=lambda one: (one.model, one.prompt_version, one))
    ]


def _build_row(
    injector: Injector,
    tally: Counter[str],
    codes: Counter[str],
    made_in: list[int],
    jobs: Mapping[int, _Job],
) -> YieldRow:
    return YieldRow(
        injector=injector,
        jobs=tuple(made_in),
        is_scripted=any(jobs[pk].is_scripted for pk in made_in),
        items=tally["items"],
        asked=tally["asked"],
        parsed=tally["parsed"],
        new=tally["new"],
        lint_free=tally["lint_free"],
        differs=tally["differs"],
        accepted=tally["accepted"],
        edited=tally["edited"],
        rejected=tally["rejected"],
        unclear=tally["unclear"],
        reject_codes=tuple(sorted(codes.items(), key=lambda one: (-one[1], one[0]))),
    )


def _count_items(jobs: Iterable[int]) -> list[tuple[int, str, str, int]]:
    """(job, unit, "items" | "asked" | "parsed", how many)."""
    ids = list(jobs)
    found: list[tuple[int, str, str, int]] = []
    grouped = (
        JobItem.objects.filter(job__in=ids)
        .order_by()
        .values_list("job_id", "unit")
        .annotate(
            n=Count("pk"),
            parsed=Count(
                "pk",
                filter=Q(state=JobItem.State.DONE)
                | Q(state=JobItem.State.FAILED, reason_code__in=READ_AND_REFUSED),
            ),
        )
    )
    for job_id, unit, n, parsed in grouped:
        found += [(job_id, unit, "items", n), (job_id, unit, "parsed", parsed)]
    asked = (
        ModelCall.objects.filter(item__job__in=ids)
        .order_by()
        .values_list("item__job_id", "item__unit")
        .annotate(n=Count("item", distinct=True))
    )
    return found + [(job_id, unit, "asked", n) for job_id, unit, n in asked]


def _count_made(project: Project) -> list[tuple[int, str, list[str], int]]:
    """(job, class, as what they count, how many) of the injections that jobs made."""
    lints = Injection.objects.filter(project=project).annotate(
        job=KT("provenance__job"), words=Cast("lints", TextField())
    )
    grouped = (
        lints.annotate(
            # Codes stand between quotation marks, and nothing else of a lint looks like one.
            is_twin=_has_code(NEAR_DUPLICATE),
            blocking=F("blocking_lints") - _has_code(OF_THE_COLLECTION),
        )
        .order_by()
        .values_list("job", "error_type", "is_twin", "blocking")
        .annotate(n=Count("pk"))
    )
    found = []
    for job, kind, is_twin, blocking, n in grouped:
        if job is None:
            continue
        names = ["new"]
        if blocking <= 0:
            names.append("lint_free")
            if not is_twin:
                names.append("differs")
        found.append((int(job), kind, names, n))
    return found


def _has_code(code: str) -> Case:
    return Case(When(words__contains=f'"{code}"', then=Value(1)), default=Value(0))


class _Said(NamedTuple):
    """What people settled on for so many injections of one job and class."""

    job: int
    error_type: str
    verdict: str
    code: str
    n: int

    @property
    def is_accepting(self) -> bool:
        return self.outcome in ("accepted", "edited")

    @property
    def outcome(self) -> str:
        return {
            str(VerdictValue.ACCEPT): "accepted",
            str(VerdictValue.ACCEPT_WITH_EDITS): "edited",
            str(VerdictValue.REJECT): "rejected",
        }.get(self.verdict, "unclear")


def _list_settled(project: Project) -> list[_Said]:
    """What the reviewers agreed on, or else an adjudicator decided."""
    latest = Adjudication.objects.filter(item=OuterRef("pk")).order_by("-number")
    decided = ReviewItem.State.DECIDED
    settled = (
        ReviewItem.objects.filter(
            project=project, task=ReviewItem.Task.VERIFY_INJECTION, state__in=SETTLED
        )
        .annotate(
            # KT itself would take the relations for keys of a document.
            job=KeyTextTransform("job", "solution__injection__provenance"),
            verdict=Case(
                When(
                    state=decided,
                    then=Subquery(
                        latest.annotate(value=KT("content__verdict")).values("value")[:1]
                    ),
                ),
                default=F("agreed_revision__verdict"),
                output_field=TextField(),
            ),
            code=Case(
                When(
                    state=decided,
                    then=Subquery(
                        latest.annotate(value=KT("content__reject_code")).values("value")[:1]
                    ),
                ),
                default=KeyTextTransform("reject_code", "agreed_revision__content"),
                output_field=TextField(),
            ),
        )
        .order_by()
        .values_list("job", "solution__injection__error_type", "verdict", "code")
        .annotate(n=Count("pk"))
    )
    return [
        _Said(int(job), kind, verdict or "", code or str(RejectCode.OTHER), n)
        for job, kind, verdict, code, n in settled
        if job is not None
    ]
