"""Where a page of work opens what machines said; never the word itself."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from labeling import panels
from labeling.blinding import Evidence
from labeling.models import ReviewItem
from labeling.selectors.review import Workspace


def build_evidence_places(workspace: Workspace) -> dict[str, Any]:
    """Where the machines' word on a step is opened, and what it waits for; never the word itself.

    What opens with the person's own judgement has its places in the page from the start, because
    the judgement is made there: the panel's address decides whether it may be opened by now.
    """
    nothing: dict[str, Any] = {"note": "", "panels": [], "url": ""}
    if workspace.evidence == "absent":
        return nothing
    found = panels.find_panels(solution_id=workspace.solution.pk)
    is_sealed = workspace.evidence == "sealed"
    kind: Evidence = workspace.project.machine_evidence  # type: ignore[assignment]  # choices
    note = ""
    if is_sealed and (found or workspace.has_machine_words):
        note = _explain_seal(workspace, kind)
    if not found or (is_sealed and kind != "after_judgement"):
        return nothing | {"note": note}
    pk = workspace.assignment.pk
    places = [
        {"title": panel.title, "url": panel.find_open_url(assignment_id=pk)} for panel in found
    ]
    return {"note": note, "panels": places, "url": places[0]["url"]}


def _explain_seal(workspace: Workspace, kind: Evidence) -> str:
    if kind != "after_judgement":
        return _("Machine evidence opens after you submit.")
    if workspace.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return _("Machine evidence opens with your judgement.")
    return _("Machine evidence on a step opens with your own rating of it.")
