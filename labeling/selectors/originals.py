"""What is known of an original, beside the injections that were made from it."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.models import ReviewItem
from labeling.selectors.reports import ReportView, find_original, find_report


@dataclass(frozen=True, slots=True)
class AboutOriginal:
    """What a reviewer of an injection may know of its original once the claim is open.

    `n_others` counts the other items in review that were made from the same original: those that
    a word on the original speaks of too.
    """

    report: ReportView | None
    n_others: int


def describe_original(solution_id: int, *, beside_item: int | None = None) -> AboutOriginal | None:
    """What is known of the original that this solution was made from; None for no injection.

    `beside_item` is the item that the reader judges, so that no report gives away what another
    reviewer of that very item said (`find_report`).
    """
    original_id = find_original(solution_id)
    if original_id is None:
        return None
    others = ReviewItem.objects.filter(
        task=ReviewItem.Task.VERIFY_INJECTION, solution__injection__original=original_id
    ).exclude(solution=solution_id)
    return AboutOriginal(
        report=find_report(original_id, beside_item=beside_item), n_others=others.count()
    )
