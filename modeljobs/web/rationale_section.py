"""What the page of a job that gives reasons says of them: how many of those rated are sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.models import User
from modeljobs.models import ModelJob
from modeljobs.selectors_rationales import tally_ratings

# The methods whose samples keep a text that can be rated.
REASONING = frozenset({"genprm", "critic", "r_prm", "think_prm"})


def build_rationale_section(job: ModelJob, user: User) -> Mapping[str, Any] | None:
    """The context of the section; None before anybody has rated anything."""
    tally = tally_ratings(job)
    return {"tally": tally} if tally.ratings else None
