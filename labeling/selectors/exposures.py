"""What a person was shown of an item: read from the exposure log."""

from __future__ import annotations

from labeling.content import parse_first_error, parse_label
from labeling.models import Assignment, Exposure, ReviewItem, User
from labeling.records import FirstError, StepLabel


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


def has_seen_others_word(*, item_id: int | None, person_id: int) -> bool:
    """Was anybody's or any machine's word on this item shown to this person by now?

    Ratings that were proposed from the start are no reveal: the assignment says that they stood
    there.
    """
    shown = Exposure.objects.filter(
        item_id=item_id,
        person_id=person_id,
        what__in=[Exposure.What.CLAIM, Exposure.What.MACHINE, Exposure.What.OTHERS],
    ).values_list("what", "detail")
    return any(
        what != Exposure.What.MACHINE or detail.get("panel") != "proposal" for what, detail in shown
    )


def find_words_before_reveal(assignment: Assignment) -> list[tuple[int, StepLabel]]:
    """(position, what the person had said of it) for steps whose evidence they opened.

    The log keeps the draft's word of that moment; steps of which nothing had been said are left
    out.
    """
    details = (
        Exposure.objects.filter(
            item_id=assignment.item_id,
            person_id=assignment.annotator_id,
            what=Exposure.What.MACHINE,
        )
        .order_by("pk")
        .values_list("detail", flat=True)
    )
    words: dict[int, StepLabel] = {}
    for detail in details:
        position, word = detail.get("position"), detail.get("own_word")
        if isinstance(position, int) and word and position not in words:
            words[position] = parse_label(word, "own_word")
    return sorted(words.items())
