"""Is anybody there to do the work? `{% load workers %}{% worker_banner "io" %}`

A tag, so that pages of labelling can say so too: their Python code knows nothing of model jobs.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from modeljobs import selectors

register = template.Library()

# Starts a worker for all queues where the web server runs without one.
WORKER_COMMAND = (
    "python -m celery --app=workbench.celery worker --pool=threads "
    "--queues=default,io,models,sandbox"
)


@register.inclusion_tag("modeljobs/_worker_banner.html")
def worker_banner(queue: str = "models", alive: bool | None = None) -> dict[str, Any]:
    """A banner with the one command that starts a worker, where none is running."""
    if alive is None:
        alive = selectors.is_any_worker_alive(now=timezone.now(), queue=queue)
    return {"alive": alive, "command": WORKER_COMMAND}
