"""Machines' labels that are put before reviewers to be confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, CharField

from labeling.content import Proposal
from labeling.mapping import parse_labels
from labeling.models import Assignment, Project, Suggestion
from labeling.prepared import Prepared
from labeling.records import derive_rating

_newest = Prepared(
    lambda solution, method: Suggestion.objects.filter(solution=solution, method=method).order_by(
        "-pk"
    ),
    solution=BigIntegerField(),
    method=CharField(),
)


def list_proposal_methods(project: Project) -> list[str]:
    """The methods whose labels this project has, with the one that is chosen, in order of name."""
    found = Suggestion.objects.filter(project=project).order_by("method")
    methods = set(found.values_list("method", flat=True).distinct())
    return sorted(methods | {project.proposal_method} - {""})


def find_proposed(*, solution_id: int, method: str) -> Suggestion | None:
    """The newest labels of a method on a solution."""
    return _newest.first(solution=solution_id, method=method)


def read_ratings(labels: Sequence[object], *, binary: bool) -> tuple[int | None, ...]:
    """-1, 0 or +1 per step as a machine's labels have it; None where they say nothing.

    Where a project asks for right or wrong alone, a step that is true without progress is +1.
    """
    ratings = [None if label is None else derive_rating(label) for label in parse_labels(labels)]
    return tuple([1 if binary and rating == 0 else rating for rating in ratings])


def find_proposal(assignment: Assignment) -> Proposal | None:
    """The ratings that stand beside the steps of this assignment; None where none do."""
    suggestion = assignment.suggestion
    if assignment.proposal != Assignment.Proposal.SHOWN or suggestion is None:
        return None
    binary = assignment.project.rating_view == Project.RatingView.BINARY
    return Proposal(suggestion.pk, read_ratings(suggestion.labels, binary=binary))


def show_proposal(assignment: Assignment) -> dict[str, Any] | None:
    """The same for the page: {"suggestion", "method", "producer", "is_scripted", "ratings"}.

    None where there is nothing to confirm, and where it was kept back: a page does not tell which.
    """
    proposal, suggestion = find_proposal(assignment), assignment.suggestion
    if proposal is None or suggestion is None:
        return None
    return {
        "suggestion": suggestion.pk,
        "method": suggestion.method,
        "producer": suggestion.producer,
        "is_scripted": suggestion.is_scripted,
        "ratings": list(proposal.ratings),
    }
