"""Where a page of work opens what machines said; never the word itself.

    {"note": "", "panels": [{"title", "url"}], "url": "", "is_logged": True,
     "equality": None or {"url"}}

`_evidence.html` draws it. `panels` are the places that each step has, `url` is the page that shows
them without script, and `note` says what they wait for. What is opened is noted where `is_logged`:
that asks by POST, else by GET. `equality` is where equalities are checked. For pages that have no
list of steps, `build_solution_places` brings that too, as `steps`.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from labeling import panels
from labeling.blinding import Evidence
from labeling.models import Assignment, Project, ReviewItem, Solution, User
from labeling.selectors.review import Workspace, list_steps


def build_evidence_places(workspace: Workspace) -> dict[str, Any]:
    """Where the machines' word on a step is opened, and what it waits for; never the word itself.

    What opens with the person's own judgement has its places in the page from the start, because
    the judgement is made there: the panel's address decides whether it may be opened by now.
    """
    nothing: dict[str, Any] = {
        "note": "",
        "panels": [],
        "url": "",
        "is_logged": True,
        "equality": _find_equality(workspace),
    }
    kept_back = workspace.assignment.proposal == Assignment.Proposal.BLIND
    if workspace.evidence == "absent" or (kept_back and workspace.evidence == "sealed"):
        # Whom chance keeps a machine's word from is not told so either.
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
    return nothing | {"note": note, "panels": places, "url": places[0]["url"]}


def build_solution_places(
    solution: Solution, *, item: ReviewItem | None = None, user: User | None = None
) -> dict[str, Any]:
    """The same for somebody who browses the project and decides on the solution: nothing is sealed
    from them, and nothing logged. With `item` and `user` also where they may check equalities.
    """
    found = panels.find_panels(solution_id=solution.pk)
    places = [
        {"title": panel.title, "url": panel.find_solution_url(solution_id=solution.pk)}
        for panel in found
    ]
    return {
        "note": "",
        "panels": places,
        "url": places[0]["url"] if places else "",
        "is_logged": False,
        "equality": find_item_equality(item, user),
        "steps": list_steps(solution),
    }


def find_item_equality(item: ReviewItem | None, user: User | None) -> dict[str, str] | None:
    """Where somebody who browses the project has equalities of an item checked."""
    desk = panels.find_equalities()
    if desk is None or item is None or user is None:
        return None
    if not desk.may_ask(user=user, project=item.project):
        return None
    return {"url": desk.find_item_url(item_id=item.pk)}


def _find_equality(workspace: Workspace) -> dict[str, str] | None:
    """Where the reviewer asks whether an equality is true, unless that is never in their time."""
    desk = panels.find_equalities()
    pk = workspace.assignment.pk
    kind = workspace.project.equality_checks
    is_over = workspace.assignment.state == Assignment.State.SUBMITTED
    if desk is None or pk is None or kind == Project.Evidence.NEVER:
        return None
    if kind == Project.Evidence.AFTER_SUBMIT and not is_over:
        return None
    return {"url": desk.find_assignment_url(assignment_id=pk)}


def _explain_seal(workspace: Workspace, kind: Evidence) -> str:
    if kind != "after_judgement":
        return _("Machine evidence opens after you submit.")
    if workspace.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return _("Machine evidence opens with your judgement.")
    return _("Machine evidence on a step opens with your own rating of it.")
