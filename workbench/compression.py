"""Pages and answers of the API, compressed for those who take them so."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

COMPRESSED = ("text/html", "application/json")


class CompressPages(GZipMiddleware):
    """gzip for what is read on a page: a tenth of the bytes.

    Downloads stay as they are: they may be larger than memory, and whoever fetches one wants to
    know its length. Django adds a random number of bytes and masks its tokens anew in each page,
    so that lengths tell nothing (BREACH).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Compress it if it is a page or JSON, whole in memory."""
        kind = response.headers.get("Content-Type", "")
        if response.streaming or not kind.startswith(COMPRESSED):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed
