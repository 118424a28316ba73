"""How the work on an item may end, and what becomes of the item then."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import InterfaceError, OperationalError

from modeljobs.engines.base import EnginePermanent, EngineTransient
from modeljobs.methods.base import Failed, Produced
from modeljobs.models import JobItem
from modeljobs.sandbox.base import SandboxError
from modeljobs.services import leases, results
from modeljobs.services.calls import Tokens, count_tokens
from modeljobs.services.leases import LeaseLost
from modeljobs.services.results import JobContext, OpenItem
from modeljobs.texts import TextStoreError

logger = logging.getLogger(__name__)

# Faults of the machinery: no item is to blame, and going on makes no sense.
MACHINE_FAULTS = (OperationalError, InterfaceError, TextStoreError)


@dataclass(frozen=True, slots=True)
class Crash:
    """An item ended in an error that nobody foresaw."""

    error: Exception


Ending = list[Produced] | Failed | EngineTransient | EnginePermanent | SandboxError | Crash


def store_ending(
    context: JobContext, item: OpenItem, ending: Ending, *, now: datetime
) -> tuple[str, Tokens]:
    """Store how an item ended; the state that it is in now, "" where its lease was lost meanwhile,
    and the tokens of the calls that were stored with it.
    """
    tokens = count_tokens(item.calls.unsaved)
    match ending:
        case list():
            results.finish(context, item, ending, now=now)
            return JobItem.State.DONE, tokens
        case Failed():
            results.fail(item, ending, now=now)
            return JobItem.State.FAILED, tokens
        case EnginePermanent():
            results.fail(item, Failed(ending.code, ending.message), now=now, outcome="engine")
            return JobItem.State.FAILED, tokens
        case SandboxError():
            results.fail(item, Failed(ending.code, ending.message), now=now, outcome="sandbox")
            return JobItem.State.FAILED, tokens
        case EngineTransient():
            results.checkpoint(item, now=now)
            state = leases.return_after_transient(
                item=item.row,
                lease=item.lease,
                code=ending.code,
                reason=ending.message,
                now=now,
                retry_after_s=ending.retry_after,
            )
            return state, tokens
        case Crash(error):
            tokens = save_if_possible(item, now=now)
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            state = leases.return_after_error(
                item=item.row, lease=item.lease, reason=f"{reason}.", now=now
            )
            return state, tokens


def save_if_possible(item: OpenItem, *, now: datetime) -> Tokens:
    """Keep what the item has, unless that is the very thing that cannot be stored; its tokens."""
    try:
        return results.checkpoint(item, now=now)
    except (LeaseLost, *MACHINE_FAULTS):
        raise
    except Exception:
        logger.exception("What item %s has so far cannot be stored.", item.row.pk)
        return Tokens(0, 0)
