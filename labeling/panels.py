"""Evidence panels: what machines found, beside what people judge.

Labelling knows nothing of how evidence comes about. An app that has some registers a panel in
`AppConfig.ready()`:

    panels.register(GenPrmPanel())

Pages of work ask only whether there is anything and where it is opened. What is opened comes from
the panel's own address, by POST, so that a sealed word is in no page of work, hidden or not.
"""

from __future__ import annotations

from typing import Protocol

from django.utils.safestring import SafeString

from labeling.models import Solution, User


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

    def render_solution(self, *, solution: Solution, user: User) -> SafeString:
        """All of it for those who may browse the project; "" where there is none."""


_panels: dict[str, EvidencePanel] = {}


def register(panel: EvidencePanel) -> None:
    """Add a panel; a second one under the same name is a mistake."""
    known = _panels.get(panel.name)
    if known is not None and known is not panel:
        raise ValueError(f"There is already an evidence panel named {panel.name!r}.")
    _panels[panel.name] = panel


def unregister(name: str) -> None:
    """Forget a panel."""
    _panels.pop(name, None)


def list_panels() -> list[EvidencePanel]:
    """The panels in the order of their registration."""
    return list(_panels.values())


def find_panels(*, solution_id: int) -> list[EvidencePanel]:
    """The panels that have something on this solution."""
    return [panel for panel in list_panels() if panel.has_evidence(solution_id=solution_id)]
