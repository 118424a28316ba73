"""A project and its protocol: what is asked of people, of how many, and what they may see."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from labeling.models.taxonomies import Taxonomy


class Asked(NamedTuple):
    """What reviewers are asked of a step besides its rating."""

    contribution: bool
    origin: bool
    error_types: bool


class Project(models.Model):
    """One labelling effort: its protocol, its guidelines, and the taxonomy version in force."""

    class RatingView(models.TextChoices):
        TERNARY = "ternary", _("−1, 0, +1")
        BINARY = "binary", _("wrong or right")

    class Mode(models.TextChoices):
        ALL_STEPS = "all_steps", _("Judge every step")
        FIRST_ERROR = "first_error", _("Stop at the first error")
        PRM800K = "prm800k", _("As PRM800K: +1, 0, −1 up to the first −1")

    class Strategy(models.TextChoices):
        SINGLE = "single", _("One reviewer decides")
        DOUBLE = "double", _("Two reviewers, an adjudicator where they differ")
        MAJORITY = "majority", _("The majority decides, an adjudicator where there is none")
        K_AGREE = "k_agree", _("Until k reviewers agree, else discard")

    class Evidence(models.TextChoices):
        NEVER = "never", _("Never")
        AFTER_SUBMIT = "after_submit", _("After submitting")
        AFTER_JUDGEMENT = "after_judgement", _("After one's own judgement")
        ALWAYS = "always", _("From the start")

    class SourceOrder(models.TextChoices):
        IMPORTED = "imported", _("As they came in")
        TOGETHER = "together", _("All items of one original together")
        SPREAD = "spread", _("Items of one original far apart")

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    is_demo = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    # What is asked
    rating_view = models.CharField(max_length=8, choices=RatingView, default=RatingView.TERNARY)
    mode = models.CharField(max_length=12, choices=Mode, default=Mode.ALL_STEPS)
    asks_contribution = models.BooleanField(default=True)
    asks_origin = models.BooleanField(default=True)
    asks_error_types = models.BooleanField(default=True)
    allow_partial = models.BooleanField(default=False)

    # Of how many, and who decides
    overlap = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(32)]
    )
    strategy = models.CharField(max_length=10, choices=Strategy, default=Strategy.DOUBLE)
    agree_target = models.PositiveSmallIntegerField(default=3)
    max_overlap = models.PositiveSmallIntegerField(default=5)
    lease_minutes = models.PositiveSmallIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )

    # What is blinded
    hide_claim = models.BooleanField(default=True)
    show_reference_answer = models.BooleanField(default=True)
    machine_evidence = models.CharField(
        max_length=16, choices=Evidence, default=Evidence.AFTER_SUBMIT
    )
    hide_names = models.BooleanField(default=True)

    # When may a reviewer ask whether an equality of a step is true?
    equality_checks = models.CharField(
        max_length=16, choices=Evidence, default=Evidence.AFTER_JUDGEMENT
    )
    # May reviewers see what was decided of the items that they have judged?
    decisions_shown = models.BooleanField(default=False)

    # Are solutions given to error injection only once a person has found them right?
    verify_sources = models.BooleanField(default=False)
    # Whose labels are put before reviewers to be confirmed: a Suggestion's method, "" for nobody's.
    proposal_method = models.CharField(max_length=80, blank=True)
    # Of the items that have such labels, the share (percent) judged without them, drawn by chance.
    blind_share = models.PositiveSmallIntegerField(default=10, validators=[MaxValueValidator(100)])

    # In which order items that share an original are given out.
    source_order = models.CharField(max_length=8, choices=SourceOrder, default=SourceOrder.IMPORTED)

    # Who has not passed this many training items at this rate takes no item of the queue.
    screening_required = models.BooleanField(default=False)
    screening_size = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(200)]
    )
    screening_pass_percent = models.PositiveSmallIntegerField(
        default=75, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )

    guidelines = models.TextField(blank=True)
    # The same in other languages: {"zh-hans": text}.
    guideline_translations = models.JSONField(default=dict, blank=True)
    guideline_version = models.PositiveIntegerField(default=1)
    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.PROTECT, related_name="+")

    # The next place in this project's queue; its writers: services.importing, .injections, .routing
    next_queue_order = models.BigIntegerField(default=1)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__gte=1, overlap__lte=32), name="project_overlap_range"
            ),
            models.CheckConstraint(
                condition=Q(max_overlap__gte=F("agree_target")), name="project_k_agree_reachable"
            ),
            models.CheckConstraint(
                condition=Q(lease_minutes__gte=1), name="project_lease_positive"
            ),
            models.CheckConstraint(
                condition=Q(blind_share__lte=100), name="project_blind_share_percent"
            ),
            models.CheckConstraint(
                condition=Q(screening_pass_percent__gte=1, screening_pass_percent__lte=100),
                name="project_screening_pass_percent",
            ),
            models.CheckConstraint(
                condition=~Q(mode="prm800k") | Q(rating_view="ternary"),
                name="project_prm800k_has_three_ratings",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.mode == self.Mode.PRM800K and self.rating_view != self.RatingView.TERNARY:
            raise ValidationError({"rating_view": "PRM800K rates with -1, 0 and +1."})

    @property
    def stops_at_first_error(self) -> bool:
        return self.mode in (self.Mode.FIRST_ERROR, self.Mode.PRM800K)

    @property
    def asked(self) -> Asked:
        """What is asked of a step besides its rating; PRM800K asked for nothing else."""
        if self.mode == self.Mode.PRM800K:
            return Asked(contribution=False, origin=False, error_types=False)
        return Asked(
            contribution=self.asks_contribution,
            origin=self.asks_origin,
            error_types=self.asks_error_types,
        )


class Guideline(models.Model):
    """One version of a project's guidelines, as it was when people worked by it."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="guideline_versions"
    )
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    translations = models.JSONField(default=dict, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="guideline_version_once"),
        ]

    def __str__(self) -> str:
        return f"guidelines {self.version} of {self.project}"
