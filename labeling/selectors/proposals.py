"""Machines' labels that are put before reviewers to be confirmed."""

from __future__ import annotations

from labeling.models import Project, Suggestion


def list_proposal_methods(project: Project) -> list[str]:
    """The methods whose labels this project has, with the one that is chosen, in order of name."""
    found = Suggestion.objects.filter(project=project).order_by("method")
    methods = set(found.values_list("method", flat=True).distinct())
    return sorted(methods | {project.proposal_method} - {""})
