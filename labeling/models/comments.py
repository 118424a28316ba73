"""What people say to each other of an item: comments, flags, and who is named in them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from labeling.models.assignments import ReviewItem
from labeling.models.projects import Project
from labeling.models.solutions import Solution


class Comment(models.Model):
    """A word on an item or on one of its steps. It is never changed; it may be withdrawn.

    A flag is a comment with a reason, which leads see in one list. The first of a thread has no
    `thread`; an answer points at it. Who may read one: labeling.comment_rules.
    """

    class Kind(models.TextChoices):
        COMMENT = "comment", _("Comment")
        FLAG = "flag", _("Flag")

    class Reason(models.TextChoices):
        PROBLEM = "problem", _("The problem or solution is bad")
        GUIDELINES = "guidelines", _("The guidelines leave it open")
        TAXONOMY = "taxonomy", _("No error type fits")
        TECHNICAL = "technical", _("Something is broken")
        OTHER = "other", _("Another reason")

    class Voice(models.TextChoices):
        # As whom it was said; roles change, this does not.
        DESK = "desk", _("Leads and adjudicators")
        PEER = "peer", _("Reviewers")

    class Audience(models.TextChoices):
        DESK = "desk", _("Leads, adjudicators and whom it names")
        EVERYONE = "everyone", _("Everybody who works on this item")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comments")
    # The index below begins with it.
    item = models.ForeignKey(
        ReviewItem, on_delete=models.PROTECT, related_name="comments", db_index=False
    )
    solution = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="comments")
    # None: the item as a whole.
    position = models.PositiveIntegerField(null=True, blank=True)
    thread = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replies"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments"
    )
    voice = models.CharField(max_length=4, choices=Voice)
    audience = models.CharField(max_length=8, choices=Audience, default=Audience.DESK)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.COMMENT)
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    text = models.TextField()
    # Sent twice is said once.
    idempotency_key = models.UUIDField()
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    # Of the thread, so on its first comment alone; the audit log has every change of it.
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["author", "idempotency_key"], name="comment_sent_once"),
            models.CheckConstraint(condition=~Q(text=""), name="comment_has_words"),
            models.CheckConstraint(
                condition=Q(kind="comment", reason="")
                | Q(
                    kind="flag",
                    thread__isnull=True,
                    reason__in=["problem", "guidelines", "taxonomy", "technical", "other"],
                ),
                name="comment_flag_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(voice="desk", audience__in=["desk", "everyone"])
                | Q(voice="peer", audience="desk"),
                name="comment_audience_of_its_voice",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True, resolved_by__isnull=True)
                | Q(resolved_at__isnull=False, resolved_by__isnull=False, thread__isnull=True),
                name="comment_resolved_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(thread__isnull=True) | ~Q(thread=F("id")),
                name="comment_answers_another",
            ),
        ]
        indexes = [
            models.Index(fields=["item", "id"], name="comment_of_item"),
            models.Index(
                fields=["project", "-id"],
                name="comment_threads",
                condition=Q(thread__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} on item {self.item_id}"


class Mention(models.Model):
    """A person whom a comment is addressed to, and when they said that they had seen it."""

    comment = models.ForeignKey(Comment, on_delete=models.CASCADE, related_name="mentions")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="mentions",
        # The indexes below begin with it.
        db_index=False,
    )
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comment", "person"], name="mention_once"),
        ]
        indexes = [
            models.Index(fields=["person", "-id"], name="mention_of_person"),
            models.Index(
                fields=["person"], name="mention_unseen", condition=Q(seen_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} in comment {self.comment_id}"
