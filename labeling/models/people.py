"""Who works here: users, their roles in projects, invitations and API tokens."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from labeling.models.projects import Project


class User(AbstractUser):
    """A person who signs in. `is_simulated` marks the demo's invented annotators everywhere."""

    display_name = models.CharField(max_length=150, blank=True)
    language = models.CharField(max_length=16, blank=True)
    is_simulated = models.BooleanField(default=False)
    # How this person likes to work; what stands in it: labeling.preferences.
    preferences = models.JSONField(default=dict, blank=True)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_ci"),
        ]

    @property
    def name(self) -> str:
        return self.display_name or self.get_full_name() or self.username


class Membership(models.Model):
    """A person's one role in a project; a lead may do all that the others may."""

    class Role(models.TextChoices):
        LEAD = "lead", _("Lead")
        ADJUDICATOR = "adjudicator", _("Adjudicator")
        ANNOTATOR = "annotator", _("Annotator")
        ENGINEER = "engineer", _("Engineer")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role)
    # The name others see where the project blinds who said what.
    pseudonym = models.CharField(max_length=40)
    # Where this person's walk through the queue stands; see services.assignments.
    queue_cursor = models.BigIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["project", "pseudonym"], name="membership_pseudonym"),
            models.CheckConstraint(
                condition=Q(role__in=["lead", "adjudicator", "annotator", "engineer"]),
                name="membership_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} in {self.project}"


class Invitation(models.Model):
    """A one-time link into a project. Only the hash of its secret is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=16, choices=Membership.Role)
    note = models.CharField(max_length=200, blank=True)
    secret_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"invitation to {self.project} as {self.role}"


class ApiToken(models.Model):
    """A key for scripts: hashed, expiring, with scopes, and never more than its owner may."""

    class Scope(models.TextChoices):
        READ = "read", _("Read problems, solutions and statistics")
        ANNOTATE = "annotate", _("Claim, draft and submit")
        IMPORT = "import", _("Import data")
        EXPORT = "export", _("Build and download releases")
        JOBS = "jobs", _("Start and stop model jobs")
        ADMIN = "admin", _("Change settings, members and taxonomies")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=100)
    # The first characters, to tell tokens apart in a list.
    prefix = models.CharField(max_length=12)
    secret_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"
