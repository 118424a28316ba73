"""`python -m workbench.probe` asks the health page of this machine's web server. PURE."""

from __future__ import annotations

import http.client
import sys

from workbench.env import env_int, env_list


def ask_health(host: str, port: int, *, name: str, timeout: float) -> int | None:
    """The status of the health page asked for under a host name; None where nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/health/", headers={"Host": name})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return response.status


def main() -> int:
    """0 when the page says that all is well: what a container platform asks for."""
    # ".example.org" allows every name below; the plain name is one of them.
    name = env_list("WORKBENCH_ALLOWED_HOSTS", ("localhost",))[0].lstrip(".")
    status = ask_health("127.0.0.1", env_int("WORKBENCH_PORT", 8000), name=name, timeout=5.0)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
