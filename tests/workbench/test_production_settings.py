"""Production settings refuse what would be unsafe."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

GOOD = {
    "WORKBENCH_SECRET_KEY": "k" * 60,
    "WORKBENCH_ALLOWED_HOSTS": "prm.example",
    "WORKBENCH_DATABASE_URL": "postgres://me@/db?host=/run",
    "WORKBENCH_REDIS_URL": "redis://redis.example/0",
}
SHOW = """
import json
from workbench.settings import production as s
names = ["DEBUG", "ALLOWED_HOSTS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE",
         "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "CELERY_BROKER_URL"]
print(json.dumps({name: getattr(s, name) for name in names}))
"""


def load_settings(tmp_path, **changes):
    """Import the settings in a process of their own; how that ended."""
    env = {"PATH": os.environ["PATH"], "WORKBENCH_DATA_DIR": str(tmp_path / "data")}
    env |= {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", SHOW], env=env, capture_output=True, text=True, check=False
    )


def test_good_values_give_safe_settings(tmp_path):
    done = load_settings(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["prm.example"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "CELERY_BROKER_URL": "redis://redis.example/0",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"WORKBENCH_DEBUG": "1"}, "WORKBENCH_DEBUG is on"),
        ({"WORKBENCH_SECRET_KEY": None}, "WORKBENCH_SECRET_KEY is not set"),
        ({"WORKBENCH_SECRET_KEY": "short"}, "shorter than 50"),
        ({"WORKBENCH_ALLOWED_HOSTS": None}, "WORKBENCH_ALLOWED_HOSTS is not set"),
        ({"WORKBENCH_ALLOWED_HOSTS": "*"}, "WORKBENCH_ALLOWED_HOSTS is '*'"),
        ({"WORKBENCH_DATABASE_URL": None}, "needs PostgreSQL"),
        ({"WORKBENCH_REDIS_URL": None}, "needs Redis"),
    ],
)
def test_each_unsafe_value_stops_the_start(tmp_path, changes, message):
    done = load_settings(tmp_path, **changes)
    assert done.returncode != 0
    assert message in done.stderr
