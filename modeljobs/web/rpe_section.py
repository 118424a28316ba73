"""The section of a job of rollouts on its page: what the problems are like, and how steps stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from labeling.access import Capability, capabilities_of
from labeling.models import User
from modeljobs.models import JobItem, ModelJob, ReferenceDoubt
from modeljobs.readings import bin_starts, find_rule, find_states, load_counts, read_table, tally

# A page is asked for often: the figures of larger jobs are counted on the page of their labels.
MOST_ITEMS: Final = 5_000


def build_rpe_section(job: ModelJob, user: User) -> Mapping[str, Any] | None:
    """The figures of the items that are done; without them where there are too many to count on the
    way to a page, and None before the first is done.
    """
    done = JobItem.objects.filter(job=job, state=JobItem.State.DONE).count()
    if not done:
        return None
    context: dict[str, Any] = {
        "items": done,
        "rule": find_rule(job),
        "doubts": ReferenceDoubt.objects.filter(
            item__job=job, state=ReferenceDoubt.State.OPEN
        ).count(),
        "can_browse": Capability.BROWSE in capabilities_of(user, job.project),
        "tally": None,
        "bars": (),
        "unknown_starts": 0,
    }
    if done <= MOST_ITEMS:
        counts = load_counts(job)
        states = find_states(read_table(counts.table, context["rule"]), context["rule"])
        bars, unknown = bin_starts(counts.table, context["rule"])
        context |= {
            "tally": tally(states, counts.table.offsets),
            "bars": bars,
            "unknown_starts": unknown,
        }
    return context
