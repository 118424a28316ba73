"""What methods found step by step, and who checks equalities, for the pages of labelling."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from labeling.access import Capability, capabilities_of
from labeling.models import Project, Solution, User
from labeling.selectors.review import list_steps
from modeljobs.evidence_views import EvidenceView, StepRow, list_evidence, list_sources
from modeljobs.models import StepEvidence
from modeljobs.rollout_views import WHOLE
from modeljobs.services.equalities import may_ask
from modeljobs.services.reveals import PANEL


class StepEvidencePanel:
    """See `labeling.panels.EvidencePanel`."""

    name = PANEL

    @property
    def title(self) -> str:
        return _("Step verification")

    def has_evidence(self, *, solution_id: int) -> bool:
        return StepEvidence.objects.filter(item__solution=solution_id).exists()

    def find_open_url(self, *, assignment_id: int) -> str:
        return reverse("modeljobs:assignment-evidence", args=[assignment_id])

    def find_solution_url(self, *, solution_id: int) -> str:
        return reverse("modeljobs:solution-evidence", args=[solution_id])

    def render_solution(self, *, solution: Solution, user: User) -> SafeString:
        sources = list_sources(solution.pk)
        if not sources:
            return SafeString("")
        held = capabilities_of(user, solution.project)
        steps = list_steps(solution)
        runs = []
        for item, source in sources:
            by_position: dict[int, list[EvidenceView]] = {}
            for view in list_evidence(item, with_texts=False, sight=WHOLE):
                by_position.setdefault(view.position, []).append(view)
            rows = [StepRow(step, tuple(by_position.get(step.position, ()))) for step in steps]
            runs.append((source, rows))
        return render_to_string(
            "modeljobs/_solution_evidence.html",
            {"runs": runs, "may_see_jobs": Capability.VIEW_JOBS in held},
        )


class AlgebraDesk:
    """See `labeling.panels.EqualityDesk`."""

    def find_assignment_url(self, *, assignment_id: int) -> str:
        return reverse("modeljobs:assignment-equalities", args=[assignment_id])

    def find_item_url(self, *, item_id: int) -> str:
        return reverse("modeljobs:item-equalities", args=[item_id])

    def may_ask(self, *, user: User, project: Project) -> bool:
        return may_ask(user, project)


step_evidence_panel = StepEvidencePanel()
equality_desk = AlgebraDesk()
