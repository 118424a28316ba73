import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("labeling", "0001_initial"),
        ("labeling", "__first__"),
    ]

    operations = [
        migrations.CreateModel(
            name="WorkerBeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120, unique=True)),
                ("queues", models.JSONField(default=list)),
                ("pid", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("beat_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Engine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("scripted", "Scripted (no model: seeded rules)"),
                            ("openai_compatible", "OpenAI-compatible server"),
                        ],
                        max_length=20,
                    ),
                ),
                ("base_url", models.URLField(blank=True, max_length=500)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("key_name", models.CharField(blank=True, max_length=60)),
                ("options", models.JSONField(default=dict)),
                ("output_terms", models.TextField(blank=True)),
                ("output_may_train", models.BooleanField(blank=True, null=True)),
                ("is_active", models.BooleanField(default=True)),
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
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ModelJob",
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
                        related_name="model_jobs",
                        to="labeling.project",
                    ),
                ),
                (
                    "engine",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="modeljobs.engine",
                    ),
                ),
                ("method", models.CharField(max_length=60)),
                ("parameters", models.JSONField(default=dict)),
                ("prompt_version", models.CharField(blank=True, max_length=80)),
                ("seed", models.BigIntegerField(default=0)),
                ("selection", models.JSONField(default=dict)),
                ("engine_snapshot", models.JSONField(default=dict)),
                ("is_scripted", models.BooleanField(default=False)),
                ("code_version", models.CharField(blank=True, max_length=80)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("cancelled", "Cancelled"),
                            ("done", "Done"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="JobItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="modeljobs.modeljob",
                    ),
                ),
                (
                    "solution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.solution",
                    ),
                ),
                ("unit", models.CharField(blank=True, max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("leased", "In flight"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("set_aside", "Set aside"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_expires_at", models.DateTimeField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, max_length=120)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("reason_code", models.CharField(blank=True, max_length=60)),
                ("reason", models.TextField(blank=True)),
                ("result", models.JSONField(default=dict)),
                ("prompt_tokens", models.PositiveIntegerField(default=0)),
                ("completion_tokens", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("job", "solution", "unit"), name="job_item_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "leased"), _negated=True),
                            models.Q(
                                ("lease_expires_at__isnull", False), ("lease_token__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="job_item_lease_has_token_and_end",
                    ),
                ],
                "indexes": [
                    models.Index(fields=["job", "state", "id"], name="job_item_by_state"),
                    models.Index(
                        condition=models.Q(("state", "leased")),
                        fields=["lease_expires_at"],
                        name="job_item_leases",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ModelCall",
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
                        related_name="calls",
                        to="modeljobs.jobitem",
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField()),
                ("place", models.PositiveIntegerField()),
                ("purpose", models.CharField(max_length=40)),
                ("outcome", models.CharField(max_length=40)),
                ("finish_reason", models.CharField(blank=True, max_length=40)),
                ("prompt_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("completion_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("milliseconds", models.PositiveIntegerField(default=0)),
                ("settings", models.JSONField(default=dict)),
                ("chunk", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item", "attempt", "place"), name="model_call_place_once"
                    )
                ],
            },
        ),
    ]
