"""Lets jobs of a process that a test started use the method of `tests.modeljobs.stepping`."""

from __future__ import annotations

from types import MappingProxyType

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.modeljobs.faults"
    label = "faults"

    def ready(self) -> None:
        from modeljobs.methods import catalog
        from tests.modeljobs.stepping import METHOD

        catalog.METHODS = MappingProxyType({**catalog.METHODS, METHOD.name: METHOD})
