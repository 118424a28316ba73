import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
                ("display_name", models.CharField(blank=True, max_length=150)),
                ("language", models.CharField(blank=True, max_length=16)),
                ("is_simulated", models.BooleanField(default=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("username"), name="user_username_ci"
                    )
                ],
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(max_length=12)),
                ("secret_hash", models.CharField(max_length=64, unique=True)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Taxonomy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=60)),
                ("version", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=120)),
                ("content", models.JSONField()),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "taxonomies",
            },
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=60, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("description", models.TextField(blank=True)),
                ("is_demo", models.BooleanField(default=False)),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "rating_view",
                    models.CharField(
                        choices=[("ternary", "−1, 0, +1"), ("binary", "wrong or right")],
                        default="ternary",
                        max_length=8,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("all_steps", "Judge every step"),
                            ("first_error", "Stop at the first error"),
                        ],
                        default="all_steps",
                        max_length=12,
                    ),
                ),
                ("asks_contribution", models.BooleanField(default=True)),
                ("asks_origin", models.BooleanField(default=True)),
                ("asks_error_types", models.BooleanField(default=True)),
                ("allow_partial", models.BooleanField(default=False)),
                (
                    "overlap",
                    models.PositiveSmallIntegerField(
                        default=2,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(32),
                        ],
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[
                            ("single", "One reviewer decides"),
                            ("double", "Two reviewers, an adjudicator where they differ"),
                            (
                                "majority",
                                "The majority decides, an adjudicator where there is none",
                            ),
                            ("k_agree", "Until k reviewers agree, else discard"),
                        ],
                        default="double",
                        max_length=10,
                    ),
                ),
                ("agree_target", models.PositiveSmallIntegerField(default=3)),
                ("max_overlap", models.PositiveSmallIntegerField(default=5)),
                (
                    "lease_minutes",
                    models.PositiveSmallIntegerField(
                        default=60,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1440),
                        ],
                    ),
                ),
                ("hide_claim", models.BooleanField(default=True)),
                ("show_reference_answer", models.BooleanField(default=True)),
                (
                    "machine_evidence",
                    models.CharField(
                        choices=[
                            ("never", "Never"),
                            ("after_submit", "After submitting"),
                            ("after_judgement", "After one's own judgement"),
                            ("always", "From the start"),
                        ],
                        default="after_submit",
                        max_length=16,
                    ),
                ),
                ("hide_names", models.BooleanField(default=True)),
                ("guidelines", models.TextField(blank=True)),
                ("guideline_version", models.PositiveIntegerField(default=1)),
                (
                    "taxonomy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.taxonomy",
                    ),
                ),
                ("next_queue_order", models.BigIntegerField(default=1)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("overlap__gte", 1), ("overlap__lte", 32)),
                        name="project_overlap_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_overlap__gte", models.F("agree_target"))),
                        name="project_k_agree_reachable",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("lease_minutes__gte", 1)), name="project_lease_positive"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProblemFamily",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="families",
                        to="labeling.project",
                    ),
                ),
                ("key", models.CharField(max_length=200)),
            ],
            options={
                "verbose_name_plural": "problem families",
                "constraints": [
                    models.UniqueConstraint(fields=("project", "key"), name="family_key_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="labeling.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("lead", "Lead"),
                            ("adjudicator", "Adjudicator"),
                            ("annotator", "Annotator"),
                            ("engineer", "Engineer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("pseudonym", models.CharField(max_length=40)),
                ("queue_cursor", models.BigIntegerField(default=0)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("project", "user"), name="membership_once"),
                    models.UniqueConstraint(
                        fields=("project", "pseudonym"), name="membership_pseudonym"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("role__in", ["lead", "adjudicator", "annotator", "engineer"])
                        ),
                        name="membership_role_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="labeling.project",
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("lead", "Lead"),
                            ("adjudicator", "Adjudicator"),
                            ("annotator", "Annotator"),
                            ("engineer", "Engineer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("secret_hash", models.CharField(max_length=64, unique=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "used_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Guideline",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="guideline_versions",
                        to="labeling.project",
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("text", models.TextField(blank=True)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "version"), name="guideline_version_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="audit_events",
                        to="labeling.project",
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("verb", models.CharField(max_length=60)),
                ("target_type", models.CharField(blank=True, max_length=60)),
                ("target_id", models.CharField(blank=True, max_length=60)),
                ("detail", models.JSONField(default=dict)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["project", "-id"], name="audit_event_by_project")],
            },
        ),
        migrations.CreateModel(
            name="Release",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="releases",
                        to="labeling.project",
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("note", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("building", "Building"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("options", models.JSONField(default=dict)),
                ("manifest", models.JSONField(default=dict)),
                ("records_done", models.PositiveIntegerField(default=0)),
                ("records_total", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "failed"), _negated=True),
                        fields=("project", "name"),
                        name="release_name_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReleaseFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "release",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="labeling.release",
                    ),
                ),
                ("format", models.CharField(max_length=40)),
                ("filename", models.CharField(max_length=120)),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.PositiveBigIntegerField()),
                ("records", models.PositiveIntegerField()),
                ("left_out", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ["filename"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("release", "filename"), name="release_file_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="labeling.project",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("url", models.URLField(blank=True, max_length=500)),
                ("revision", models.CharField(blank=True, max_length=120)),
                (
                    "licence",
                    models.CharField(blank=True, help_text="SPDX identifier", max_length=60),
                ),
                (
                    "redistribution",
                    models.CharField(
                        choices=[
                            ("unknown", "Unknown"),
                            ("allowed", "Allowed"),
                            ("forbidden", "Forbidden"),
                        ],
                        default="unknown",
                        max_length=10,
                    ),
                ),
                ("has_personal_data", models.BooleanField(default=False)),
                ("split", models.CharField(blank=True, max_length=60)),
                ("citation", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("project", "name"), name="source_name_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="import_batches",
                        to="labeling.project",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="import_batches",
                        to="labeling.source",
                    ),
                ),
                ("format", models.CharField(max_length=40)),
                ("filename", models.CharField(max_length=255)),
                ("stored_as", models.CharField(blank=True, max_length=80)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("options", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("records_read", models.PositiveIntegerField(default=0)),
                ("solutions_added", models.PositiveIntegerField(default=0)),
                ("problems_added", models.PositiveIntegerField(default=0)),
                ("steps_added", models.PositiveIntegerField(default=0)),
                ("labels_added", models.PositiveIntegerField(default=0)),
                ("already_there", models.PositiveIntegerField(default=0)),
                ("issues_count", models.PositiveIntegerField(default=0)),
                ("bytes_done", models.PositiveBigIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "import batches",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="ImportIssue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="issues",
                        to="labeling.importbatch",
                    ),
                ),
                ("line", models.PositiveBigIntegerField()),
                ("field", models.CharField(blank=True, max_length=200)),
                ("message", models.TextField()),
                ("fatal", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Problem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="problems",
                        to="labeling.project",
                    ),
                ),
                (
                    "family",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="problems",
                        to="labeling.problemfamily",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="problems",
                        to="labeling.source",
                    ),
                ),
                ("source_key", models.CharField(max_length=200)),
                ("content_hash", models.CharField(max_length=32)),
                ("text", models.TextField()),
                ("reference_answer", models.TextField(blank=True, null=True)),
                ("reference_solution", models.TextField(blank=True, null=True)),
                ("domain", models.CharField(blank=True, max_length=60)),
                ("language", models.CharField(default="en", max_length=16)),
                ("extra", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "source_key", "content_hash"), name="problem_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Solution",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="solutions",
                        to="labeling.project",
                    ),
                ),
                (
                    "problem",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="solutions",
                        to="labeling.problem",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="solutions",
                        to="labeling.source",
                    ),
                ),
                ("source_key", models.CharField(max_length=200)),
                ("content_hash", models.CharField(max_length=32)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("imported", "Imported"),
                            ("injected", "Injected"),
                            ("edited", "Edited"),
                            ("generated", "Generated"),
                        ],
                        default="imported",
                        max_length=10,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "previous",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="next_versions",
                        to="labeling.solution",
                    ),
                ),
                ("generator", models.CharField(blank=True, max_length=200)),
                ("final_answer", models.TextField(blank=True, null=True)),
                ("final_answer_correct", models.BooleanField(blank=True, null=True)),
                ("answer_checker", models.CharField(blank=True, max_length=80)),
                ("n_steps", models.PositiveIntegerField()),
                ("extra", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "source_key", "content_hash", "version"),
                        name="solution_identity",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("previous__isnull", False)),
                        fields=("previous",),
                        name="solution_one_next_version",
                    ),
                ],
                "indexes": [models.Index(fields=["project", "id"], name="solution_by_project")],
            },
        ),
        migrations.CreateModel(
            name="ReviewItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="review_items",
                        to="labeling.project",
                    ),
                ),
                (
                    "solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="review_items",
                        to="labeling.solution",
                    ),
                ),
                (
                    "task",
                    models.CharField(
                        choices=[
                            ("rate_steps", "Rate steps"),
                            ("verify_injection", "Verify an injection"),
                        ],
                        max_length=16,
                    ),
                ),
                ("overlap", models.PositiveSmallIntegerField()),
                ("free_slots", models.PositiveSmallIntegerField()),
                ("queue_order", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for reviewers"),
                            ("agreed", "Agreed"),
                            ("disputed", "In dispute"),
                            ("decided", "Decided"),
                            ("discarded", "Discarded"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("solution", "task"), name="review_item_once"),
                    models.UniqueConstraint(
                        fields=("project", "queue_order"), name="review_item_queue_place"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("free_slots__gte", 0), ("free_slots__lte", models.F("overlap"))
                        ),
                        name="review_item_free_slots",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("free_slots__gt", 0)),
                        fields=["project", "queue_order"],
                        name="review_item_queue",
                    ),
                    models.Index(fields=["project", "state", "id"], name="review_item_by_state"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Annotation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="annotations",
                        to="labeling.project",
                    ),
                ),
                (
                    "solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="annotations",
                        to="labeling.solution",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="annotations",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "annotator",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="annotations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("person", "Person"),
                            ("imported", "Imported"),
                            ("simulated", "Simulated"),
                        ],
                        default="person",
                        max_length=10,
                    ),
                ),
                ("rater", models.CharField(blank=True, max_length=120)),
                ("ordinal", models.PositiveSmallIntegerField(default=0)),
                ("current_number", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("annotator__isnull", False)),
                        fields=("item", "annotator"),
                        name="annotation_once_per_person",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "imported")),
                        fields=("solution", "ordinal"),
                        name="annotation_imported_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("annotator__isnull", True), ("kind", "imported")),
                            models.Q(("annotator__isnull", False), ("item__isnull", False)),
                            _connector="OR",
                        ),
                        name="annotation_has_an_author",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Assignment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="assignments",
                        to="labeling.project",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        db_index=False,
                        related_name="assignments",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "annotator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        db_index=False,
                        related_name="assignments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("slot", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("submitted", "Submitted"),
                            ("skipped", "Skipped"),
                            ("expired", "Expired"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("adaptive", "Adaptive"),
                            ("audit", "Audit"),
                            ("gold", "Gold"),
                            ("adjudication", "Adjudication"),
                        ],
                        default="planned",
                        max_length=12,
                    ),
                ),
                ("probability", models.FloatField(default=1.0)),
                ("lease_token", models.UUIDField()),
                ("lease_expires_at", models.DateTimeField()),
                ("skip_reason", models.TextField(blank=True)),
                ("active_ms", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["open", "submitted"])),
                        fields=("item", "slot"),
                        name="assignment_slot_held_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["open", "submitted", "skipped"])),
                        fields=("item", "annotator"),
                        name="assignment_person_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("slot__lt", 32)), name="assignment_slot_range"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("probability__gt", 0), ("probability__lte", 1)),
                        name="assignment_probability_range",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["lease_expires_at"],
                        name="assignment_open_leases",
                    ),
                    models.Index(
                        fields=["annotator", "project", "state"], name="assignment_of_person"
                    ),
                    models.Index(fields=["item", "annotator"], name="assignment_of_item"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AnnotationRevision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="revisions",
                        to="labeling.annotation",
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("content", models.JSONField()),
                ("verdict", models.CharField(blank=True, max_length=20)),
                (
                    "first_error_state",
                    models.CharField(
                        choices=[("at", "At a step"), ("none", "No error"), ("unknown", "Unknown")],
                        max_length=8,
                    ),
                ),
                ("first_error_position", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assignment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="labeling.assignment",
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("after_reveal", models.BooleanField(default=False)),
                ("guideline_version", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "taxonomy",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.taxonomy",
                    ),
                ),
                ("language", models.CharField(blank=True, max_length=16)),
                ("active_ms", models.PositiveIntegerField(default=0)),
                ("idempotency_key", models.UUIDField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("annotation", "number"), name="annotation_revision_number_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("annotation", "idempotency_key"),
                        name="annotation_revision_submitted_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("first_error_position__isnull", False), ("first_error_state", "at")
                            ),
                            models.Q(
                                models.Q(("first_error_state", "at"), _negated=True),
                                ("first_error_position__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="annotation_revision_first_error",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Exposure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exposures",
                        to="labeling.project",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exposures",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="exposures",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("item", "Item"),
                            ("claim", "Claim"),
                            ("machine", "Machine evidence"),
                            ("others", "Others' work"),
                        ],
                        max_length=20,
                    ),
                ),
                ("detail", models.JSONField(default=dict)),
                ("guideline_version", models.PositiveIntegerField(blank=True, null=True)),
                ("language", models.CharField(blank=True, max_length=16)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["item", "person"], name="exposure_of_person")],
            },
        ),
        migrations.CreateModel(
            name="Draft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "annotator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("content", models.JSONField(default=dict)),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("item", "annotator"), name="draft_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="disputes",
                        to="labeling.project",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="disputes",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("decided", "Decided"),
                            ("closed", "Closed without a decision"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("kinds", models.JSONField(default=list)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("item",),
                        name="dispute_one_open",
                    )
                ],
                "indexes": [
                    models.Index(fields=["project", "state", "id"], name="dispute_by_state")
                ],
            },
        ),
        migrations.CreateModel(
            name="Adjudication",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="adjudications",
                        to="labeling.project",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjudications",
                        to="labeling.reviewitem",
                    ),
                ),
                (
                    "dispute",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjudications",
                        to="labeling.dispute",
                    ),
                ),
                (
                    "adjudicator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjudications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("content", models.JSONField()),
                ("reason", models.TextField()),
                ("idempotency_key", models.UUIDField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item", "number"), name="adjudication_number_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("idempotency_key__isnull", False)),
                        fields=("item", "idempotency_key"),
                        name="adjudication_submitted_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True),
                        name="adjudication_has_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Injection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="injections",
                        to="labeling.project",
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="injections_made_from_it",
                        to="labeling.solution",
                    ),
                ),
                (
                    "modified",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="injection",
                        to="labeling.solution",
                    ),
                ),
                ("error_type", models.CharField(max_length=60)),
                ("claimed_error_positions", models.JSONField(default=list)),
                ("claimed_changed_positions", models.JSONField(default=list)),
                ("reason", models.TextField(blank=True)),
                ("question_changed", models.BooleanField(default=False)),
                ("producer", models.CharField(max_length=120)),
                ("is_scripted", models.BooleanField(default=False)),
                ("provenance", models.JSONField(default=dict)),
                ("lints", models.JSONField(default=list)),
                ("blocking_lints", models.PositiveSmallIntegerField(default=0)),
                ("extra", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "error_type"], name="injection_by_type")
                ],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="labeling.solution",
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("kind", models.CharField(default="text", max_length=12)),
                ("extra", models.JSONField(blank=True, null=True)),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("solution", "position"), name="step_position_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StepLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "from_solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links_out",
                        to="labeling.solution",
                    ),
                ),
                (
                    "to_solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links_in",
                        to="labeling.solution",
                    ),
                ),
                (
                    "before",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="labeling.step",
                    ),
                ),
                (
                    "after",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="labeling.step",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("same", "Same"),
                            ("edited", "Edited"),
                            ("inserted", "Inserted"),
                            ("deleted", "Deleted"),
                            ("split", "Split"),
                            ("merged", "Merged"),
                        ],
                        max_length=8,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("before__isnull", False), ("after__isnull", False), _connector="OR"
                        ),
                        name="step_link_has_an_end",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StepRating",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ratings",
                        to="labeling.annotation",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ratings",
                        to="labeling.step",
                    ),
                ),
                ("validity", models.CharField(blank=True, max_length=8)),
                ("contribution", models.CharField(blank=True, max_length=10)),
                ("origin", models.CharField(blank=True, max_length=10)),
                ("error_type", models.CharField(blank=True, max_length=60)),
                ("unsure", models.BooleanField(default=False)),
                ("rating", models.SmallIntegerField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("annotation", "step"), name="step_rating_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("rating__isnull", True), ("rating__in", [-1, 0, 1]), _connector="OR"
                        ),
                        name="step_rating_range",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Suggestion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="suggestions",
                        to="labeling.project",
                    ),
                ),
                (
                    "solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="suggestions",
                        to="labeling.solution",
                    ),
                ),
                ("method", models.CharField(max_length=80)),
                ("producer", models.CharField(blank=True, max_length=200)),
                ("is_scripted", models.BooleanField(default=False)),
                ("labels", models.JSONField(default=list)),
                ("first_error", models.JSONField(default=dict)),
                ("payload", models.JSONField(default=dict)),
                ("provenance", models.JSONField(default=dict)),
                ("identity", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("solution", "identity"), name="suggestion_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ErrorType",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "taxonomy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="error_types",
                        to="labeling.taxonomy",
                    ),
                ),
                ("code", models.CharField(max_length=60)),
                ("name", models.CharField(max_length=120)),
                ("dimension", models.CharField(blank=True, max_length=60)),
                ("position", models.PositiveSmallIntegerField()),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("taxonomy", "code"), name="error_type_code_once"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="Taxonomy",
            name="project",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="taxonomies",
                to="labeling.project",
            ),
        ),
        migrations.AddConstraint(
            model_name="Taxonomy",
            constraint=models.UniqueConstraint(
                condition=models.Q(("project__isnull", False)),
                fields=("project", "slug", "version"),
                name="taxonomy_version_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="Taxonomy",
            constraint=models.UniqueConstraint(
                condition=models.Q(("project__isnull", True)),
                fields=("slug", "version"),
                name="taxonomy_builtin_version_once",
            ),
        ),
        migrations.AddField(
            model_name="ReviewItem",
            name="agreed_revision",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="labeling.annotationrevision",
            ),
        ),
    ]
