"""The model jobs app: models asked to judge, estimate, corrupt or solve."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig

_hearts: dict[str, Any] = {}


class ModeljobsConfig(AppConfig):
    name = "modeljobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

        from labeling import panels
        from modeljobs.panels import equality_desk, step_evidence_panel
        from modeljobs.services.engine_tests import tend_tests
        from modeljobs.services.equalities import tend_checks
        from modeljobs.services.guarding import tend_guards
        from modeljobs.services.jobs import tend_jobs
        from modeljobs.services.trials import tend_trials
        from modeljobs.services.writings import tend_writings
        from workbench import reaper

        reaper.register("model jobs", tend_jobs)
        reaper.register("model jobs: guards", tend_guards)
        reaper.register("model jobs: engine tests", tend_tests)
        reaper.register("model jobs: code trials", tend_trials)
        reaper.register("model jobs: equalities", tend_checks)
        reaper.register("model jobs: files", tend_writings)
        panels.register(step_evidence_panel)
        panels.register_equalities(equality_desk)
        worker_ready.connect(start_heart, dispatch_uid="modeljobs.start_heart")
        worker_shutting_down.connect(stop_runs, dispatch_uid="modeljobs.stop_runs")
        worker_shutdown.connect(stop_heart, dispatch_uid="modeljobs.stop_heart")


def start_heart(sender: Any, **kwargs: Any) -> None:
    """Let a worker that is ready for work say so, every few seconds. `sender` is its consumer."""
    from modeljobs.services.workers import Heart

    name = str(sender.hostname)
    if name not in _hearts:
        heart = Heart(name=name, queues=list(sender.app.amqp.queues.consume_from))
        _hearts[name] = heart
        heart.start()


def stop_runs(**kwargs: Any) -> None:
    """Let runs of this worker hand back what they have: the worker is asked to end."""
    from modeljobs.services.workers import stopping

    stopping.set()


def stop_heart(**kwargs: Any) -> None:
    """Say good-bye."""
    while _hearts:
        _name, heart = _hearts.popitem()
        heart.stop()
