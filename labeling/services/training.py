"""The training set and people's way through it: choosing, answering, passing, being let in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.translation import get_language

from labeling.content import (
    VerdictContent,
    pack_content,
    pack_first_error,
    parse_content,
    parse_first_error,
)
from labeling.models import (
    Exposure,
    Membership,
    Project,
    ReviewItem,
    TrainingAnswer,
    TrainingItem,
    TrainingRound,
    User,
)
from labeling.records import At, FirstError
from labeling.selectors.training import (
    ANSWERED,
    LET_IN,
    SETTLED,
    SettledItem,
    asked_of,
    describe_line,
    describe_settled,
    has_worked_on,
    is_answered,
    list_set,
    list_settled_items,
    live_items,
    load_settled,
)
from labeling.services.annotations import parse_submission
from labeling.services.audit import record_event, record_exposure
from labeling.training_rules import Candidate, choose_balanced, compare, has_passed, pack_finding
from workbench.errors import Conflict, InvalidInput

MAX_EXPLANATION = 20_000
MAX_REASON = 2_000
# A set beyond this is no training set; screening asks for 200 items at the most.
MAX_SET = 400
# Of this many settled items of each task, drawn by chance, the set is chosen: their contents have
# to be read for it.
DRAWN_FROM = 1_500


class AlreadyAnswered(Conflict):
    """The item was answered before, with another key."""

    code = "already_answered"


# --- The set ------------------------------------------------------------------------------------


@transaction.atomic
def add_items(
    *, project: Project, by: User, items: Iterable[int], now: datetime | None = None
) -> list[TrainingItem]:
    """Put settled items at the end of the set; what was settled of each is frozen now.

    One that was taken out before comes back with what is settled of it today. Rounds under way
    stay as they are. InvalidInput names the first item that cannot train anybody.
    """
    _lock_set(project)
    wanted = list(dict.fromkeys(items))
    found = {one.item.pk: one for one in load_settled(wanted) if one.item.project_id == project.pk}
    for pk in wanted:
        one = found.get(pk)
        if one is None or one.item.state not in SETTLED:
            raise InvalidInput(f"Item {pk} is not settled in this project.", field="items")
        _refuse_hindered(one)
    return _store(project, by, [found[pk] for pk in wanted], now or timezone.now())


def _refuse_hindered(one: SettledItem) -> None:
    """InvalidInput where what was settled leaves no answer to expect."""
    pk = one.item.pk
    if one.hindrance == "gave_up":
        raise InvalidInput(f"Item {pk} cannot be used: nobody could judge it.", field="items")
    if one.hindrance == "unsure":
        raise InvalidInput(f"Item {pk} cannot be used: its verdict is unsure.", field="items")
    if one.hindrance:
        raise InvalidInput(
            f"Item {pk} cannot be used: its ratings leave open where the first error is.",
            field="items",
        )


@transaction.atomic
def choose_items(
    *, project: Project, by: User, size: int, seed: int = 1, now: datetime | None = None
) -> list[TrainingItem]:
    """Fill the set up to `size` items, spread over tasks, outcomes, error types and problems.

    The same seed over the same items chooses the same. See `training_rules.choose_balanced`.
    """
    if not 1 <= size <= MAX_SET:
        raise InvalidInput(f"A set has 1 to {MAX_SET} items, not {size}.", field="size")
    _lock_set(project)
    present = list_set(project)
    settled = {one.item.pk: one for one in load_settled(_draw_settled(project, seed))}
    candidates = [describe_settled(one) for one in settled.values() if not one.hindrance]
    chosen = choose_balanced(
        candidates,
        size - len(present),
        seed=seed,
        present=[describe_line(line) for line in present],
    )
    if not chosen:
        _refuse_choice(size, len(present))
    return _store(
        project,
        by,
        [settled[one.item_id] for one in _in_turn(chosen)],
        now or timezone.now(),
        seed=seed,
    )


def _refuse_choice(size: int, present: int) -> None:
    if present >= size:
        raise Conflict(f"The set has {present} items already, which is what {size} asks for.")
    raise Conflict(
        "Nothing is settled yet that could train anybody. Items settle when their reviewers "
        "agree, or when an adjudicator decides."
    )


def _draw_settled(project: Project, seed: int) -> list[int]:
    """Settled items of each task that are not in the set; a sample where there are very many."""
    rng = Random(seed)  # noqa: S311 - a draw that can be repeated, not a secret
    drawn: list[int] = []
    for task in ReviewItem.Task.values:
        ids = list(list_settled_items(project, task=task).values_list("pk", flat=True))
        drawn += ids if len(ids) <= DRAWN_FROM else rng.sample(ids, DRAWN_FROM)
    return drawn


def _in_turn(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Tasks in blocks: learning two pages at once is harder than one after the other."""
    return sorted(chosen, key=lambda one: one.task)


def _store(
    project: Project,
    by: User,
    found: Sequence[SettledItem],
    now: datetime,
    *,
    seed: int | None = None,
) -> list[TrainingItem]:
    live = live_items(project).count()
    if live + len(found) > MAX_SET:
        raise InvalidInput(f"A set has at most {MAX_SET} items; this one has {live}.")
    place = _find_last_place(project)
    earlier = {
        row.item_id: row
        for row in TrainingItem.objects.filter(item__in=[one.item.pk for one in found])
    }
    stored = []
    for one in found:
        row = earlier.get(one.item.pk)
        if row is not None and row.removed_at is None:
            raise Conflict(f"Item {one.item.pk} is in the set already.")
        place += 1
        if row is None:
            row = TrainingItem(project=project, item=one.item)
        row.expected, row.place, row.author = one.packed, place, by
        row.created_at, row.removed_at = now, None
        row.save()
        stored.append(row)
    detail: dict[str, Any] = {"items": [one.item.pk for one in found]}
    if seed is not None:
        detail["seed"] = seed
    record_event(project=project, actor=by, verb="training.added", target=project, **detail)
    return stored


@transaction.atomic
def explain_item(*, row: TrainingItem, by: User, explanation: str) -> TrainingItem:
    """Say why the expected answer is what it is. It shows to everybody from now on."""
    text = explanation.replace("\r\n", "\n").strip()
    if len(text) > MAX_EXPLANATION:
        raise InvalidInput(
            f"An explanation has at most {MAX_EXPLANATION:,} characters, not {len(text):,}.",
            field="explanation",
        )
    if text != row.explanation:
        record_event(
            project=row.project,
            actor=by,
            verb="training.explained",
            target=row,
            before=row.explanation,
        )
        row.explanation = text
        row.save(update_fields=["explanation"])
    return row


@transaction.atomic
def move_item(*, row: TrainingItem, by: User, later: bool) -> TrainingItem:
    """Change places with the item before or after it; the first and the last stay."""
    _lock_set(row.project)
    row.refresh_from_db()
    others = live_items(row.project)
    other = (
        others.filter(place__gt=row.place).first()
        if later
        else others.filter(place__lt=row.place).last()
    )
    if row.removed_at is not None or other is None:
        return row
    mine, theirs = row.place, other.place
    # Two rows never hold one place, not for a moment.
    TrainingItem.objects.filter(pk=row.pk).update(place=_find_last_place(row.project) + 1)
    TrainingItem.objects.filter(pk=other.pk).update(place=mine)
    TrainingItem.objects.filter(pk=row.pk).update(place=theirs)
    row.place = theirs
    record_event(project=row.project, actor=by, verb="training.moved", target=row, later=later)
    return row


@transaction.atomic
def remove_item(*, row: TrainingItem, by: User, now: datetime | None = None) -> TrainingItem:
    """Take an item out of the set. Its answers stay, and so do the rounds that have it."""
    updated = TrainingItem.objects.filter(pk=row.pk, removed_at__isnull=True).update(
        removed_at=now or timezone.now()
    )
    if updated:
        record_event(project=row.project, actor=by, verb="training.removed", target=row)
    row.refresh_from_db()
    return row


@transaction.atomic
def put_back(*, row: TrainingItem, by: User) -> TrainingItem:
    """Undo a removal: the item stands where it stood."""
    updated = TrainingItem.objects.filter(pk=row.pk, removed_at__isnull=False).update(
        removed_at=None
    )
    if updated:
        record_event(project=row.project, actor=by, verb="training.put_back", target=row)
    row.refresh_from_db()
    return row


def _lock_set(project: Project) -> None:
    """One change of a set at a time: two would give out the same place."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def _find_last_place(project: Project) -> int:
    found: int | None = project.training_items.aggregate(last=Max("place"))["last"]
    return found or 0


# --- A person's rounds --------------------------------------------------------------------------


def start_round(*, user: User, project: Project, now: datetime | None = None) -> TrainingRound:
    """The person's round under way, or a new one over the set as it is now.

    The first round goes in the set's order. Later ones take what the person has answered least
    often, in another order. What they have worked on themselves is left out.
    """
    now = now or timezone.now()
    try:
        with transaction.atomic():
            return _begin_round(user, project, now)
    except IntegrityError:
        # Another window began one at the same moment: the constraint said so.
        return TrainingRound.objects.get(project=project, person=user, passed=None)


def _begin_round(user: User, project: Project, now: datetime) -> TrainingRound:
    under_way = TrainingRound.objects.filter(project=project, person=user, passed=None).first()
    if under_way is not None:
        return under_way
    rows = list(live_items(project).exclude(has_worked_on(user)))
    if not rows:
        raise Conflict("There is nothing to train on here yet.")
    last = TrainingRound.objects.filter(project=project, person=user).aggregate(n=Max("number"))
    number = (last["n"] or 0) + 1
    chosen = _order_round(rows, user=user, number=number, size=project.screening_size)
    made = TrainingRound.objects.create(
        project=project,
        person=user,
        number=number,
        size=len(chosen),
        pass_percent=project.screening_pass_percent,
        started_at=now,
    )
    TrainingAnswer.objects.bulk_create(
        # Not answered yet: see labeling.selectors.training.
        TrainingAnswer(
            round=made,
            training_item=row,
            content={},
            expected=row.expected,
            is_right=False,
            idempotency_key=uuid.uuid4(),
            created_at=now,
        )
        for row in chosen
    )
    return made


def _order_round(
    rows: list[TrainingItem], *, user: User, number: int, size: int
) -> list[TrainingItem]:
    answered = dict(
        TrainingAnswer.objects.filter(ANSWERED, round__person=user, training_item__in=rows)
        .order_by()
        .values_list("training_item")
        .annotate(Count("pk"))
    )
    if not answered:
        return rows[:size]
    rng = Random(f"{user.pk}-{number}")  # noqa: S311 - an order, not a secret
    rng.shuffle(rows)
    rows.sort(key=lambda row: answered.get(row.pk, 0))
    chosen = rows[:size]
    rng.shuffle(chosen)
    return chosen


@transaction.atomic
def reveal_claim(*, row: TrainingAnswer, blind_first_error: FirstError) -> FirstError:
    """Open the claim of a training item, keeping the judgement made before; the first one counts.

    Raises InvalidInput where there is no claim, or no such step.
    """
    item = row.training_item.item
    if item.task != ReviewItem.Task.VERIFY_INJECTION:
        raise InvalidInput("This item has no claim to open.")
    if isinstance(blind_first_error, At) and blind_first_error.position >= item.solution.n_steps:
        raise InvalidInput(
            f"There is no step {blind_first_error.position + 1}.", field="blind_first_error"
        )
    found = _lock_round(row)
    fresh = TrainingAnswer.objects.get(pk=row.pk)
    said = fresh.content.get("blind_first_error")
    if said is not None:
        return parse_first_error(said)
    if is_answered(fresh):
        raise AlreadyAnswered("You have answered this item already.")
    packed = pack_first_error(blind_first_error)
    TrainingAnswer.objects.filter(pk=row.pk).update(content={"blind_first_error": packed})
    record_exposure(
        item=item,
        person=found.person,
        what=Exposure.What.CLAIM,
        project=found.project,
        blind_first_error=packed,
        hidden=found.project.hide_claim,
        training_round=found.pk,
    )
    return blind_first_error


@transaction.atomic
def answer_item(
    *,
    row: TrainingAnswer,
    data: object,
    idempotency_key: uuid.UUID,
    active_ms: int = 0,
    now: datetime | None = None,
) -> TrainingAnswer:
    """Freeze the person's answer, with what was right and wrong in it; the last one ends the round.

    The same key twice is one answer. Items are answered in their order. Raises Incomplete with the
    gaps, AlreadyAnswered, Conflict where it is not this item's turn.
    """
    now = now or timezone.now()
    found = _lock_round(row)
    fresh = TrainingAnswer.objects.get(pk=row.pk)
    item, project = row.training_item.item, found.project
    if is_answered(fresh):
        if fresh.idempotency_key == idempotency_key:
            return fresh
        raise AlreadyAnswered("You have answered this item already.")
    if found.answers.filter(pk__lt=row.pk).exclude(ANSWERED).exists():
        raise Conflict("Answer the items of a round one after the other.")
    n_steps = item.solution.n_steps
    content = parse_submission(data, item=item, project=project)
    packed = pack_content(content)
    if isinstance(content, VerdictContent):
        # What was said before the claim opened is on record; a later page cannot rewrite it.
        said = fresh.content.get("blind_first_error")
        if said is not None:
            packed["blind_first_error"] = said
        elif not project.hide_claim:
            packed["blind_first_error"] = {"unknown": "the claim was shown from the start"}
    compared = compare(
        parse_content(packed, n_steps=n_steps),
        parse_content(fresh.expected, n_steps=n_steps),
        asked_of(project, n_steps),
    )
    fresh.content = packed
    fresh.is_right = compared.is_right
    fresh.findings = [pack_finding(finding) for finding in compared.findings]
    fresh.active_ms = active_ms
    fresh.language = get_language() or ""
    fresh.idempotency_key = idempotency_key
    fresh.created_at = now
    fresh.save()
    for what in (Exposure.What.ITEM, Exposure.What.OTHERS):
        # With the answer comes what others settled.
        record_exposure(
            item=item, person=found.person, what=what, project=project, training_round=found.pk
        )
    _finish_if_done(found, now=now)
    return fresh


def _finish_if_done(found: TrainingRound, *, now: datetime) -> None:
    counts = found.answers.aggregate(
        answered=Count("pk", filter=ANSWERED),
        right=Count("pk", filter=ANSWERED & Q(is_right=True)),
    )
    if counts["answered"] < found.size:
        return
    found.passed = has_passed(counts["right"], size=found.size, pass_percent=found.pass_percent)
    found.finished_at = now
    found.save(update_fields=["passed", "finished_at"])
    record_event(
        project=found.project,
        actor=found.person,
        verb="training.finished",
        target=found,
        number=found.number,
        right=counts["right"],
        size=found.size,
        passed=found.passed,
    )


def _lock_round(row: TrainingAnswer) -> TrainingRound:
    """The round of an answer, locked until the transaction ends, with its person and project."""
    TrainingRound.objects.select_for_update(no_key=True).get(pk=row.round_id)
    return TrainingRound.objects.select_related("person", "project__taxonomy").get(pk=row.round_id)


# --- Being let in -------------------------------------------------------------------------------


@transaction.atomic
def let_in(
    *, project: Project, person: User, by: User, reason: str, now: datetime | None = None
) -> TrainingRound:
    """Let somebody take items who has not passed, with a reason. It stands at their last round.

    Who has not begun gets a round without items for it, so that the reason is on record.
    """
    now = now or timezone.now()
    reason = reason.strip()
    if not reason:
        raise InvalidInput("Say why they are let in.", field="reason")
    if len(reason) > MAX_REASON:
        raise InvalidInput(f"A reason has at most {MAX_REASON:,} characters.", field="reason")
    member = (
        Membership.objects.select_for_update(no_key=True)
        .filter(project=project, user=person, is_active=True)
        .first()
    )
    if member is None:
        raise InvalidInput("This person is not a member of the project.", field="person")
    rounds = TrainingRound.objects.filter(project=project, person=person).order_by("number")
    if rounds.filter(LET_IN).exists():
        raise Conflict("This person may take items already.")
    last = rounds.last()
    if last is None:
        last = TrainingRound(
            project=project,
            person=person,
            number=1,
            size=0,
            pass_percent=project.screening_pass_percent,
            passed=False,
            started_at=now,
            finished_at=now,
        )
    last.excused_by, last.excuse = by, reason
    last.save()
    record_event(
        project=project, actor=by, verb="training.let_in", target=last, user=person.pk, why=reason
    )
    return last


@transaction.atomic
def take_back_letting_in(*, found: TrainingRound, by: User) -> TrainingRound:
    """Undo `let_in`: the training is asked of them again. What they did meanwhile stays."""
    updated = TrainingRound.objects.filter(pk=found.pk, excused_by__isnull=False).update(
        excused_by=None, excuse=""
    )
    if updated:
        record_event(
            project=found.project,
            actor=by,
            verb="training.let_in_taken_back",
            target=found,
            user=found.person_id,
            why=found.excuse,
        )
    found.refresh_from_db()
    return found
