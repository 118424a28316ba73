"""What every sandbox takes and gives back, and how it fails.

A session is one trajectory's interpreter: what one block defines, the next can use. The words that
go back to a model are those that the published GenPRM checkpoints were trained on
(GenPRM, Zhao et al. 2025, reference code `CodeExecutor`), byte for byte. What is a fault of ours is
never among them: it is a `SandboxError`, and the caller decides what becomes of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

TIMED_OUT = "Code execute time out: Code execution timed out"
NO_CODE = "Code format error: No code found."
ERROR_PREFIX = "Code execute Error: "


class CodeStatus(StrEnum):
    """How a block of code ended, as far as its model is concerned."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    NO_CODE = "no_code"


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """Bounds of one session. Seconds are for each block; memory and processes for the session.

    `output_chars` cuts what is shown to the model; a cut is marked.
    """

    wall_s: float = 5.0
    cpu_s: float = 5.0
    memory_mib: int = 1024
    output_chars: int = 4096


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What a block printed, or why not, in the words that its model is shown.

    `layers` are the protections it ran under. `output` is stripped standard output, or one of the
    fixed sentences above; a cut one ends in a line that says so.
    """

    status: CodeStatus
    output: str
    is_truncated: bool = False
    wall_ms: int = 0
    layers: tuple[str, ...] = ()


class SandboxError(Exception):
    """The code was not run, or was ended by us. The message is a sentence for people.

    `code` groups failures: `unavailable`, `killed` (a forbidden system call, or memory),
    `disk_full`, `protocol`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class SandboxUnavailable(SandboxError):
    """A layer that is required is missing on this machine: nothing is run at all."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="unavailable")


class Session(Protocol):
    """One persistent namespace. Blocks run one after the other."""

    async def run(self, code: str) -> CodeResult:
        """Run a block; SandboxError where it was not run or was ended for a reason of ours.

        After a time-out or an end by us the namespace is lost: the next block starts anew, and the
        blocks that had run to their end, well or with an exception, are run again before it.
        """

    def remember(self, code: str) -> None:
        """Count a block as run to its end before, so that it is run again before the next one."""

    async def aclose(self) -> None:
        """End the interpreter."""


class Sandbox(Protocol):
    """Where sessions come from. To be used within one event loop."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The protections that code runs under here."""

    async def open_session(self) -> Session:
        """A fresh session, or SandboxUnavailable."""

    def describe(self) -> dict[str, Any]:
        """What to store beside results: name, version, layers and limits."""

    async def aclose(self) -> None:
        """End everything that was started."""
