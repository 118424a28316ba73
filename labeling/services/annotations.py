"""People's records: submitting, revising, and the ratings projected from them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField
from django.utils import timezone
from django.utils.translation import get_language

from labeling.bulk import insert_rows
from labeling.content import (
    UNMARKED,
    Content,
    ContentError,
    Proposal,
    RatingContent,
    StepJudgement,
    Task,
    VerdictContent,
    pack_content,
    pack_first_error,
    parse_content,
)
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Assignment,
    Draft,
    ErrorType,
    Exposure,
    Injection,
    Project,
    ReviewItem,
    Step,
    StepRating,
    User,
)
from labeling.prepared import Prepared
from labeling.records import At, FirstError, NoError, StepLabel, Unknown, derive_rating
from labeling.selectors.exposures import (
    find_blind_judgement,
    find_words_before_reveal,
    has_seen_others_word,
)
from labeling.selectors.proposals import find_proposal
from labeling.services import reviewing
from labeling.services.assignments import (
    LeaseLost,
    StaleDraft,
    close_held,
    get_held,
    lock_item,
)
from labeling.services.audit import record_event, record_exposure
from labeling.services.reports import note_verdict
from labeling.states import Gap, SubmissionRules, find_gaps, find_overridden
from workbench.errors import Conflict, InvalidInput


class Incomplete(InvalidInput):
    """Something is missing; `extra` names each gap with its step."""

    code = "incomplete"


def rules_of(
    project: Project,
    content: Content,
    *,
    proposal: Proposal | None = None,
    asks_replies: bool = False,
) -> SubmissionRules:
    """What a complete submission is in this project; of its error types, those that are named."""
    named = {code for judgement in content.steps for code in judgement.label.error_types}
    if isinstance(content, VerdictContent) and content.error_type:
        named.add(content.error_type)
    known: Iterable[str] = ()
    if named:
        types = ErrorType.objects.filter(taxonomy=project.taxonomy_id, code__in=named)
        known = types.values_list("code", flat=True)
    return SubmissionRules(
        stop_at_first_error=project.stops_at_first_error,
        allow_partial=project.allow_partial,
        asks_error_types=project.asked.error_types,
        error_codes=frozenset(known),
        proposal=proposal,
        asks_replies=asks_replies,
    )


def parse_submission(
    data: object, *, item: ReviewItem, project: Project, proposal: Proposal | None = None
) -> Content:
    """The document, checked for this item and this project's protocol, or InvalidInput.

    `proposal` is what a machine put before this reviewer. What the document itself says of it, or
    of the words before a reveal, is dropped: the server alone knows.
    """
    n_steps = item.solution.n_steps
    try:
        content = parse_content(data, n_steps=n_steps)
    except ContentError as error:
        raise InvalidInput(str(error), field=error.field) from None
    if content.task != item.task:
        raise InvalidInput(f"This item asks for {item.task!r}, not {content.task!r}.", field="task")
    rules = rules_of(project, content, proposal=proposal, asks_replies=_asks_replies(item, content))
    gaps = find_gaps(content, n_steps=n_steps, rules=rules)
    if gaps:
        raise Incomplete(gaps[0].message, gaps=[_pack_gap(gap) for gap in gaps])
    if isinstance(content, VerdictContent):
        return replace(content, before_reveal=())
    return _with_proposal(content, n_steps=n_steps, proposal=proposal)


def _asks_replies(item: ReviewItem, content: Content) -> bool:
    """Is the claim one of another correct solution? It then points at no step."""
    if not isinstance(content, VerdictContent):
        return False
    claims = Injection.objects.filter(modified=item.solution_id)
    return [] in claims.values_list("claimed_error_positions", flat=True)


def _with_proposal(
    content: RatingContent, *, n_steps: int, proposal: Proposal | None
) -> RatingContent:
    """The machine's word beside the person's, and reasons only where the two differ."""
    judged = {judgement.position for judgement in content.steps}
    differing = (
        set()
        if proposal is None
        else set(find_overridden(content, n_steps=n_steps, proposal=proposal))
    )
    return replace(
        content,
        bulk=tuple([position for position in content.bulk if position in judged]),
        overrides=tuple([one for one in content.overrides if one.position in differing]),
        proposal=proposal,
        before_reveal=(),
    )


def _pack_gap(gap: Gap) -> dict[str, Any]:
    return {"field": gap.field, "message": gap.message, "position": gap.position}


def submit(
    *,
    assignment: Assignment,
    lease_token: uuid.UUID,
    data: object,
    idempotency_key: uuid.UUID,
    seen_draft: int | None = None,
    active_ms: int = 0,
    step_ms: dict[str, int] | None = None,
    kind: str = Annotation.Kind.PERSON,
    now: datetime | None = None,
) -> AnnotationRevision:
    """Freeze the person's work on an item as a revision.

    The same key twice stores one revision and answers with it. A lease that is over refuses, and
    the draft stays; so does one that another window saved after version `seen_draft`, where that is
    given. What the document says of the first, blind judgement is replaced by what was
    recorded when the claim was opened: a later page cannot rewrite it.
    """
    now = now or timezone.now()
    if assignment.state != Assignment.State.OPEN:
        done = _find_submitted(assignment, idempotency_key)
        if done is not None:
            return done
    project, n_steps = assignment.project, assignment.item.solution.n_steps
    content = parse_submission(
        data, item=assignment.item, project=project, proposal=find_proposal(assignment)
    )
    try:
        with transaction.atomic():
            item = lock_item(assignment.item_id)
            close_held(assignment=assignment, lease_token=lease_token, active_ms=active_ms, now=now)
            _check_draft(assignment, seen_draft)
            if isinstance(content, VerdictContent):
                content = _with_recorded_judgement(content, assignment=assignment)
            content = replace(
                content, before_reveal=_find_first_words(assignment, content, n_steps=n_steps)
            )
            # A person holds an item once, so this is the first that they say of it.
            annotation = Annotation.objects.create(
                project=project,
                solution_id=item.solution_id,
                item=item,
                annotator_id=assignment.annotator_id,
                kind=kind,
                current_number=1,
                created_at=now,
            )
            revision = _store_revision(
                annotation=annotation,
                content=content,
                n_steps=n_steps,
                author_id=assignment.annotator_id,
                assignment=assignment,
                project=project,
                idempotency_key=idempotency_key,
                active_ms=active_ms,
                step_ms=step_ms,
                now=now,
            )
            Draft.objects.filter(item=item, annotator=assignment.annotator_id).delete()
            note_verdict(revision)
            reviewing.refresh_item(item, project=project, n_steps=n_steps, now=now)
    except LeaseLost:
        # The other half of a double press may have submitted a moment ago.
        done = _find_submitted(assignment, idempotency_key)
        if done is not None:
            return done
        raise
    return revision


def _check_draft(assignment: Assignment, seen: int | None) -> None:
    """StaleDraft when another window has saved since. A draft that is gone is no fault."""
    if seen is None:
        return
    draft = Draft.objects.filter(
        item_id=assignment.item_id, annotator_id=assignment.annotator_id
    ).first()
    if draft is None or draft.version == seen:
        return
    raise StaleDraft(
        "This item was changed in another window. Both texts are kept.",
        version=draft.version,
        content=draft.content,
        saved_at=draft.updated_at.isoformat(),
    )


def revise(
    *,
    annotation: Annotation,
    by: User,
    data: object,
    reason: str,
    seen_number: int,
    idempotency_key: uuid.UUID,
    active_ms: int = 0,
    step_ms: dict[str, int] | None = None,
    now: datetime | None = None,
) -> AnnotationRevision:
    """Add a revision to one's own annotation until the item is decided; the first ones stay."""
    now = now or timezone.now()
    if not reason.strip():
        raise InvalidInput("Say why you change your judgement.", field="reason")
    item = annotation.item
    if item is None:
        raise Conflict("An imported annotation is not revised; it stays as it came.")
    project = annotation.project
    content = parse_submission(
        data, item=item, project=project, proposal=_find_kept_proposal(annotation)
    )
    with transaction.atomic():
        done = annotation.revisions.filter(idempotency_key=idempotency_key).first()
        if done is not None:
            return done
        fresh = lock_item(item.pk)
        locked = Annotation.objects.get(pk=annotation.pk)
        if fresh.state == ReviewItem.State.DECIDED:
            raise Conflict("This item has been adjudicated; comment on it instead.")
        if locked.current_number != seen_number:
            raise Conflict(
                "This annotation was changed in another window.", number=locked.current_number
            )
        first = locked.revisions.order_by("number").values_list("content", flat=True).first()
        content = _keep_first_words(content, first or {}, n_steps=item.solution.n_steps)
        locked.current_number += 1
        locked.save(update_fields=["current_number"])
        revision = _store_revision(
            annotation=locked,
            content=content,
            n_steps=item.solution.n_steps,
            author_id=by.pk,
            assignment=None,
            project=project,
            idempotency_key=idempotency_key,
            active_ms=active_ms,
            step_ms=step_ms,
            reason=reason.strip(),
            now=now,
        )
        record_event(
            project=project,
            actor=by,
            verb="annotation.revised",
            target=locked,
            number=revision.number,
            reason=revision.reason,
        )
        note_verdict(revision)
        reviewing.refresh_item(fresh, project=project, n_steps=item.solution.n_steps, now=now)
    return revision


def reveal_claim(
    *,
    assignment: Assignment,
    lease_token: uuid.UUID,
    blind_first_error: FirstError,
    now: datetime | None = None,
) -> FirstError:
    """Open the claim of an injection, keeping the judgement made before; the first one counts."""
    now = now or timezone.now()
    if assignment.item.task != Task.VERIFY_INJECTION:
        raise InvalidInput("This item has no claim to open.")
    if isinstance(blind_first_error, At) and (
        blind_first_error.position >= assignment.item.solution.n_steps
    ):
        raise InvalidInput(
            f"There is no step {blind_first_error.position + 1}.", field="blind_first_error"
        )
    with transaction.atomic():
        held = get_held(assignment=assignment, lease_token=lease_token, now=now)
        seen = find_blind_judgement(item=held.item, person=held.annotator)
        if seen is not None:
            return seen
        record_exposure(
            item=assignment.item,
            person=held.annotator,
            what=Exposure.What.CLAIM,
            project=assignment.project,
            blind_first_error=pack_first_error(blind_first_error),
            hidden=assignment.project.hide_claim,
        )
    return blind_first_error


def _with_recorded_judgement(content: VerdictContent, *, assignment: Assignment) -> VerdictContent:
    recorded = find_blind_judgement(item=assignment.item, person=assignment.annotator)
    if recorded is None:
        if assignment.project.hide_claim:
            # A verdict on a claim that was never opened: the judgement it carries was blind.
            return content
        recorded = Unknown("the claim was shown from the start")
    return replace(content, blind_first_error=recorded)


def _find_first_words(
    assignment: Assignment, content: Content, *, n_steps: int
) -> tuple[StepJudgement, ...]:
    """What was said of a step before its machine evidence was opened, where it is another now."""
    now = {judgement.position: judgement.label for judgement in content.steps}
    return tuple(
        [
            StepJudgement(position, before)
            for position, before in find_words_before_reveal(assignment)
            if position < n_steps and _differs(before, now.get(position, UNMARKED))
        ]
    )


def _differs(before: StepLabel, after: StepLabel) -> bool:
    return (derive_rating(before), before.unsure) != (derive_rating(after), after.unsure)


def _find_kept_proposal(annotation: Annotation) -> Proposal | None:
    """What a machine had put before the person who now changes their word."""
    held = Assignment.objects.select_related("suggestion", "project").filter(
        item=annotation.item_id, annotator=annotation.annotator_id
    )
    assignment = held.filter(state=Assignment.State.SUBMITTED).first()
    return None if assignment is None else find_proposal(assignment)


def _keep_first_words(content: Content, first: dict[str, Any], *, n_steps: int) -> Content:
    """A later page cannot rewrite what was said before something was opened."""
    if not first:
        return content
    kept = parse_content(first, n_steps=n_steps)
    if isinstance(content, VerdictContent) and isinstance(kept, VerdictContent):
        content = replace(content, blind_first_error=kept.blind_first_error)
    return replace(content, before_reveal=kept.before_reveal)


def _find_submitted(assignment: Assignment, key: uuid.UUID) -> AnnotationRevision | None:
    return AnnotationRevision.objects.filter(
        annotation__item_id=assignment.item_id,
        annotation__annotator_id=assignment.annotator_id,
        idempotency_key=key,
    ).first()


def _store_revision(
    *,
    annotation: Annotation,
    content: Content,
    n_steps: int,
    author_id: int,
    assignment: Assignment | None,
    project: Project,
    idempotency_key: uuid.UUID,
    active_ms: int,
    now: datetime,
    step_ms: dict[str, int] | None = None,
    reason: str = "",
) -> AnnotationRevision:
    """Freeze the content as the annotation's current revision, and project its ratings."""
    revision = AnnotationRevision.objects.create(
        annotation=annotation,
        number=annotation.current_number,
        content=pack_content(content),
        verdict=str(content.verdict) if isinstance(content, VerdictContent) else "",
        **first_error_columns(content.first_error(n_steps)),
        author_id=author_id,
        assignment=assignment,
        reason=reason,
        after_reveal=has_seen_others_word(item_id=annotation.item_id, person_id=author_id),
        guideline_version=project.guideline_version,
        taxonomy_id=project.taxonomy_id,
        language=get_language() or "",
        active_ms=active_ms,
        step_ms=step_ms,
        idempotency_key=idempotency_key,
        created_at=now,
    )
    if revision.number == 1:
        # There is nothing yet that would have to go.
        _insert_ratings(annotation=annotation, content=content)
    else:
        project_ratings(annotation=annotation, content=content)
    return revision


def first_error_columns(first: FirstError) -> dict[str, Any]:
    """The two columns that a first error is stored in."""
    if isinstance(first, At):
        return {"first_error_state": "at", "first_error_position": first.position}
    state = "none" if isinstance(first, NoError) else "unknown"
    return {"first_error_state": state, "first_error_position": None}


def project_ratings(*, annotation: Annotation, content: Content) -> None:
    """Write the StepRating rows of an annotation's current revision: their one writer."""
    StepRating.objects.filter(annotation=annotation).delete()
    _insert_ratings(annotation=annotation, content=content)


def _insert_ratings(*, annotation: Annotation, content: Content) -> None:
    judged = rating_rows(content)
    if not judged:
        return
    steps = dict(_step_ids.all(solution=annotation.solution_id))
    columns = tuple(judged[0])[1:]
    insert_rows(
        StepRating,
        ("annotation", "step", *columns),
        [
            (annotation.pk, steps[row["position"]], *[row[name] for name in columns])
            for row in judged
        ],
    )


_step_ids = Prepared(
    lambda solution: Step.objects.filter(solution=solution).values_list("position", "pk"),
    solution=BigIntegerField(),
)


def rating_rows(content: Content) -> list[dict[str, Any]]:
    """The judged steps as column values, with their position. A verdict's flags count as wrong."""
    rows: dict[int, dict[str, Any]] = {
        judgement.position: {
            "position": judgement.position,
            "validity": str(judgement.label.validity or ""),
            "contribution": str(judgement.label.contribution or ""),
            "origin": str(judgement.label.origin or ""),
            "error_type": (judgement.label.error_types or ("",))[0],
            "unsure": judgement.label.unsure,
            "rating": derive_rating(judgement.label),
            "is_bulk": False,
        }
        for judgement in content.steps
    }
    if isinstance(content, RatingContent):
        for position in content.bulk:
            if position in rows:
                rows[position]["is_bulk"] = True
        return list(rows.values())
    for position in content.error_positions:
        rows.setdefault(
            position,
            {
                "position": position,
                "validity": "wrong",
                "contribution": "",
                "origin": "",
                "error_type": content.error_type,
                "unsure": False,
                "rating": -1,
                "is_bulk": False,
            },
        )
    return list(rows.values())
