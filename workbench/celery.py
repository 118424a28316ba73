"""The Celery app. Tasks take ids, are safe to run twice, and are sent on commit."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings.dev")

# The warning is about pickled messages from strangers; only JSON is accepted here.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

# Our own file broker stands behind the usual scheme; Redis is not touched by it.
TRANSPORT_ALIASES["filesystem"] = "workbench.broker:Transport"

app = Celery("workbench")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Looks for tasks.py in each app once Django has loaded them all.
app.autodiscover_tasks()
