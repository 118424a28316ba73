"""The error family: code and status are what REST shows."""

from __future__ import annotations

import pytest

from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound, WorkbenchError


@pytest.mark.parametrize(
    ("family", "code", "status"),
    [
        (InvalidInput, "invalid_input", 400),
        (NotAllowed, "not_allowed", 403),
        (NotFound, "not_found", 404),
        (Conflict, "conflict", 409),
    ],
)
def test_code_and_status(family, code, status):
    error = family("A sentence.")
    assert isinstance(error, WorkbenchError)
    assert (error.code, error.status) == (code, status)
    assert str(error) == error.message == "A sentence."


def test_extra_carries_what_a_client_needs():
    error = Conflict("This draft was changed in another window.", version=4)
    assert error.extra == {"version": 4}
