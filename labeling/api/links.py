"""Addresses of pages, for answers that tell a browser where to go next."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from labeling.models import Project, User
from labeling.selectors.disputes import find_next_dispute


def link_page(name: str, fallback: str, *args: object) -> str:
    """The page of that name, or its known address where the pages are not installed."""
    try:
        return reverse(f"labeling:{name}", args=args)
    except NoReverseMatch:
        return fallback


def link_work(project: Project) -> str:
    """Where a reviewer goes after an item: the project's queue."""
    return link_page("work", f"/projects/{project.slug}/work/", project.slug)


def link_assignment(assignment_id: int) -> str:
    return link_page("assignment", f"/assignments/{assignment_id}/", assignment_id)


def link_next_dispute(project: Project, user: User, *, after: int) -> str:
    """Where an adjudicator goes after a decision: the next dispute, or the list if none is left."""
    found = find_next_dispute(project, user, after=after)
    if found is None:
        return link_page("disputes", f"/projects/{project.slug}/disputes/", project.slug)
    return link_page("dispute", f"/disputes/{found.pk}/", found.pk)


def link_invitation(secret: str) -> str:
    return link_page("invitation", f"/invitations/{secret}/", secret)
