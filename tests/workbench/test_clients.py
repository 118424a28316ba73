"""The client's address behind proxies."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from workbench.clients import find_address


@pytest.mark.parametrize(
    ("count", "forwarded", "address"),
    [
        # No proxy: whatever the client claims is not looked at.
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        # The client sent "6.6.6.6" itself; the proxy appended what it saw.
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        # Asked past the proxies: nothing to believe.
        (2, "1.1.1.1", "9.9.9.9"),
        (1, "", "9.9.9.9"),
    ],
)
def test_the_address_that_the_outermost_proxy_saw(settings, count, forwarded, address):
    settings.WORKBENCH_PROXY_COUNT = count
    request = RequestFactory().get(
        "/", REMOTE_ADDR="9.9.9.9", headers={"X-Forwarded-For": forwarded}
    )
    assert find_address(request) == address
