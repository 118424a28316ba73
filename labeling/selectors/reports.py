"""Reports that an original is wrong: what reviewers may know of one, and all of it for leads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from labeling.access import Capability, require
from labeling.content import RejectCode, VerdictValue
from labeling.models import (
    AnnotationRevision,
    Injection,
    Membership,
    Project,
    ReviewItem,
    SourceReport,
    Step,
    User,
)
from workbench.errors import NotFound

# Injections of one original that a page lists; the rest are counted.
MADE = 60
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ReportView:
    """What a reviewer of an original's injections may know of a report on it: no names, and no
    word of another reviewer.

    `state` is "open", "confirmed" (the original is wrong) or "dismissed" (it is right), `reason`
    what the lead says of their decision. Of the items made from it `n_waiting` wait for reviewers
    and `n_done` are settled or in dispute; those that left the queue are neither.
    """

    report_id: int
    state: str
    reason: str
    at: datetime
    n_waiting: int
    n_done: int


@dataclass(frozen=True, slots=True)
class VoiceView:
    """A reviewer who finds the original wrong, now."""

    name: str
    is_simulated: bool
    injection_id: int
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SaidView:
    """How many reviewers say the same of an injection now."""

    verdict: str
    reject_code: str
    n: int


@dataclass(frozen=True, slots=True)
class MadeView:
    """An injection made from the original; `state` is "" where it is not in the queue."""

    injection_id: int
    error_type: str
    is_scripted: bool
    state: str
    is_withdrawn: bool
    said: tuple[SaidView, ...]


@dataclass(frozen=True, slots=True)
class ReportDossier:
    """All that a decision on a report needs."""

    report: SourceReport
    reporter: str
    steps: tuple[str, ...]
    voices: tuple[VoiceView, ...]
    made: tuple[MadeView, ...]
    more_made: int

    @property
    def state(self) -> str:
        return state_of(self.report)


def says_original_wrong(content: Mapping[str, Any]) -> bool:
    """Does a packed verdict reject an injection because its original is wrong already?"""
    return (
        content.get("verdict") == VerdictValue.REJECT
        and content.get("reject_code") == RejectCode.ORIGINAL_WRONG
    )


def state_of(report: SourceReport) -> str:
    """The report's state; "withdrawn" where the reviewer took it back, which gives no reason."""
    is_withdrawn = report.state == SourceReport.State.DISMISSED and not report.reason
    return WITHDRAWN if is_withdrawn else str(report.state)


def find_original(solution_id: int) -> int | None:
    """The solution that a modified one was made from; None where it is no injection."""
    made = Injection.objects.filter(modified=solution_id)
    return made.values_list("original_id", flat=True).first()


def list_voices(original_ids: Iterable[int]) -> QuerySet[AnnotationRevision]:
    """The current words of those who find one of these originals wrong, oldest first."""
    return (
        AnnotationRevision.objects.filter(
            number=F("annotation__current_number"),
            verdict=VerdictValue.REJECT.value,
            content__reject_code=RejectCode.ORIGINAL_WRONG.value,
            annotation__item__isnull=False,
            annotation__solution__injection__original__in=list(original_ids),
        )
        .select_related("annotation__annotator", "annotation__item__project")
        .order_by("pk")
    )


def find_report(original_id: int, *, beside_item: int | None = None) -> ReportView | None:
    """The latest report on an original, as reviewers of its injections may see it; None where
    there is none, or where the reviewer took it back.

    With `beside_item`, the item that the reader judges, None also while the only ones who said so
    judge that very item: what one reviewer of an item says is not for another one to read.
    """
    report = (
        SourceReport.objects.filter(original=original_id)
        .exclude(state=SourceReport.State.DISMISSED, reason="")
        .order_by("-pk")
        .first()
    )
    if report is None:
        return None
    if report.state == SourceReport.State.OPEN and beside_item is not None:
        elsewhere = list_voices([original_id]).exclude(annotation__item=beside_item)
        if not elsewhere.exists():
            return None
    counts = Counter(_list_siblings(original_id).values_list("state", flat=True))
    waiting = counts[ReviewItem.State.WAITING]
    withdrawn = len(report.withdrawn_items)
    return ReportView(
        report_id=report.pk,
        state=str(report.state),
        reason=report.reason,
        at=report.decided_at or report.created_at,
        n_waiting=waiting,
        n_done=max(0, counts.total() - waiting - withdrawn),
    )


def _list_siblings(original_id: int) -> QuerySet[ReviewItem]:
    return ReviewItem.objects.filter(
        task=ReviewItem.Task.VERIFY_INJECTION, solution__injection__original=original_id
    )


# --- For leads ------------------------------------------------------------------------------------


def list_reports(project: Project, *, state: str = "") -> QuerySet[SourceReport]:
    """The project's reports, the newest first; of one state, or of all but those taken back."""
    reports = (
        SourceReport.objects.filter(project=project)
        .exclude(state=SourceReport.State.DISMISSED, reason="")
        .select_related("project", "original__problem", "reporter", "decided_by")
    )
    if state:
        reports = reports.filter(state=state)
    return reports.order_by("-pk")


def count_reports(project: Project) -> dict[str, int]:
    """How many reports there are in each state; those that were taken back are left out."""
    states = list_reports(project).order_by().values_list("state", flat=True)
    return dict(Counter(states))


def count_open_reports(project: Project) -> int:
    """How many reports wait for a decision."""
    return SourceReport.objects.filter(project=project, state=SourceReport.State.OPEN).count()


def get_report(user: User, report_id: int) -> SourceReport:
    """The report, if the user may decide on it."""
    missing = f"There is no report {report_id} that you may see."
    report = (
        SourceReport.objects.select_related(
            "project__taxonomy", "original__problem", "reporter", "decided_by"
        )
        .filter(pk=report_id)
        .first()
    )
    if report is None:
        raise NotFound(missing)
    require(user, report.project, Capability.ADJUDICATE, missing=missing)
    return report


@dataclass(slots=True)
class _Material:
    """What the dossiers of some reports are made of, read once for all of them."""

    steps: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    voices: dict[int, list[VoiceView]] = field(default_factory=lambda: defaultdict(list))
    made: dict[int, list[Injection]] = field(default_factory=lambda: defaultdict(list))
    # The item and its state, by the modified solution.
    items: dict[int, tuple[int, str]] = field(default_factory=dict)
    said: dict[int, Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))
    names: dict[int, str] = field(default_factory=dict)

    def name(self, user: User) -> str:
        """As others may see them: the project may hide who said what."""
        return self.names.get(user.pk, user.name)


def build_dossiers(reports: Sequence[SourceReport], project: Project) -> list[ReportDossier]:
    """Everything about each report, at a fixed number of queries for all of them."""
    material = _load(reports, project)
    return [_build(report, material) for report in reports]


def _load(reports: Sequence[SourceReport], project: Project) -> _Material:
    originals = {report.original_id for report in reports}
    found = _Material()
    steps = Step.objects.filter(solution__in=originals).order_by("solution_id", "position")
    for solution_id, text in steps.values_list("solution_id", "text"):
        found.steps[solution_id].append(text)
    injections = Injection.objects.filter(original__in=originals).order_by("pk")
    for injection in injections.only(
        "pk", "original_id", "modified_id", "error_type", "is_scripted"
    ):
        found.made[injection.original_id].append(injection)
    made_from = Q(solution__injection__original__in=originals)
    items = ReviewItem.objects.filter(made_from, task=ReviewItem.Task.VERIFY_INJECTION)
    for solution_id, item_id, state in items.values_list("solution_id", "pk", "state"):
        found.items[solution_id] = (item_id, state)
    words = AnnotationRevision.objects.filter(
        annotation__solution__injection__original__in=originals,
        annotation__item__isnull=False,
        number=F("annotation__current_number"),
    )
    for solution_id, verdict, code in words.values_list(
        "annotation__solution_id", "verdict", "content__reject_code"
    ):
        found.said[solution_id][verdict, code or ""] += 1
    _load_voices(found, reports, originals, project)
    return found


def _load_voices(
    found: _Material, reports: Sequence[SourceReport], originals: Iterable[int], project: Project
) -> None:
    owners = {
        one.modified_id: (original, one.pk) for original, made in found.made.items() for one in made
    }
    rows = list(list_voices(originals))
    people = {report.reporter for report in reports}
    people |= {row.annotation.annotator for row in rows if row.annotation.annotator}
    if project.hide_names:
        found.names = {person.pk: f"#{person.pk}" for person in people} | dict(
            Membership.objects.filter(project=project, user__in=people).values_list(
                "user_id", "pseudonym"
            )
        )
    for row in rows:
        annotator = row.annotation.annotator
        if annotator is None or row.annotation.solution_id not in owners:
            continue
        original_id, injection_id = owners[row.annotation.solution_id]
        found.voices[original_id].append(
            VoiceView(
                name=found.name(annotator),
                is_simulated=annotator.is_simulated,
                injection_id=injection_id,
                note=str(row.content.get("note", "")),
                at=row.created_at,
            )
        )


def _build(report: SourceReport, material: _Material) -> ReportDossier:
    withdrawn = {entry["item"] for entry in report.withdrawn_items}
    made = material.made[report.original_id]
    return ReportDossier(
        report=report,
        reporter=material.name(report.reporter),
        steps=tuple(material.steps[report.original_id]),
        voices=tuple(material.voices[report.original_id]),
        made=tuple(_view_made(one, material, withdrawn) for one in made[:MADE]),
        more_made=max(0, len(made) - MADE),
    )


def _view_made(injection: Injection, material: _Material, withdrawn: set[int]) -> MadeView:
    said = material.said[injection.modified_id]
    item_id, state = material.items.get(injection.modified_id, (0, ""))
    return MadeView(
        injection_id=injection.pk,
        error_type=injection.error_type,
        is_scripted=injection.is_scripted,
        state=state,
        is_withdrawn=item_id in withdrawn and state == ReviewItem.State.DISCARDED,
        said=tuple(SaidView(verdict, code, n) for (verdict, code), n in said.most_common()),
    )
