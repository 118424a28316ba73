"""Errors that a client can mend: each has a stable code, an HTTP status and the facts. PURE."""

from __future__ import annotations

from typing import ClassVar


class WorkbenchError(Exception):
    """A request that cannot be done as asked; pages and REST show `message` as it stands.

    `code` is stable and meant for programs, `message` is a sentence for people, and `extra`
    holds the values that a client needs to mend the request (the current version, the field).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **extra: object) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


class InvalidInput(WorkbenchError):
    """What was sent is not valid, whoever sends it and whenever."""

    code = "invalid_input"
    status = 400


class NotAllowed(WorkbenchError):
    """This person may not do this here."""

    code = "not_allowed"
    status = 403


class NotFound(WorkbenchError):
    """There is no such thing, or none that this person may know of."""

    code = "not_found"
    status = 404


class Conflict(WorkbenchError):
    """The request was fine, but what it is about has changed since it was seen."""

    code = "conflict"
    status = 409
