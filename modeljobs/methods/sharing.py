"""What a method may share with other items and other jobs, and how it says that it does. PURE.

The methods of the catalogue hold nothing. One that can make use of earlier rollouts and comparisons
is bound to them for one item, by whoever runs it; all others never hear of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from modeljobs.methods.answer_checks import VerdictCache
from modeljobs.methods.base import Method
from modeljobs.methods.rollouts import RolloutCache


@dataclass(frozen=True, slots=True)
class Shared:
    """Caches that outlive an item."""

    rollouts: RolloutCache
    verdicts: VerdictCache


@runtime_checkable
class SharingMethod(Protocol):
    """A method that looks up what others have sampled and compared."""

    def bind(self, shared: Shared) -> Method:
        """The same method with these caches, for one item. It itself stays as it is."""


def bind_method(method: Method, shared: Shared) -> Method:
    """The method with the caches, if it shares anything; else just the method."""
    return method.bind(shared) if isinstance(method, SharingMethod) else method
