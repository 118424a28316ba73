"""Versioned taxonomies of error types."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Taxonomy(models.Model):
    """One version of a taxonomy. Never changed once made: an edit makes the next version.

    A taxonomy without a project ships with the software; `content` is what
    `labeling.taxonomies.loader.pack_taxonomy` gives, and the truth; ErrorType rows are its index.
    """

    project = models.ForeignKey(
        "labeling.Project",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="taxonomies",
    )
    slug = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    content = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "taxonomies"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug", "version"],
                name="taxonomy_version_once",
                condition=Q(project__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["slug", "version"],
                name="taxonomy_builtin_version_once",
                condition=Q(project__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.version}"


class ErrorType(models.Model):
    """A kind of mistake in one taxonomy version."""

    taxonomy = models.ForeignKey(Taxonomy, on_delete=models.CASCADE, related_name="error_types")
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    dimension = models.CharField(max_length=60, blank=True)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["taxonomy", "code"], name="error_type_code_once"),
        ]

    def __str__(self) -> str:
        return self.name
