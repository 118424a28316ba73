"""What a method adds to the page of its jobs: a section of its own, found by the method's name.

The page itself knows progress, failures and settings; curves, funnels and links to what was made
of a job belong to the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labeling.models import User
from modeljobs.models import ModelJob
from modeljobs.web.consensus_section import CONSENSUS_METHODS, build_consensus_section
from modeljobs.web.injection_section import INJECTING, build_injection_section
from modeljobs.web.rationale_section import REASONING, build_rationale_section
from modeljobs.web.rpe_section import build_rpe_section

BuildSection = Callable[[ModelJob, User], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class JobSection:
    """`build` gives the template's context, or None where there is nothing to show.

    The template is one <section class="card span-…"> and finds its context under `section`; `job`,
    `project` and `can` are there too.
    """

    methods: frozenset[str]
    template: str
    build: BuildSection


SECTIONS: tuple[JobSection, ...] = (
    JobSection(frozenset({"rpe"}), "modeljobs/rpe_section.html", build_rpe_section),
    JobSection(REASONING, "modeljobs/rationale_section.html", build_rationale_section),
    JobSection(CONSENSUS_METHODS, "modeljobs/consensus_section.html", build_consensus_section),
    JobSection(INJECTING, "modeljobs/injection_section.html", build_injection_section),
)


def build_sections(job: ModelJob, user: User) -> list[tuple[str, Mapping[str, Any]]]:
    """(template, context) of each section that this job's page shows."""
    found = []
    for section in SECTIONS:
        if job.method in section.methods:
            context = section.build(job, user)
            if context is not None:
                found.append((section.template, context))
    return found
