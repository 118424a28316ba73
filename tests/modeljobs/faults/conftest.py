"""How often the fault tests kill a worker."""

from __future__ import annotations

import pytest

FEW = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-rounds",
        type=int,
        default=FEW,
        help="how often the fault tests kill a worker, for each broker",
    )


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    # Where these tests are not named on the command line, the option comes too late for it.
    number: int = request.config.getoption("--fault-rounds", default=FEW)
    return number
