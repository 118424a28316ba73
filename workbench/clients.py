"""Who is asking: the client's address behind a known number of proxies."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def find_address(request: HttpRequest) -> str:
    """The client's address, for the throttle on signing in.

    Each proxy appends the address that it saw to X-Forwarded-For; what stands further left was
    sent by the client and could be anything. So with n proxies the n-th from the right counts.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    count: int = settings.WORKBENCH_PROXY_COUNT
    if count == 0:
        return direct
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    seen = [part for part in seen if part]
    return seen[-count] if len(seen) >= count else direct
