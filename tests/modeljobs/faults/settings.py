"""The shipped settings with one app more, which knows a method for tests.

For real processes that a test starts: web server, worker and broker are those of the product.
"""

from __future__ import annotations

from workbench.settings.dev import *  # noqa: F403
from workbench.settings.dev import INSTALLED_APPS  # noqa: F401 - changed below

INSTALLED_APPS = [*INSTALLED_APPS, "tests.modeljobs.faults.apps.FaultsConfig"]
