"""The health page: whether this process serves and its database answers."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@login_not_required
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503; says nothing that a stranger should not know.

    The worker is "unknown": a web process that could not see it would otherwise be taken out
    of service for a fault that is not its own.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        return JsonResponse({"database": "unreachable", "worker": "unknown"}, status=503)
    return JsonResponse({"database": "ok", "worker": "unknown"})
