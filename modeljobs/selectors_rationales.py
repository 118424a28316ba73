"""What people think of a job's reasoning: the newest word of each person on each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Max, QuerySet

from labeling.metrics.intervals import WilsonInterval, wilson_interval
from modeljobs.models import ModelJob, RationaleRating

Value = RationaleRating.Value


@dataclass(frozen=True, slots=True)
class RationaleTally:
    """Newest ratings by value, of how many samples and people, and the share that is sound with its
    interval. Several people may have rated one sample: each of them counts.
    """

    counts: Mapping[str, int]
    samples: int
    people: int
    sound: WilsonInterval

    @property
    def ratings(self) -> int:
        return self.sound.trials


def list_newest(job: ModelJob) -> QuerySet[RationaleRating]:
    """The newest rating of each person on each sample, newest first."""
    newest = (
        RationaleRating.objects.filter(item__job=job)
        .order_by()
        .values("item", "position", "sample", "person")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    return RationaleRating.objects.filter(pk__in=newest).order_by("-pk")


def list_all(job: ModelJob) -> QuerySet[RationaleRating]:
    """Every rating, also those that the same person has replaced since, newest first."""
    return RationaleRating.objects.filter(item__job=job).order_by("-pk")


def tally_ratings(job: ModelJob) -> RationaleTally:
    """The newest ratings together. Three queries."""
    newest = list_newest(job)
    counts = dict.fromkeys(Value.values, 0)
    found = newest.order_by().values("value").annotate(n=Count("pk"))
    counts |= {row["value"]: row["n"] for row in found}
    samples = newest.order_by().values("item", "position", "sample").distinct().count()
    people = newest.order_by().values("person").distinct().count()
    interval = wilson_interval(counts[Value.SOUND], sum(counts.values()))
    return RationaleTally(counts, samples, people, interval)
