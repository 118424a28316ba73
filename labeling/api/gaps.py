"""Where something is missing, as a page that jumps there wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labeling.services.annotations import Incomplete


@contextmanager
def naming_positions() -> Iterator[None]:
    """Add the steps at fault to a refusal: `positions` beside `gaps`, in order, each once."""
    try:
        yield
    except Incomplete as error:
        gaps = error.extra.get("gaps")
        positions = [gap["position"] for gap in gaps] if isinstance(gaps, list) else []
        error.extra["positions"] = sorted({place for place in positions if place is not None})
        raise
