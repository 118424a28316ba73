"""The links at the top of a project's pages: those that this person may follow, and no others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypedDict

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.access import Capability, capabilities_of
from labeling.models import Dispute, Project, User
from labeling.selectors.comments import count_open_flags
from labeling.selectors.reports import count_open_reports
from labeling.web.requests import AuthedRequest


class NavItem(TypedDict):
    """A link of the bar; `count` is None where there is nothing to count."""

    url: str
    label: str
    current: bool
    count: int | None


class _Part(NamedTuple):
    name: str
    label: Any
    url_name: str
    needs: Capability


PARTS = (
    _Part("work", gettext_lazy("Work"), "labeling:work", Capability.ANNOTATE),
    _Part("mine", gettext_lazy("My work"), "labeling:own-work", Capability.ANNOTATE),
    _Part("overview", gettext_lazy("Overview"), "labeling:overview", Capability.VIEW),
    _Part("solutions", gettext_lazy("Solutions"), "labeling:browse", Capability.BROWSE),
    _Part("imports", gettext_lazy("Imports"), "labeling:imports", Capability.IMPORT),
    _Part("jobs", gettext_lazy("Jobs"), "modeljobs:jobs", Capability.VIEW_JOBS),
    _Part("agreement", gettext_lazy("Agreement"), "labeling:agreement", Capability.VIEW_AGREEMENT),
    _Part("disputes", gettext_lazy("Disputes"), "labeling:disputes", Capability.ADJUDICATE),
    _Part("reports", gettext_lazy("Originals"), "labeling:reports", Capability.ADJUDICATE),
    _Part("comments", gettext_lazy("Comments"), "labeling:comments", Capability.ADJUDICATE),
    _Part("releases", gettext_lazy("Releases"), "labeling:releases", Capability.EXPORT),
    _Part("settings", gettext_lazy("Settings"), "labeling:settings", Capability.MANAGE),
)


def build_nav(
    user: User,
    project: Project,
    current: str = "",
    *,
    held: Collection[Capability] | None = None,
) -> list[NavItem]:
    """The parts of the project that the person may open; open disputes and flags are counted.

    `held` saves the look-up where the caller knows the person's capabilities.
    """
    held = capabilities_of(user, project) if held is None else held
    return [
        NavItem(
            url=reverse(part.url_name, args=[project.slug]),
            label=str(part.label),
            current=part.name == current,
            count=_count(part.name, user, project),
        )
        for part in PARTS
        if part.needs in held
    ]


def _count(name: str, user: User, project: Project) -> int | None:
    """What waits behind a part. Nothing to do is no number to draw the eye."""
    if name == "disputes":
        return _count_disputes(project)
    if name == "reports":
        return count_open_reports(project) or None
    return count_open_flags(project, user) or None if name == "comments" else None


def _count_disputes(project: Project) -> int | None:
    return Dispute.objects.filter(project=project, state=Dispute.State.OPEN).count() or None


def project_context(request: AuthedRequest, project: Project, current: str = "") -> dict[str, Any]:
    """What every page of a project shows: the project, the bar, and what this person may do.

    `can` maps the names of capabilities to True or False: `{% if can.manage %}`.
    """
    held = capabilities_of(request.user, project)
    return {
        "project": project,
        "nav": build_nav(request.user, project, current, held=held),
        "nav_label": project.name,
        "can": {str(capability): capability in held for capability in Capability},
    }


def build_settings_tabs(project: Project, current: str, *, can_manage: bool) -> list[NavItem]:
    """The pages behind "Settings"; those who cannot manage read guidelines and error types."""
    parts = [
        ("settings", _("Protocol"), "labeling:settings", True),
        ("guidelines", _("Guidelines"), "labeling:guidelines", False),
        ("taxonomy", _("Error types"), "labeling:taxonomy", False),
        ("rulings", _("Rulings"), "labeling:rulings", False),
        ("training", _("Training"), "labeling:training", True),
        ("members", _("Members"), "labeling:members", True),
    ]
    return [
        NavItem(
            url=reverse(url_name, args=[project.slug]),
            label=label,
            current=name == current,
            count=None,
        )
        for name, label, url_name, managed in parts
        if can_manage or not managed
    ]
