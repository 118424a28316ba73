"""Solutions that errors are to be put into, seen by people first."""

from __future__ import annotations

from labeling.models import Project, User
from labeling.services.routing import Routed, send_to_people
from modeljobs.selection import find_unverified

REASON = "Errors are to be put into this solution: every step of it has to be right."
MOST_AT_ONCE = 10_000


def send_sources_to_people(*, project: Project, by: User, limit: int | None = None) -> Routed:
    """Put solutions that are known to be right, but that nobody of the project has settled, at the
    head of the queue: the first `limit` of them. For leads (see `routing.send_to_people`).
    """
    ids = find_unverified(project)[: min(limit or MOST_AT_ONCE, MOST_AT_ONCE)]
    return send_to_people(project=project, solution_ids=ids, by=by, reason=REASON)
