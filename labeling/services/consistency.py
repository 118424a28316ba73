"""Is what is cached what the rows say? Every cached value has one writer, and this to check it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from labeling.content import parse_content
from labeling.models import Annotation, AnnotationRevision, Injection, ReviewItem, Solution
from labeling.queueing import Agreed, Discarded, Waiting
from labeling.services.annotations import project_ratings, rating_rows
from labeling.services.assignments import lock_item
from labeling.services.injections import find_lints, store_lints
from labeling.services.reviewing import (
    count_free_slots,
    is_withdrawn,
    refresh_item,
    resolve,
)

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """One cached value that is not what it should be."""

    what: str
    cached: object
    should_be: object

    def __str__(self) -> str:
        return f"{self.what}: {self.cached!r} should be {self.should_be!r}"


def find_inconsistencies(*, repair: bool = False) -> Iterator[Inconsistency]:
    """Everything cached that differs from what its rows say, mended on the way if asked."""
    yield from _check_items(repair=repair)
    yield from _check_ratings(repair=repair)
    yield from _check_step_counts(repair=repair)
    yield from _check_lints(repair=repair)


def _check_items(*, repair: bool) -> Iterator[Inconsistency]:
    items = ReviewItem.objects.select_related("project", "solution").order_by("pk")
    for item in items.iterator(chunk_size=CHUNK):
        with transaction.atomic():
            locked = lock_item(item.pk)
            out = item.task == ReviewItem.Task.VERIFY_INJECTION and is_withdrawn(item)
            free = 0 if out else count_free_slots(item)
            if locked.free_slots != free:
                yield Inconsistency(f"item {item.pk}: free slots", locked.free_slots, free)
                if repair:
                    ReviewItem.objects.filter(pk=item.pk).update(free_slots=free)
            if locked.state == ReviewItem.State.DECIDED:
                continue
            state = str(ReviewItem.State.DISCARDED) if out else _state_of(item)
            if locked.state != state and not item.disputes.filter(kinds=["reopened"]).exists():
                yield Inconsistency(f"item {item.pk}: state", locked.state, state)
                if repair and out:
                    ReviewItem.objects.filter(pk=item.pk).update(state=state)
                elif repair:
                    refresh_item(locked)


def _state_of(item: ReviewItem) -> str:
    resolution = resolve(item)
    if isinstance(resolution, Waiting):
        return str(ReviewItem.State.WAITING)
    if isinstance(resolution, Agreed):
        return str(ReviewItem.State.AGREED)
    if isinstance(resolution, Discarded):
        return str(ReviewItem.State.DISCARDED)
    return str(ReviewItem.State.DISPUTED)


def _check_ratings(*, repair: bool) -> Iterator[Inconsistency]:
    annotations = Annotation.objects.select_related("solution").order_by("pk")
    for annotation in annotations.iterator(chunk_size=CHUNK):
        revision = AnnotationRevision.objects.filter(
            annotation=annotation, number=annotation.current_number
        ).first()
        if revision is None:
            continue
        content = parse_content(revision.content, n_steps=annotation.solution.n_steps)
        wanted = sorted(
            (row["position"], row["validity"], row["rating"]) for row in rating_rows(content)
        )
        stored = sorted(
            annotation.ratings.values_list("step__position", "validity", "rating"),
        )
        if stored != wanted:
            yield Inconsistency(f"annotation {annotation.pk}: ratings", stored, wanted)
            if repair:
                with transaction.atomic():
                    project_ratings(annotation=annotation, content=content)


def _check_step_counts(*, repair: bool) -> Iterator[Inconsistency]:
    for solution in Solution.objects.order_by("pk").iterator(chunk_size=CHUNK):
        count = solution.steps.count()
        if count != solution.n_steps:
            yield Inconsistency(f"solution {solution.pk}: steps", solution.n_steps, count)
            if repair:
                Solution.objects.filter(pk=solution.pk).update(n_steps=count)


def _check_lints(*, repair: bool) -> Iterator[Inconsistency]:
    injections = Injection.objects.select_related("project", "modified__problem").order_by("pk")
    for injection in injections.iterator(chunk_size=CHUNK):
        stored = [lint.get("code") for lint in injection.lints]
        found = find_lints(injection)
        wanted = [lint["code"] for lint in found]
        if stored != wanted:
            yield Inconsistency(f"injection {injection.pk}: lints", stored, wanted)
            if repair:
                store_lints(injection, found)
