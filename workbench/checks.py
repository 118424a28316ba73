"""System checks: what would surprise somebody later is said at the start."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


def check_data_folder(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The data folder, where there is one, can be written and is its owner's alone."""
    folder = Path(settings.WORKBENCH_DATA_DIR)
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [Error(f"The data folder {str(folder)!r} is not a folder.", id="workbench.E001")]
    if not os.access(folder, os.W_OK | os.X_OK):
        return [
            Error(
                f"The data folder {str(folder)!r} cannot be written.",
                hint="Give it to the user that runs the workbench, or set WORKBENCH_DATA_DIR.",
                id="workbench.E002",
            )
        ]
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return [
            Warning(
                f"The data folder {str(folder)!r} can be read by other users of this machine.",
                hint=f"chmod 700 {folder}",
                id="workbench.W001",
            )
        ]
    return []


def check_time_zone(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Times are stored and compared in UTC."""
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    return [Error("USE_TZ must be on and TIME_ZONE must be UTC.", id="workbench.E003")]


def register_all() -> None:
    """Register the checks with Django."""
    register(check_data_folder)
    register(check_time_zone)
