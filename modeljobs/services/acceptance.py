"""Guards: a job stops by itself when people reject too much of what its injector makes.

Acceptance is counted for each injector by itself, that is for each model, class and version of the
prompts, over all jobs of the project: what people said of yesterday's job counts for today's. An
injector falls below the rate when even the upper end of Wilson's 95 % interval does, so that a few
rejections in a row stop nothing; `min_reviewed` says from how many reviewed on that is asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from labeling.access import Capability, require
from labeling.metrics.intervals import wilson_interval
from labeling.models import User
from labeling.services.audit import record_event
from modeljobs.methods.catalog import METHODS
from modeljobs.models import ModelJob
from modeljobs.selectors_yield import Acceptance, measure_acceptance
from modeljobs.services.leases import OPEN_STATES
from workbench.errors import Conflict, InvalidInput

NAMES = ("min_acceptance", "min_reviewed")
# The upper end for 20 reviewed is below one half from 5 accepted down.
LEAST_REVIEWED = 20
MOST_REVIEWED = 1_000_000

State = ModelJob.State


@dataclass(frozen=True, slots=True)
class Guards:
    """The rate below which an injector's work is stopped, None for no guard, and from how many
    reviewed on it is looked at.
    """

    min_acceptance: float | None = None
    min_reviewed: int = LEAST_REVIEWED

    def __bool__(self) -> bool:
        return self.min_acceptance is not None

    def pack(self) -> dict[str, Any]:
        """As the job's row keeps it: {} for no guard."""
        if self.min_acceptance is None:
            return {}
        return {"min_acceptance": self.min_acceptance, "min_reviewed": self.min_reviewed}


@dataclass(frozen=True, slots=True)
class Finding:
    """A class whose injector fell below the rate, and what people said of it."""

    error_type: str
    reviewed: int
    accepted: int
    high: float
    sentence: str


def parse_guards(data: Mapping[str, Any] | None, *, method: str = "") -> Guards:
    """The guards as sent; InvalidInput with the field at fault.

    `method` is the job's, where it is known: what judges solutions makes nothing that people could
    accept, and what works by rule has its truth beside it; neither takes a guard.
    """
    given = {name: value for name, value in (data or {}).items() if value is not None}
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise InvalidInput(
            f"There is no guard {unknown[0]!r}; guards are {', '.join(NAMES)}.", field=unknown[0]
        )
    if not given:
        return Guards()
    if "min_acceptance" not in given:
        raise InvalidInput(
            "'min_reviewed' says from when on 'min_acceptance' holds; give both, or neither.",
            field="min_acceptance",
        )
    known = METHODS.get(method)
    if known is not None and (known.judges or not known.asks_engine):
        raise InvalidInput(
            f"The method {method!r} has no injector that people's verdicts could stop; it takes no "
            "guard.",
            field="min_acceptance",
        )
    return Guards(
        _read_rate(given["min_acceptance"]), _read_count(given.get("min_reviewed", LEAST_REVIEWED))
    )


def read_guards(job: ModelJob) -> Guards:
    """The job's guards; they were checked when they were set."""
    return Guards(**{name: job.guards[name] for name in NAMES if name in job.guards})


def check_job(job: ModelJob) -> str:
    """Why the job must not go on: which of its classes fell below the rate, in a sentence; "" where
    none did. No query for a job without a guard, three for one that has some.
    """
    findings = find_failing(job)
    if not findings:
        return ""
    if len(findings) == 1:
        return findings[0].sentence
    return f"{findings[0].sentence} So it is with {len(findings) - 1} more of its classes."


def find_failing(job: ModelJob) -> list[Finding]:
    """The classes that the job still asks for and whose injector fell below the job's rate."""
    guards = read_guards(job)
    if not guards:
        return []
    units = set(
        job.items.filter(state__in=OPEN_STATES).order_by().values_list("unit", flat=True).distinct()
    )
    if not units:
        return []
    found = measure_acceptance(job)
    findings = [judge(unit, found[unit], guards) for unit in sorted(units) if unit in found]
    return [finding for finding in findings if finding is not None]


def judge(error_type: str, counted: Acceptance, guards: Guards) -> Finding | None:
    """The finding on one injector, None where it may go on."""
    rate = guards.min_acceptance
    if rate is None or counted.reviewed < guards.min_reviewed:
        return None
    high = wilson_interval(counted.accepted, counted.reviewed).high
    if high is None or high >= rate:
        return None
    return Finding(
        error_type=error_type,
        reviewed=counted.reviewed,
        accepted=counted.accepted,
        high=high,
        sentence=(
            f"People accepted {counted.accepted} of {counted.reviewed} of class {error_type!r} "
            f"({high:.0%} at the most), below the guard of {rate:.0%}."
        ),
    )


@transaction.atomic
def change_guards(*, job: ModelJob, guards: Mapping[str, Any], by: User) -> ModelJob:
    """Replace the guards of a job that has not begun, or is paused."""
    require(by, job.project, Capability.RUN_JOBS)
    wanted = parse_guards(guards, method=job.method)
    fresh = ModelJob.objects.select_for_update().get(pk=job.pk)
    if fresh.state not in (State.QUEUED, State.PAUSED):
        raise Conflict(
            f"The job is {fresh.get_state_display().lower()}; guards are changed while it is "
            "paused.",
            state=fresh.state,
        )
    fresh.guards = wanted.pack()
    fresh.save(update_fields=["guards"])
    record_event(
        project=job.project,
        actor=by,
        verb="job.guards_changed",
        target=job,
        guards=fresh.guards,
    )
    job.refresh_from_db()
    return job


def check_before_resuming(job: ModelJob) -> None:
    """Conflict while a guard stands against the job: it has to be changed first."""
    reason = check_job(job)
    if reason:
        raise Conflict(
            f"{reason} Change the guard, or take it away, before the job goes on.", state=job.state
        )


def _read_rate(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= 1:
        raise InvalidInput(
            f"'min_acceptance' is a share above 0 and at most 1, not {value!r}.",
            field="min_acceptance",
        )
    return float(value)


def _read_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REVIEWED:
        raise InvalidInput(
            f"'min_reviewed' is a whole number from 1 to {MOST_REVIEWED:,}, not {value!r}.",
            field="min_reviewed",
        )
    return value
