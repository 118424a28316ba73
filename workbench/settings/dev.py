"""The embedded default: one machine, one data folder, nothing to set."""

from __future__ import annotations

from workbench.datafolder import load_or_create_secret_key
from workbench.env import env_bool, env_list, env_secret
from workbench.settings.base import *  # noqa: F403
from workbench.settings.base import STORAGES, WORKBENCH_DATA_DIR

DEBUG = env_bool("WORKBENCH_DEBUG")
SECRET_KEY = env_secret("WORKBENCH_SECRET_KEY") or load_or_create_secret_key(WORKBENCH_DATA_DIR)
SECRET_KEY_FALLBACKS = env_list("WORKBENCH_SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env_list("WORKBENCH_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))

if DEBUG:
    # Files are served as they stand, so that an edit shows without collectstatic.
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
