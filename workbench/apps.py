"""The wiring app: loads Celery and the system checks when Django is ready."""

from __future__ import annotations

from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    name = "workbench"

    def ready(self) -> None:
        # Here and not in workbench/__init__.py: PURE modules import workbench.errors without
        # Celery. Setting the app makes every shared_task of this process use it.
        from workbench import celery, checks

        celery.app.set_default()
        checks.register_all()
