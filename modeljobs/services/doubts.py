"""References in doubt: what people make of an answer that most rollouts contradict.

A problem's own reference never changes here: it is data as it was imported. A corrected answer
stands beside it, and later jobs compare with that.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils import timezone

from labeling.access import Capability, require
from labeling.models import Project, User
from labeling.services.audit import record_event
from modeljobs.models import ReferenceDoubt
from workbench.errors import Conflict, InvalidInput, NotFound

State = ReferenceDoubt.State
DECISIONS: Final = (State.STANDS, State.WRONG)
MAX_ANSWER: Final = 2_000
MAX_NOTE: Final = 4_000


def list_doubts(project: Project, *, state: str = "") -> QuerySet[ReferenceDoubt]:
    """The project's doubts: open ones first, and of these the surest first."""
    rows = ReferenceDoubt.objects.filter(problem__project=project).select_related(
        "problem__source", "item__job", "decided_by"
    )
    if state:
        rows = rows.filter(state=state)
    place = Case(
        When(state=State.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return rows.order_by(place, "-rollouts", "-pk")


def get_doubt(
    user: User, doubt_id: int, capability: Capability = Capability.BROWSE
) -> ReferenceDoubt:
    """The doubt, if the user may do that in its project."""
    missing = f"There is no doubt {doubt_id} that you may see."
    doubt = (
        ReferenceDoubt.objects.select_related(
            "problem__project", "problem__source", "item__job", "decided_by"
        )
        .filter(pk=doubt_id)
        .first()
    )
    if doubt is None:
        raise NotFound(missing)
    require(user, doubt.problem.project, capability, missing=missing)
    return doubt


def decide(
    *, doubt: ReferenceDoubt, state: str, by: User, corrected_answer: str = "", note: str = ""
) -> ReferenceDoubt:
    """Say that the reference stands, or that it is wrong and, where known, what is right.

    Conflict where somebody has decided meanwhile.
    """
    answer, note = corrected_answer.strip(), note.strip()
    if state not in DECISIONS:
        raise InvalidInput("Say 'stands' or 'wrong'.", field="state")
    if state == State.STANDS and answer:
        raise InvalidInput(
            "A reference that stands has no corrected answer. Empty it, or say that the reference "
            "is wrong.",
            field="corrected_answer",
        )
    if len(answer) > MAX_ANSWER:
        raise InvalidInput(
            f"An answer has at most {MAX_ANSWER:,} characters.", field="corrected_answer"
        )
    if answer and answer == doubt.reference.strip():
        raise InvalidInput(
            "That is the reference itself. Say that it stands, or give another answer.",
            field="corrected_answer",
        )
    if len(note) > MAX_NOTE:
        raise InvalidInput(f"A note has at most {MAX_NOTE:,} characters.", field="note")
    with transaction.atomic():
        # Compare and set: of two who decide at once, one is told.
        updated = ReferenceDoubt.objects.filter(pk=doubt.pk, state=State.OPEN).update(
            state=state,
            corrected_answer=answer,
            note=note,
            decided_by=by,
            decided_at=timezone.now(),
        )
        if not updated:
            raise Conflict(
                "Somebody has decided on this reference already. Reopen it to change it."
            )
        _record(doubt, by, "doubt.decided", state=state, corrected_answer=answer, note=note)
    doubt.refresh_from_db()
    return doubt


def reopen(*, doubt: ReferenceDoubt, by: User) -> ReferenceDoubt:
    """Take a decision back. What was decided stays in the audit log, the note also in its place."""
    with transaction.atomic():
        updated = (
            ReferenceDoubt.objects.filter(pk=doubt.pk)
            .exclude(state=State.OPEN)
            .update(state=State.OPEN, corrected_answer="", decided_by=None, decided_at=None)
        )
        if not updated:
            raise Conflict("This reference is in doubt already.")
        _record(
            doubt, by, "doubt.reopened", state=doubt.state, corrected_answer=doubt.corrected_answer
        )
    doubt.refresh_from_db()
    return doubt


def _record(doubt: ReferenceDoubt, by: User, verb: str, **detail: str) -> None:
    record_event(
        project=doubt.problem.project,
        actor=by,
        verb=verb,
        target=doubt,
        problem=doubt.problem_id,
        reference=doubt.reference,
        answer=doubt.answer,
        **detail,
    )
