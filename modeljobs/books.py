"""What a run's job has used and what it may use: tokens, money, and time at work.

Kept in the run's thread that owns the database; the loop only looks at `excess`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import F

from modeljobs.costs import Usage, read_prices
from modeljobs.models import ModelJob
from modeljobs.selectors import has_uncounted_calls, measure_usage
from modeljobs.services import leases
from modeljobs.services.budgets import Budgets, find_excess, read_budgets
from modeljobs.services.calls import Tokens


class Books:
    """The books of one run. `excess` says which budget is used up, "" while there is some left."""

    def __init__(
        self, *, job_id: int, snapshot: Mapping[str, Any], clock: Callable[[], float]
    ) -> None:
        self.excess = ""
        self._job_id = job_id
        self._prices = read_prices(snapshot)
        self._clock = clock
        self._budgets = Budgets()
        self._usage = Usage()
        # Up to when the time at work is counted.
        self._counted_to = 0.0
        # Tokens of the leases that the run was ever given; None, which nobody has, among them.
        self._tokens: set[uuid.UUID | None] = {None}

    def open(self) -> None:
        """Begin to count the time, and read what was used before."""
        self._counted_to = self._clock()
        job = ModelJob.objects.get(pk=self._job_id)
        if job.budgets:
            self._usage.uncounted = int(has_uncounted_calls(job))
        self.read(job)

    def read(self, job: ModelJob) -> None:
        """See what all workers together have used by now, and whether the budgets were changed. A
        job without budgets is not added up.
        """
        self._budgets = read_budgets(job)
        if self._budgets:
            self._usage = measure_usage(job, has_uncounted=self._usage.uncounted > 0)
        self._check()

    def spend(self, tokens: Tokens) -> None:
        """Count what was just stored."""
        self._usage.prompt_tokens += tokens.prompt
        self._usage.completion_tokens += tokens.completion
        self._usage.uncounted += tokens.uncounted
        self._check()

    def hold(self, tokens: Iterable[uuid.UUID | None]) -> None:
        """Note leases that the run was given."""
        self._tokens.update(tokens)

    def count_time(self) -> None:
        """Add the time since the last look to the job, if this run is the one that keeps it: of all
        who work on the job at once, whoever holds the item that stands first.
        """
        now = self._clock()
        since, self._counted_to = self._counted_to, now
        if now > since and leases.find_first_token(job_id=self._job_id) in self._tokens:
            ModelJob.objects.filter(pk=self._job_id).update(
                ran_seconds=F("ran_seconds") + (now - since)
            )

    def _check(self) -> None:
        self.excess = find_excess(self._budgets, self._usage, self._prices)
