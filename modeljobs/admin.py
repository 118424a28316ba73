"""The machine side in Django's admin, to look at: changes go through the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from modeljobs.models import Engine, JobItem, ModelCall, ModelJob, WorkerBeat

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Model]
else:
    ReadOnlyBase = admin.ModelAdmin


class ReadOnlyAdmin(ReadOnlyBase):
    """Shows rows and changes none: a state that is typed in would skip leases and the audit log."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Engine)
class EngineAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "model", "is_active")


@admin.register(ModelJob)
class ModelJobAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "method", "engine", "state", "created_at")
    list_filter = ("state", "method")
    list_select_related = ("project", "engine")


@admin.register(JobItem)
class JobItemAdmin(ReadOnlyAdmin):
    list_display = ("id", "job", "unit", "state", "attempts", "reason_code", "worker")
    list_filter = ("state",)
    list_select_related = ("job",)


@admin.register(ModelCall)
class ModelCallAdmin(ReadOnlyAdmin):
    list_display = ("id", "item", "place", "purpose", "outcome", "created_at")
    list_select_related = ("item",)


@admin.register(WorkerBeat)
class WorkerBeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "queues", "pid", "beat_at")
