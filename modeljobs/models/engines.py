"""Where text comes from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Engine(models.Model):
    """A configured source of text. Keys are never stored: `key_name` names an environment variable
    WORKBENCH_ENGINE_KEY_<key_name>, which the operator binds to hosts.
    """

    class Kind(models.TextChoices):
        SCRIPTED = "scripted", _("Scripted (no model: seeded rules)")
        TINY = "tiny", _("Tiny arithmetic model (shipped)")
        OPENAI_COMPATIBLE = "openai_compatible", _("OpenAI-compatible server")
        VLLM = "vllm", _("vLLM server")
        VLLM_IN_PROCESS = "vllm_in_process", _("vLLM in a GPU worker")
        TRANSFORMERS_LOCAL = "transformers_local", _("Transformers in a worker")

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=20, choices=Kind)
    base_url = models.URLField(max_length=500, blank=True)
    model = models.CharField(max_length=200, blank=True)
    key_name = models.CharField(max_length=60, blank=True)
    options = models.JSONField(default=dict)
    # What the provider allows to be done with its output: read by the release gate.
    output_terms = models.TextField(blank=True)
    output_may_train = models.BooleanField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_scripted(self) -> bool:
        return self.kind == self.Kind.SCRIPTED


class EngineTest(models.Model):
    """One real call to an engine, asked for by a person and made by a worker.

    `result` says what the server could do, or the sentence and code of its refusal.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="tests")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    result = models.JSONField(default=dict)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"test {self.pk} of engine {self.engine_id}"
