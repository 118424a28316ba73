"""Exchanges with engines. Counts are columns; texts live in content-addressed chunks."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from modeljobs.models.jobs import JobItem


class ModelCall(models.Model):
    """One exchange: what was asked for, what came back, and what it cost.

    `chunk` is the SHA-256 of a zstd file in the data folder that holds the texts of calls stored
    together; `place` counts the item's exchanges over all attempts.
    """

    item = models.ForeignKey(JobItem, on_delete=models.CASCADE, related_name="calls")
    attempt = models.PositiveSmallIntegerField()
    place = models.PositiveIntegerField()
    purpose = models.CharField(max_length=40)
    outcome = models.CharField(max_length=40)
    finish_reason = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    milliseconds = models.PositiveIntegerField(default=0)
    settings = models.JSONField(default=dict)
    chunk = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["item", "place"], name="model_call_place_once"),
        ]
        indexes = [
            # Cost is known only where there is none of these.
            models.Index(
                fields=["item"],
                name="model_call_uncounted",
                condition=Q(prompt_tokens__isnull=True) | Q(completion_tokens__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"call {self.place} of item {self.item_id}"
