"""Settings of the bare site: our database and tables, and nothing around the views."""

from __future__ import annotations

from workbench.settings.dev import *  # noqa: F403

MIDDLEWARE = []
ROOT_URLCONF = "tests.benchmarks.bare_site"
