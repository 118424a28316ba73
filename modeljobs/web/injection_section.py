"""What a job of injections shows on its page: its yield, and the guard that may stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.models import User
from labeling.selectors.review import list_error_types
from modeljobs.methods.catalog import METHODS
from modeljobs.models import ModelJob
from modeljobs.selectors_yield import build_job_yield
from modeljobs.services.acceptance import find_failing, read_guards
from modeljobs.web.forms import GuardForm
from modeljobs.web.yield_views import build_lines

INJECTING = frozenset(name for name, method in METHODS.items() if not method.judges)
AT_REST = (ModelJob.State.QUEUED, ModelJob.State.PAUSED)
FINAL = (ModelJob.State.DONE, ModelJob.State.CANCELLED)


def build_injection_section(job: ModelJob, user: User) -> Mapping[str, Any] | None:
    """The context of the section; None for a job that has nothing to count."""
    rows = build_job_yield(job)
    if not rows:
        return None
    return {
        "lines": build_lines(rows),
        "type_names": name_types(job),
        "guards": read_guards(job),
        # Of a job that is over nothing can be stopped.
        "failing": [] if job.state in FINAL else find_failing(job),
        "guard_form": GuardForm(guards=job.guards) if job.state in AT_REST else None,
    }


def name_types(job: ModelJob) -> dict[str, str]:
    """The names of the classes in the project's taxonomy."""
    return {kind.code: kind.name for kind in list_error_types(job.project.taxonomy)}
