"""The labelling app: what is labelled, by whom, and how sure we are."""

from __future__ import annotations

from django.apps import AppConfig


class LabelingConfig(AppConfig):
    name = "labeling"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from workbench import reaper

        reaper.register("labeling: expired leases", _expire_leases)
        reaper.register("labeling: lost imports", _resume_imports)
        reaper.register("labeling: lost releases", _resume_releases)


# The services are imported when the chores run: a start that needs none of them stays quick.


def _expire_leases() -> int:
    from labeling.services.assignments import expire_leases

    return expire_leases()


def _resume_imports() -> int:
    from labeling.services.transfers import resume_stale_imports

    return resume_stale_imports()


def _resume_releases() -> int:
    from labeling.services.releases import resume_stale_releases

    return resume_stale_releases()
