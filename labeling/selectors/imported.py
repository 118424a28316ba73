"""A source's records as they came in: what an import stored, read back without loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from labeling import records
from labeling.mapping import (
    freeze,
    is_verdict,
    unpack_imported,
    unpack_imported_verdict,
    unpack_suggestion,
)
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Injection,
    Problem,
    Solution,
    Source,
    Suggestion,
)
from labeling.selectors.truth import CHUNK, load_steps

ORIGINAL_PREFIX = "original:"


def iterate_imported(source: Source) -> Iterator[records.Solution]:
    """Every record of the source with its labels, in the order of import.

    Problems that came without any solution follow at the end.
    """
    ids = list(
        Solution.objects.filter(source=source, version=1)
        .exclude(source_key__startswith=ORIGINAL_PREFIX)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    for start in range(0, len(ids), CHUNK):
        yield from _build(ids[start : start + CHUNK])
    for problem in (
        Problem.objects.filter(source=source, solutions__isnull=True)
        .order_by("pk")
        .iterator(chunk_size=CHUNK)
    ):
        yield records.Solution(problem=problem_record(problem))


def problem_record(problem: Problem) -> records.Problem:
    """The problem's row as a record, as it came in."""
    return records.Problem(
        text=problem.text,
        source_id=problem.extra.get("source_id", ""),
        reference_answer=problem.reference_answer,
        reference_solution=problem.reference_solution,
        family=problem.extra.get("family", ""),
        domain=problem.domain,
        language=problem.language,
        extra=freeze(problem.extra.get("extra")),
    )


def injections_as_records(injections: QuerySet[Injection]) -> list[records.Solution]:
    """Stored injections with their modified solutions, as records."""
    return list(_build(list(injections.order_by("pk").values_list("modified_id", flat=True))))


def _build(ids: list[int]) -> Iterator[records.Solution]:
    injections = {
        injection.modified_id: injection
        for injection in Injection.objects.filter(modified_id__in=ids).select_related(
            "original__problem"
        )
    }
    steps = load_steps([*ids, *[injection.original_id for injection in injections.values()]])
    label_sets, verdicts = _load_words(ids)
    solutions = Solution.objects.select_related("problem").in_bulk(ids)
    for pk in ids:
        solution = solutions[pk]
        yield records.Solution(
            problem=problem_record(solution.problem),
            steps=tuple(steps[pk]),
            source_id=solution.extra.get("source_id", ""),
            generator=solution.generator,
            final_answer=solution.final_answer,
            final_answer_correct=solution.final_answer_correct,
            label_sets=tuple(label_sets[pk]),
            injection=_injection_record(injections.get(pk), steps, verdicts[pk]),
            extra=freeze(solution.extra.get("extra")),
        )


def _load_words(
    ids: list[int],
) -> tuple[dict[int, list[records.LabelSet]], dict[int, list[records.Verdict]]]:
    label_sets: dict[int, list[records.LabelSet]] = defaultdict(list)
    verdicts: dict[int, list[records.Verdict]] = defaultdict(list)
    rows: Any = (
        AnnotationRevision.objects.filter(
            annotation__solution__in=ids, annotation__kind=Annotation.Kind.IMPORTED
        )
        .order_by("annotation__solution_id", "annotation__ordinal")
        .values_list("annotation__solution_id", "annotation__rater", "content")
    )
    for solution_id, rater, content in rows:
        if is_verdict(content):
            verdicts[solution_id].append(unpack_imported_verdict(content, rater=rater))
        else:
            label_sets[solution_id].append(unpack_imported(content, rater=rater))
    for solution_id, producer, labels, first_error, payload in (
        Suggestion.objects.filter(solution__in=ids, provenance__has_key="import")
        .order_by("pk")
        .values_list("solution_id", "producer", "labels", "first_error", "payload")
    ):
        label_sets[solution_id].append(
            unpack_suggestion(
                producer=producer, labels=labels, first_error=first_error, payload=payload
            )
        )
    return label_sets, verdicts


def _injection_record(
    injection: Injection | None,
    steps: dict[int, list[records.Step]],
    verdicts: list[records.Verdict],
) -> records.Injection | None:
    if injection is None:
        return None
    return records.Injection(
        error_type=injection.error_type,
        original_problem=injection.original.problem.text,
        original_steps=tuple(step.text for step in steps[injection.original_id]),
        claimed_error_positions=tuple(injection.claimed_error_positions),
        claimed_changed_positions=tuple(injection.claimed_changed_positions),
        reason=injection.reason,
        verdicts=tuple(verdicts),
        extra=freeze(injection.extra.get("extra")),
    )
