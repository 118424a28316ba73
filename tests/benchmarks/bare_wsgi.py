"""What gunicorn is started on to serve the bare site."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.bare_settings"
application = get_wsgi_application()
