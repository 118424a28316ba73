"""The pages that belong to no app."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from a page that was opened before the person last signed in."""
    return render(request, "csrf_failure.html", status=403)
