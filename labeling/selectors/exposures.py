"""What a person was shown of an item: read from the exposure log."""

from __future__ import annotations

from labeling.content import parse_first_error
from labeling.models import Assignment, Exposure, ReviewItem, User
from labeling.records import FirstError


def find_blind_judgement(*, item: ReviewItem, person: User) -> FirstError | None:
    """What the person said before the claim was opened; None while it is still sealed."""
    detail = (
        Exposure.objects.filter(item=item, person=person, what=Exposure.What.CLAIM)
        .order_by("pk")
        .values_list("detail", flat=True)
        .first()
    )
    if detail is None:
        return None
    return parse_first_error(detail.get("blind_first_error"))


def has_seen_claim(*, assignment: Assignment) -> bool:
    """Was the claim shown to this person for this item, at any time?"""
    return Exposure.objects.filter(
        item_id=assignment.item_id,
        person_id=assignment.annotator_id,
        what=Exposure.What.CLAIM,
    ).exists()
