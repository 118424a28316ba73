"""The object for this user: every door asks here, so that no view can forget to.

Outsiders are told that a thing is not there; members whose role is too small are told so.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import BigIntegerField, QuerySet, SlugField

from labeling.models import (
    Annotation,
    Assignment,
    Dispute,
    ImportBatch,
    Injection,
    Membership,
    Project,
    Release,
    ReviewItem,
    Solution,
    User,
)
from labeling.prepared import Prepared
from workbench.errors import NotAllowed, NotFound

Role = Membership.Role


class Capability(StrEnum):
    """What may be done in a project, named by the thing a person wants."""

    VIEW = "view"  # see that the project is there, its protocol, guidelines and own work
    BROWSE = "browse"  # see problems, solutions, injections and decided labels
    ANNOTATE = "annotate"  # claim and submit
    ADJUDICATE = "adjudicate"  # see everyone's work on a dispute and decide
    IMPORT = "import"
    EXPORT = "export"  # build and download releases
    RUN_JOBS = "run_jobs"  # start, stop and retry model jobs
    VIEW_JOBS = "view_jobs"
    VIEW_AGREEMENT = "view_agreement"
    MANAGE = "manage"  # settings, members, taxonomies


CAPABILITIES: dict[str, frozenset[Capability]] = {
    Role.LEAD: frozenset(Capability),
    Role.ADJUDICATOR: frozenset(
        {
            Capability.VIEW,
            Capability.BROWSE,
            Capability.ADJUDICATE,
            Capability.VIEW_AGREEMENT,
        }
    ),
    Role.ANNOTATOR: frozenset({Capability.VIEW, Capability.ANNOTATE}),
    Role.ENGINEER: frozenset(
        {
            Capability.VIEW,
            Capability.BROWSE,
            Capability.IMPORT,
            Capability.EXPORT,
            Capability.VIEW_JOBS,
        }
    ),
}

# What nearly every request asks.
_ID = BigIntegerField()
_project = Prepared(
    lambda slug: Project.objects.filter(slug=slug).select_related("taxonomy"), slug=SlugField()
)
_membership = Prepared(
    lambda project, user: Membership.objects.filter(project=project, user=user, is_active=True),
    project=_ID,
    user=_ID,
)
_own_assignment = Prepared(
    lambda pk, user: Assignment.objects.select_related(
        "project__taxonomy", "item__solution__problem"
    ).filter(pk=pk, annotator=user),
    pk=_ID,
    user=_ID,
)

_NEEDS = {
    Capability.BROWSE: "to browse its data",
    Capability.ANNOTATE: "to annotate",
    Capability.ADJUDICATE: "to adjudicate",
    Capability.IMPORT: "to import data",
    Capability.EXPORT: "to build and download releases",
    Capability.RUN_JOBS: "to run model jobs",
    Capability.VIEW_JOBS: "to see model jobs",
    Capability.VIEW_AGREEMENT: "to see agreement",
    Capability.MANAGE: "to manage it",
}


def capabilities_of(user: User, project: Project) -> frozenset[Capability]:
    """What the user may do in the project: nothing as an outsider, all as a superuser."""
    if user.is_superuser and user.is_active:
        return frozenset(Capability)
    membership = find_membership(user, project)
    return CAPABILITIES[membership.role] if membership else frozenset()


def find_membership(user: User, project: Project) -> Membership | None:
    if not user.is_active:
        return None
    return _membership.first(project=project.pk, user=user.pk)


def list_projects(user: User) -> QuerySet[Project]:
    """The projects this user may see, archived ones left out."""
    projects = Project.objects.filter(archived_at__isnull=True)
    if user.is_superuser:
        return projects
    return projects.filter(memberships__user=user, memberships__is_active=True)


def get_project(user: User, slug: str, capability: Capability = Capability.VIEW) -> Project:
    """The project, if the user may do that in it."""
    project = _project.first(slug=slug)
    if project is None:
        raise NotFound(f"There is no project {slug!r} that you may see.")
    require(user, project, capability, missing=f"There is no project {slug!r} that you may see.")
    return project


def require(
    user: User,
    project: Project,
    capability: Capability,
    *,
    missing: str = "There is no such thing that you may see.",
) -> None:
    """Refuse unless the user may; an outsider learns nothing, not even that the thing exists."""
    held = capabilities_of(user, project)
    if not held:
        raise NotFound(missing)
    if capability not in held:
        needs = _NEEDS.get(capability, "")
        raise NotAllowed(f"Your role in {project.name!r} does not allow you {needs}.")


def may_create_projects(user: User) -> bool:
    """Whoever runs the installation, or leads a project already."""
    leads = Membership.objects.filter(user=user, role=Role.LEAD, is_active=True)
    return user.is_superuser or leads.exists()


def roles_with(capability: Capability) -> Iterable[str]:
    return [role for role, held in CAPABILITIES.items() if capability in held]


def get_own_assignment(user: User, assignment_id: int) -> Assignment:
    """One's own assignment, of a project one still belongs to."""
    assignment = _own_assignment.first(pk=assignment_id, user=user.pk)
    if assignment is None:
        raise NotFound(f"There is no assignment {assignment_id} of yours.")
    assignment.annotator = user
    require(user, assignment.project, Capability.ANNOTATE)
    return assignment


def get_dispute(user: User, dispute_id: int) -> Dispute:
    dispute = (
        Dispute.objects.select_related("project__taxonomy", "item__solution__problem")
        .filter(pk=dispute_id)
        .first()
    )
    if dispute is None:
        raise NotFound(f"There is no dispute {dispute_id} that you may see.")
    require(
        user,
        dispute.project,
        Capability.ADJUDICATE,
        missing=f"There is no dispute {dispute_id} that you may see.",
    )
    return dispute


def get_solution(user: User, solution_id: int) -> Solution:
    solution = (
        Solution.objects.select_related("project", "problem__family", "source")
        .filter(pk=solution_id)
        .first()
    )
    if solution is None:
        raise NotFound(f"There is no solution {solution_id} that you may see.")
    require(
        user,
        solution.project,
        Capability.BROWSE,
        missing=f"There is no solution {solution_id} that you may see.",
    )
    return solution


def get_injection(user: User, injection_id: int) -> Injection:
    injection = (
        Injection.objects.select_related("project", "modified__problem", "original__problem")
        .filter(pk=injection_id)
        .first()
    )
    if injection is None:
        raise NotFound(f"There is no injection {injection_id} that you may see.")
    require(
        user,
        injection.project,
        Capability.BROWSE,
        missing=f"There is no injection {injection_id} that you may see.",
    )
    return injection


def get_import_batch(user: User, batch_id: int) -> ImportBatch:
    batch = ImportBatch.objects.select_related("project", "source").filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(f"There is no import {batch_id} that you may see.")
    require(
        user,
        batch.project,
        Capability.IMPORT,
        missing=f"There is no import {batch_id} that you may see.",
    )
    return batch


def get_release(user: User, release_id: int) -> Release:
    release = Release.objects.select_related("project").filter(pk=release_id).first()
    if release is None:
        raise NotFound(f"There is no release {release_id} that you may see.")
    require(
        user,
        release.project,
        Capability.EXPORT,
        missing=f"There is no release {release_id} that you may see.",
    )
    return release


def get_own_annotation(user: User, annotation_id: int) -> Annotation:
    annotation = (
        Annotation.objects.select_related("project", "item__solution__problem")
        .filter(pk=annotation_id, annotator=user)
        .first()
    )
    if annotation is None:
        raise NotFound(f"There is no annotation {annotation_id} of yours.")
    require(user, annotation.project, Capability.VIEW)
    return annotation


def get_review_item(user: User, item_id: int) -> ReviewItem:
    item = ReviewItem.objects.select_related("project", "solution__problem").filter(pk=item_id)
    found = item.first()
    if found is None:
        raise NotFound(f"There is no item {item_id} that you may see.")
    require(
        user,
        found.project,
        Capability.BROWSE,
        missing=f"There is no item {item_id} that you may see.",
    )
    return found


def get_item_had_before(user: User, item_id: int) -> ReviewItem:
    """An item that this person was given once and may take again; nobody picks their items."""
    item = (
        ReviewItem.objects.select_related("project", "solution__problem")
        .filter(pk=item_id, assignments__annotator=user)
        .distinct()
        .first()
    )
    if item is None:
        raise NotFound(f"There is no item {item_id} that you have had.")
    require(user, item.project, Capability.ANNOTATE)
    return item
