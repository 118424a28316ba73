"""The sandbox as a run has it: made when it is first needed, shared by the run's items."""

from __future__ import annotations

from collections.abc import Callable

from modeljobs.methods.code_runs import SessionCodeRunner
from modeljobs.sandbox.base import Sandbox
from modeljobs.services.results import OpenItem

MakeSandbox = Callable[[], Sandbox]


def open_sandbox() -> Sandbox:
    """The sandbox of this machine, or SandboxUnavailable with what is missing."""
    from modeljobs.sandbox.isolated import build_sandbox  # no web process needs it

    return build_sandbox()


class RunSandbox:
    """One sandbox for all items of a run; nothing is started before the first one needs it.

    What cannot be isolated is not run: SandboxUnavailable goes to whoever asks.
    """

    def __init__(self, make: MakeSandbox) -> None:
        self._make = make
        self._sandbox: Sandbox | None = None

    def open(self, item: OpenItem) -> SessionCodeRunner:
        """Where the item's code is run. What earlier attempts ran is known to it."""
        if self._sandbox is None:
            self._sandbox = self._make()
        return SessionCodeRunner(self._sandbox, known=item.evidence.runs)

    async def aclose(self) -> None:
        if self._sandbox is not None:
            await self._sandbox.aclose()
