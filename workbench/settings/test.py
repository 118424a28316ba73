"""Settings of the tests: fast, alone, and the same on every machine."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Tests never touch the data folder of an installation, nor read its settings.
KEPT_PREFIXES = ("WORKBENCH_REQUIRE", "WORKBENCH_REAL_DATA", "WORKBENCH_TEST_")
for _name in list(os.environ):
    if _name == "DATABASE_URL" or (
        _name.startswith("WORKBENCH_") and not _name.startswith(KEPT_PREFIXES)
    ):
        del os.environ[_name]
# Only named here: the type checker and `manage.py check` read these settings too, and leave
# nothing behind. The tests' conftest makes the folder and removes it.
_root = Path(tempfile.gettempdir()) / f"prm-workbench-tests-{os.getuid()}-{os.getpid()}"
os.environ["WORKBENCH_DATA_DIR"] = str(_root / "data")

if os.environ.get("WORKBENCH_TEST_DRIVER") == "psycopg2":
    # Django prefers psycopg 3 wherever it can import it.
    sys.modules["psycopg"] = None  # type: ignore[assignment]

from workbench.settings.base import *  # noqa: E402, F403
from workbench.settings.base import DATABASES, STORAGES  # noqa: E402

SECRET_KEY = "for-tests-only-" + "0" * 40
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

# A file and not memory: threads then have connections of their own, as they have in use.
DATABASES["default"]["TEST"] = {"NAME": str(_root / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
FILE_UPLOAD_TEMP_DIR = tempfile.gettempdir()
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
# The test client signs in without a request, which Axes refuses; the tests of sign-in turn it on.
AXES_ENABLED = False
