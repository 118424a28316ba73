"""How far things are: a person's home, a project's overview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from labeling.access import Capability, capabilities_of, list_projects
from labeling.models import (
    AnnotationRevision,
    Assignment,
    Dispute,
    Injection,
    Project,
    Release,
    ReviewItem,
    Solution,
    Step,
    User,
)


@dataclass(frozen=True, slots=True)
class QueueView:
    """One project on a person's home page."""

    project: Project
    role: str
    capabilities: frozenset[Capability]
    done: int
    waiting: int
    open_disputes: int

    @property
    def total(self) -> int:
        return self.done + self.waiting


@dataclass(frozen=True, slots=True)
class HomeView:
    """What is next for this person."""

    queues: list[QueueView]
    continue_with: Assignment | None
    done_today: int
    items_left: int


def get_home(user: User, *, now: datetime | None = None) -> HomeView:
    """The home page: half-finished work first, then the queues."""
    now = now or timezone.now()
    projects = list(list_projects(user).select_related("taxonomy"))
    roles = dict(
        user.memberships.filter(project__in=projects, is_active=True).values_list(
            "project_id", "role"
        )
    )
    done = dict(
        Assignment.objects.filter(
            annotator=user, project__in=projects, state=Assignment.State.SUBMITTED
        )
        .values_list("project_id")
        .annotate(Count("pk"))
    )
    held = Assignment.objects.filter(
        annotator=user, state__in=["open", "submitted", "skipped"]
    ).values("item_id")
    waiting = dict(
        ReviewItem.objects.filter(project__in=projects, free_slots__gt=0)
        .exclude(pk__in=held)
        .values_list("project_id")
        .annotate(Count("pk"))
    )
    in_hand = dict(
        Assignment.objects.filter(annotator=user, project__in=projects, state=Assignment.State.OPEN)
        .values_list("project_id")
        .annotate(Count("pk"))
    )
    disputes = dict(
        Dispute.objects.filter(project__in=projects, state=Dispute.State.OPEN)
        .values_list("project_id")
        .annotate(Count("pk"))
    )
    queues = [
        QueueView(
            project=project,
            role=roles.get(project.pk, "lead" if user.is_superuser else ""),
            capabilities=capabilities_of(user, project),
            done=done.get(project.pk, 0),
            waiting=waiting.get(project.pk, 0) + in_hand.get(project.pk, 0),
            open_disputes=disputes.get(project.pk, 0),
        )
        for project in projects
    ]
    return HomeView(
        queues=queues,
        continue_with=Assignment.objects.filter(
            annotator=user,
            state=Assignment.State.OPEN,
            lease_expires_at__gt=now,
            project__in=projects,
        )
        .select_related("project", "item__solution__problem")
        .order_by("pk")
        .first(),
        done_today=Assignment.objects.filter(
            annotator=user,
            state=Assignment.State.SUBMITTED,
            closed_at__gte=now.replace(hour=0, minute=0, second=0, microsecond=0),
        ).count(),
        items_left=sum(
            queue.waiting for queue in queues if Capability.ANNOTATE in queue.capabilities
        ),
    )


@dataclass(frozen=True, slots=True)
class OverviewView:
    """A project's numbers, each with what it is out of."""

    solutions: int
    steps: int
    injections: int
    blocked_injections: int
    items: int
    by_state: dict[str, int]
    submissions: int
    submissions_last_week: int
    open_disputes: int
    releases: int


def get_overview(project: Project, *, now: datetime | None = None) -> OverviewView:
    now = now or timezone.now()
    by_state = dict(
        ReviewItem.objects.filter(project=project).values_list("state").annotate(Count("pk"))
    )
    revisions = AnnotationRevision.objects.filter(
        annotation__project=project, annotation__item__isnull=False, number=1
    ).aggregate(
        all=Count("pk"),
        week=Count("pk", filter=Q(created_at__gte=now - timedelta(days=7))),
    )
    return OverviewView(
        solutions=Solution.objects.filter(project=project).count(),
        steps=Step.objects.filter(solution__project=project).count(),
        injections=Injection.objects.filter(project=project).count(),
        blocked_injections=Injection.objects.filter(project=project, blocking_lints__gt=0).count(),
        items=sum(by_state.values()),
        by_state=by_state,
        submissions=revisions["all"],
        submissions_last_week=revisions["week"],
        open_disputes=Dispute.objects.filter(project=project, state=Dispute.State.OPEN).count(),
        releases=Release.objects.filter(project=project, state=Release.State.READY).count(),
    )
