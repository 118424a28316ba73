"""What a job of injections shows on its page: the guard that may stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.models import User
from modeljobs.methods.catalog import METHODS
from modeljobs.models import ModelJob
from modeljobs.services.acceptance import find_failing, read_guards
from modeljobs.web.forms import GuardForm

INJECTING = frozenset(
    name for name, method in METHODS.items() if method.asks_engine and not method.judges
)
AT_REST = (ModelJob.State.QUEUED, ModelJob.State.PAUSED)
FINAL = (ModelJob.State.DONE, ModelJob.State.CANCELLED)


def build_injection_section(job: ModelJob, user: User) -> Mapping[str, Any] | None:
    """The context of the section."""
    return {
        "guards": read_guards(job),
        # Of a job that is over nothing can be stopped.
        "failing": [] if job.state in FINAL else find_failing(job),
        "guard_form": GuardForm(guards=job.guards) if job.state in AT_REST else None,
    }
