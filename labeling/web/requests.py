"""What every page starts from: a request of somebody who is signed in, and pages of a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from labeling.models import User

PAGE_SIZE = 50


class AuthedRequest(HttpRequest):
    """A request that LoginRequiredMiddleware let through: there is a user."""

    user: User


def paginate(
    request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], *, size: int = PAGE_SIZE
) -> Page[Any]:
    """The page that the address asks for; the nearest one where it asks for nonsense."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def wants_fragment(request: HttpRequest, name: str) -> bool:
    """Does the page's own script ask for one part of it, to put it in place of the old one?"""
    return request.GET.get("fragment") == name


def address_without(request: HttpRequest, *names: str, **values: object) -> str:
    """This page's own query with some parameters taken out and others set: "?state=done&page=2"."""
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    for name, value in values.items():
        query[name] = str(value)
    return f"?{query.urlencode()}"
