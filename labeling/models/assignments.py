"""The queue: items to review, who has which, until when, and unfinished work.

The database guards it: a slot of an item is held by one live assignment, a person holds an item
once, and an item never has more live assignments than its overlap (a slot number is below it).
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from labeling.models.projects import Project
from labeling.models.solutions import Solution
from labeling.models.suggestions import Suggestion


class ReviewItem(models.Model):
    """One thing to review: the steps of a solution, or an injection's claim.

    `free_slots` counts the slots nobody holds and `state` says where the item stands; both are
    cached for speed. Their writers are services.assignments and services.reviewing; the
    `check_consistency` command recomputes them.
    """

    class Task(models.TextChoices):
        RATE_STEPS = "rate_steps", _("Rate steps")
        VERIFY_INJECTION = "verify_injection", _("Verify an injection")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting for reviewers")
        AGREED = "agreed", _("Agreed")
        DISPUTED = "disputed", _("In dispute")
        DECIDED = "decided", _("Decided")
        DISCARDED = "discarded", _("Discarded")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="review_items")
    solution = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="review_items")
    task = models.CharField(max_length=16, choices=Task)
    overlap = models.PositiveSmallIntegerField()
    free_slots = models.PositiveSmallIntegerField()
    queue_order = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    # The first revision that says what the reviewers agreed on; set with the state.
    agreed_revision = models.ForeignKey(
        "labeling.AnnotationRevision",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["solution", "task"], name="review_item_once"),
            models.UniqueConstraint(
                fields=["project", "queue_order"], name="review_item_queue_place"
            ),
            models.CheckConstraint(
                condition=Q(free_slots__gte=0, free_slots__lte=F("overlap")),
                name="review_item_free_slots",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "queue_order"],
                name="review_item_queue",
                condition=Q(free_slots__gt=0),
            ),
            models.Index(fields=["project", "state", "id"], name="review_item_by_state"),
        ]

    def __str__(self) -> str:
        return f"item {self.pk} ({self.task})"


class Assignment(models.Model):
    """One person's hold on one slot of an item: a lease with a token and an end."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SUBMITTED = "submitted", _("Submitted")
        SKIPPED = "skipped", _("Skipped")
        EXPIRED = "expired", _("Expired")

    class Proposal(models.TextChoices):
        # Of the machine's labels that a project puts before its reviewers.
        NONE = "none", _("There were none")
        SHOWN = "shown", _("Shown to be confirmed")
        BLIND = "blind", _("Kept back by chance")

    class Purpose(models.TextChoices):
        PLANNED = "planned", _("Planned")
        ADAPTIVE = "adaptive", _("Adaptive")
        AUDIT = "audit", _("Audit")
        GOLD = "gold", _("Gold")
        ADJUDICATION = "adjudication", _("Adjudication")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assignments")
    # The indexes below begin with these two.
    item = models.ForeignKey(
        ReviewItem, on_delete=models.PROTECT, related_name="assignments", db_index=False
    )
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="assignments",
        db_index=False,
    )
    slot = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    # Why this person got this item, and with what probability: agreement is computed on planned
    # assignments alone.
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.PLANNED)
    probability = models.FloatField(default=1.0)
    proposal = models.CharField(max_length=6, choices=Proposal, default=Proposal.NONE)
    # Which labels those were: also where they were kept back.
    suggestion = models.ForeignKey(
        Suggestion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The chance of being kept back, in [0, 1], at the draw; None where there was nothing to draw.
    blind_probability = models.FloatField(null=True, blank=True)
    lease_token = models.UUIDField()
    lease_expires_at = models.DateTimeField()
    skip_reason = models.TextField(blank=True)
    active_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "slot"],
                name="assignment_slot_held_once",
                condition=Q(state__in=["open", "submitted"]),
            ),
            models.UniqueConstraint(
                fields=["item", "annotator"],
                name="assignment_person_once",
                condition=Q(state__in=["open", "submitted", "skipped"]),
            ),
            models.CheckConstraint(condition=Q(slot__lt=32), name="assignment_slot_range"),
            models.CheckConstraint(
                condition=Q(proposal="none", suggestion__isnull=True)
                | (~Q(proposal="none") & Q(suggestion__isnull=False)),
                name="assignment_proposal_of_a_machine",
            ),
            models.CheckConstraint(
                condition=Q(probability__gt=0, probability__lte=1),
                name="assignment_probability_range",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at"],
                name="assignment_open_leases",
                condition=Q(state="open"),
            ),
            models.Index(fields=["annotator", "project", "state"], name="assignment_of_person"),
            # A claim asks it of each item that it passes, whatever the person has done by then.
            models.Index(fields=["item", "annotator"], name="assignment_of_item"),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk} of item {self.item_id}"


class Draft(models.Model):
    """A person's unfinished work on an item. It outlives leases: nothing written is lost."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="drafts")
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="drafts"
    )
    version = models.PositiveIntegerField(default=1)
    content = models.JSONField(default=dict)
    # Active time so far: {"total": ms, "steps": {"0": ms}}; see services.assignments.
    activity = models.JSONField(default=dict)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "annotator"], name="draft_once"),
        ]

    def __str__(self) -> str:
        return f"draft {self.version} of item {self.item_id}"
