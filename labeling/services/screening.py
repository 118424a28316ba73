"""Who may take items of a queue that asks for training first.

A module of its own, because claiming asks it: what stands in `services.training` stores answers,
and knows how work is submitted.
"""

from __future__ import annotations

from labeling.models import Project, TrainingRound, User
from labeling.selectors.training import LET_IN, has_worked_on, is_exempt, live_items
from workbench.errors import NotAllowed


class NotScreened(NotAllowed):
    """This person has not passed the training that the project asks for."""

    code = "not_screened"


def require_passed(user: User, project: Project) -> None:
    """NotScreened where the project asks for training that this person has not passed.

    Leads need not pass it. A set that has nothing for this person lets them in.
    """
    if not project.screening_required:
        return
    if TrainingRound.objects.filter(LET_IN, project=project, person=user).exists():
        return
    if is_exempt(user, project) or not live_items(project).exclude(has_worked_on(user)).exists():
        return
    raise NotScreened(
        f"{project.name!r} asks for its training first. It begins at "
        f"/projects/{project.slug}/training/.",
        training=f"/projects/{project.slug}/training/",
    )
