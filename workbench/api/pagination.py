"""Pages of a list: by primary key, so that rows added meanwhile neither repeat nor hide others."""

from __future__ import annotations

from typing import Any, cast

from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from workbench.errors import InvalidInput

PAGE_SIZE = 50
MAX_PAGE_SIZE = 500


class CursorPages(pagination.CursorPagination):
    """Oldest first: {next, previous, results}, where `next` is null on the last page."""

    ordering = "pk"
    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    cursor_query_description = "Where the page begins; take it from `next` or `previous`."
    page_size_query_description = f"Rows in a page, 1 to {MAX_PAGE_SIZE}; {PAGE_SIZE} if not given."

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size")
        if given is None:
            return PAGE_SIZE
        if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) > 0):
            raise InvalidInput(
                f"page_size is a number from 1 to {MAX_PAGE_SIZE}, not {given[:40]!r}.",
                field="page_size",
            )
        return min(int(given), MAX_PAGE_SIZE)

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise _bad_cursor() from None
        # Text from the address, until it has been looked at.
        position = None if cursor is None else cast(str | None, cursor.position)
        if position is not None and not (
            position.isascii() and position.isdigit() and len(position) < 19
        ):
            raise _bad_cursor()
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": dict(link), "results": schema},
        }


class NewestFirst(CursorPages):
    """The same, from the newest row back."""

    ordering = "-pk"


def _bad_cursor() -> InvalidInput:
    return InvalidInput(
        "This cursor was not made here. Take it from `next` or `previous`.", field="cursor"
    )
