"""Which of a machine's labels a reviewer is given to confirm, and which are kept back by chance."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from labeling.models import Assignment, Project, ReviewItem, Suggestion, User
from labeling.selectors.proposals import find_proposed

_chance = secrets.SystemRandom()


class Drawn(NamedTuple):
    """The columns of an assignment that say what was put before the reviewer."""

    proposal: Assignment.Proposal = Assignment.Proposal.NONE
    suggestion: Suggestion | None = None
    blind_probability: float | None = None

    @property
    def exposure(self) -> dict[str, Any] | None:
        """What is logged as shown; None where nothing is."""
        if self.proposal != Assignment.Proposal.SHOWN or self.suggestion is None:
            return None
        return {
            "panel": "proposal",
            "suggestion": self.suggestion.pk,
            "method": self.suggestion.method,
            "producer": self.suggestion.producer,
            "is_scripted": self.suggestion.is_scripted,
        }


def draw_proposal(*, item: ReviewItem, user: User, project: Project) -> Drawn:
    """Draw whether this reviewer confirms the machine's labels on an item or judges without them.

    Who takes an item again gets what was drawn before: nobody draws until it suits them.
    """
    if not project.proposal_method or item.task != ReviewItem.Task.RATE_STEPS:
        return Drawn()
    earlier = (
        Assignment.objects.filter(item=item, annotator=user)
        .exclude(proposal=Assignment.Proposal.NONE)
        .select_related("suggestion")
        .order_by("pk")
        .first()
    )
    if earlier is not None:
        return Drawn(
            Assignment.Proposal(earlier.proposal), earlier.suggestion, earlier.blind_probability
        )
    suggestion = find_proposed(solution_id=item.solution_id, method=project.proposal_method)
    if suggestion is None:
        return Drawn()
    share = project.blind_share / 100
    is_blind = _chance.random() < share
    proposal = Assignment.Proposal.BLIND if is_blind else Assignment.Proposal.SHOWN
    return Drawn(proposal, suggestion, share)
