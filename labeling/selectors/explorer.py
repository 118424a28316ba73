"""Browsing solutions and injections, with filters. List pages cost a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet

from labeling.models import (
    Annotation,
    AnnotationRevision,
    Injection,
    Project,
    ReviewItem,
    Solution,
)


@dataclass(frozen=True, slots=True)
class SolutionFilters:
    """What to show; empty means any."""

    text: str = ""
    source: str = ""
    generator: str = ""
    domain: str = ""
    state: str = ""
    kind: str = ""  # solution | injection | original
    error_type: str = ""
    answer: str = ""  # right | wrong | unknown
    lint: str = ""  # blocking | a code


def list_solutions(project: Project, filters: SolutionFilters) -> QuerySet[Solution]:
    """Matching solutions, newest last, with problem, source, injection and items at hand."""
    solutions = (
        Solution.objects.filter(project=project)
        .select_related("problem", "source", "injection")
        .prefetch_related(Prefetch("review_items", queryset=ReviewItem.objects.order_by("pk")))
        .order_by("pk")
    )
    if filters.text:
        # The question, or any step.
        solutions = solutions.filter(
            Q(problem__text__icontains=filters.text)
            | Q(pk__in=_solutions_with_step_text(project, filters.text))
        )
    if filters.source:
        solutions = solutions.filter(source__name=filters.source)
    if filters.generator:
        solutions = solutions.filter(generator=filters.generator)
    if filters.domain:
        solutions = solutions.filter(problem__domain=filters.domain)
    if filters.state:
        # A solution may stand in the queue twice: for its steps, and for its claim.
        solutions = solutions.filter(review_items__state=filters.state).distinct()
    if filters.error_type:
        solutions = solutions.filter(injection__error_type=filters.error_type)
    if filters.answer:
        known = {"right": True, "wrong": False, "unknown": None}
        solutions = solutions.filter(final_answer_correct=known.get(filters.answer))
    if filters.lint == "blocking":
        solutions = solutions.filter(injection__blocking_lints__gt=0)
    elif filters.lint:
        solutions = solutions.filter(injection__in=_injections_with_lint(project, filters.lint))
    if filters.kind == "injection":
        solutions = solutions.filter(injection__isnull=False)
    elif filters.kind == "original":
        solutions = solutions.filter(source_key__startswith="original:")
    elif filters.kind == "solution":
        solutions = solutions.filter(injection__isnull=True).exclude(
            source_key__startswith="original:"
        )
    return solutions


def _solutions_with_step_text(project: Project, text: str) -> QuerySet[Solution, Any]:
    return Solution.objects.filter(project=project, steps__text__icontains=text).values("pk")


def _injections_with_lint(project: Project, code: str) -> list[int]:
    """By reading: JSON containment is not to be had on every database."""
    return [
        pk
        for pk, lints in Injection.objects.filter(project=project).values_list("pk", "lints")
        if any(lint.get("code") == code for lint in lints)
    ]


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What can be filtered by, as there is."""

    sources: list[str]
    generators: list[str]
    domains: list[str]
    error_types: list[str]


def list_filter_choices(project: Project) -> FilterChoices:
    solutions = Solution.objects.filter(project=project)

    def distinct(field: str) -> list[str]:
        values = solutions.order_by().values_list(field, flat=True).distinct()
        return sorted(value for value in values if value)

    return FilterChoices(
        sources=distinct("source__name"),
        generators=distinct("generator"),
        domains=distinct("problem__domain"),
        error_types=distinct("injection__error_type"),
    )


def list_annotations(solution: Solution) -> QuerySet[Annotation]:
    """What people said of a solution, with all revisions, oldest first."""
    return (
        Annotation.objects.filter(solution=solution)
        .select_related("annotator", "item")
        .prefetch_related(
            Prefetch("revisions", queryset=AnnotationRevision.objects.order_by("number"))
        )
        .order_by("created_at", "pk")
    )


def count_by_lint(project: Project) -> dict[str, int]:
    """How many injections carry each lint code."""
    counts: dict[str, int] = {}
    for lints in Injection.objects.filter(project=project).values_list("lints", flat=True):
        for code in {lint.get("code", "") for lint in lints}:
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items()))


def count_injections(project: Project) -> dict[str, int]:
    """Injections by error type."""
    return dict(
        Injection.objects.filter(project=project)
        .order_by("error_type")
        .values_list("error_type")
        .annotate(Count("pk"))
    )
