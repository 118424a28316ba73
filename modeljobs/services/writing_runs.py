"""What a worker does about a file that it is to write: takes it, writes it, and says how it ended.

Apart from `writings`, which those who write files import.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from modeljobs.services.consensus import write_conversations
from modeljobs.services.readings import write_labels
from modeljobs.services.writings import Superseded, take
from workbench.errors import WorkbenchError

logger = logging.getLogger(__name__)

BROKEN = "Something failed in the software. It is in the worker's log."


def run_writing(writing_id: int, *, now: Callable[[], datetime] = timezone.now) -> bool:
    """Write a file that waits; False where there is none, somebody else has it, or it failed.

    Safe to run twice: the second finds nothing to do. Raises nothing that the row can say itself.
    """
    pen = take(writing_id, now=now)
    if pen is None:
        return False
    try:
        if pen.writing.job is not None:
            write_labels(pen)
        else:
            write_conversations(pen)
    except Superseded:
        logger.warning("Writing %s was taken away from this worker.", writing_id)
        return False
    except WorkbenchError as error:
        pen.fail(error.message)
        return False
    except Exception:
        # A person waits for this: they are told, and it does not hang until it is reaped.
        logger.exception("Writing %s failed unexpectedly.", writing_id)
        pen.fail(BROKEN)
        return False
    return True
