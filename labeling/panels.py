"""Evidence panels: what machines found, beside what people judge.

Labelling knows nothing of how evidence comes about. An app that has some registers a panel in
`AppConfig.ready()`, and one that can check equalities its desk:

    panels.register(GenPrmPanel())
    panels.register_equalities(AlgebraDesk())

Pages of work ask only whether there is anything and where it is opened. What is opened comes from
the panel's own address, by POST, so that a sealed word is in no page of work, hidden or not.
"""

from __future__ import annotations

from typing import Protocol

from django.utils.safestring import SafeString

from labeling.models import Project, Solution, User


class EvidencePanel(Protocol):
    """One kind of evidence on the steps of a solution."""

    @property
    def name(self) -> str:
        """Stable, for logs and element ids: "genprm"."""

    @property
    def title(self) -> str:
        """What people call it, in their language."""

    def has_evidence(self, *, solution_id: int) -> bool:
        """Is there any, on whichever step? One query: pages of work ask it."""

    def find_open_url(self, *, assignment_id: int) -> str:
        """Where the evidence of one step is opened: takes a POST with `position`, decides whether
        the person may see it by now, logs that it was shown, and answers with the fragment.
        """

    def find_solution_url(self, *, solution_id: int) -> str:
        """Where those who browse the project read the evidence of one step: takes a GET with
        `fragment=step` and `position`, logs nothing, and answers with the same fragment.
        """

    def render_solution(self, *, solution: Solution, user: User) -> SafeString:
        """All of it for those who may browse the project; "" where there is none."""


class EqualityDesk(Protocol):
    """Somebody who can be asked whether an equality is true.

    Each address takes a POST with `text` and, where it is of a step, `position`; whether the person
    may ask by now is decided there. By GET it lists what this person has asked of the item.
    """

    def find_assignment_url(self, *, assignment_id: int) -> str:
        """For whoever holds the item."""

    def find_item_url(self, *, item_id: int) -> str:
        """For those who browse the project and judge or decide in it."""

    def may_ask(self, *, user: User, project: Project) -> bool:
        """May this person use the item's address?"""


_panels: dict[str, EvidencePanel] = {}
_equalities: list[EqualityDesk] = []


def register(panel: EvidencePanel) -> None:
    """Add a panel; a second one under the same name is a mistake."""
    known = _panels.get(panel.name)
    if known is not None and known is not panel:
        raise ValueError(f"There is already an evidence panel named {panel.name!r}.")
    _panels[panel.name] = panel


def unregister(name: str) -> None:
    """Forget a panel."""
    _panels.pop(name, None)


def register_equalities(desk: EqualityDesk) -> None:
    """Say who checks equalities; there is one at most."""
    if _equalities and _equalities[0] is not desk:
        raise ValueError("There is already somebody who checks equalities.")
    _equalities[:] = [desk]


def find_equalities() -> EqualityDesk | None:
    """Who checks equalities; None where nobody does."""
    return _equalities[0] if _equalities else None


def list_panels() -> list[EvidencePanel]:
    """The panels in the order of their registration."""
    return list(_panels.values())


def find_panels(*, solution_id: int) -> list[EvidencePanel]:
    """The panels that have something on this solution."""
    return [panel for panel in list_panels() if panel.has_evidence(solution_id=solution_id)]
