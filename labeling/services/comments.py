"""Saying something of an item, answering, withdrawing, settling a thread, and having seen it.

Nothing is overwritten: a correction is another comment, and what was withdrawn stays on record.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.comment_rules import (
    MAX_NAMED,
    MAX_TEXT,
    Voice,
    find_handles,
    make_handle,
    may_name,
    may_reach,
)
from labeling.models import Comment, Membership, Mention, Project, ReviewItem, User
from labeling.selectors.comments import find_reader, list_mentions, may_resolve
from labeling.services.audit import record_event
from workbench.errors import Conflict, InvalidInput, NotAllowed


def add_comment(
    *,
    item: ReviewItem,
    by: User,
    text: str,
    idempotency_key: uuid.UUID,
    position: int | None = None,
    reason: str = "",
    audience: str = Comment.Audience.DESK,
    names: Iterable[int] = (),
    now: datetime | None = None,
) -> Comment:
    """Begin a thread on an item, or on its step at `position`; with a `reason` it is a flag.

    `names` are ids of members whom it is addressed to, beside those whom the text names by @…. The
    same key twice is one comment. Whether the person may speak of the item is asked before.
    """
    if position is not None and not 0 <= position < item.solution.n_steps:
        raise InvalidInput(
            f"There is no step {position + 1}; the solution has {item.solution.n_steps}.",
            field="position",
        )
    if reason and reason not in Comment.Reason.values:
        raise InvalidInput(
            f"{reason!r} is no reason of a flag; use {', '.join(Comment.Reason.values)}.",
            field="reason",
        )
    return _say(
        item=item,
        by=by,
        text=text,
        key=idempotency_key,
        audience=audience,
        names=names,
        now=now or timezone.now(),
        position=position,
        kind=Comment.Kind.FLAG if reason else Comment.Kind.COMMENT,
        reason=reason,
    )


def reply(
    *,
    to: Comment,
    by: User,
    text: str,
    idempotency_key: uuid.UUID,
    audience: str = Comment.Audience.DESK,
    names: Iterable[int] = (),
    now: datetime | None = None,
) -> Comment:
    """Answer a comment in its thread. It is addressed to those who take part, as far as the person
    may name them or they spoke of the desk.

    Only in a thread that is meant for everyone may an answer be so too: elsewhere it would tell
    other reviewers what was asked.
    """
    now = now or timezone.now()
    first = to.thread or to
    if audience == Comment.Audience.EVERYONE and first.audience != Comment.Audience.EVERYONE:
        raise InvalidInput(
            "This thread is not meant for everybody, so its answers are not either.",
            field="audience",
        )
    comment = _say(
        item=to.item,
        by=by,
        text=text,
        key=idempotency_key,
        audience=audience,
        names=names,
        now=now,
        position=first.position,
        thread=first,
        answered=_find_answered(to),
    )
    # Whoever answers what was said to them has seen it.
    Mention.objects.filter(comment=to, person=by, seen_at__isnull=True).update(seen_at=now)
    return comment


def _say(
    *,
    item: ReviewItem,
    by: User,
    text: str,
    key: uuid.UUID,
    audience: str,
    names: Iterable[int],
    now: datetime,
    position: int | None,
    kind: str = Comment.Kind.COMMENT,
    reason: str = "",
    thread: Comment | None = None,
    answered: Mapping[int, bool] | None = None,
) -> Comment:
    said = _find_said(by, key)
    if said is not None:
        return said
    text = _clean(text)
    project = item.project
    _reader, voice = find_reader(by, item)
    if audience not in Comment.Audience.values:
        raise InvalidInput(
            f"{audience!r} is no audience; use {', '.join(Comment.Audience.values)}.",
            field="audience",
        )
    if not may_reach(voice, "everyone" if audience == Comment.Audience.EVERYONE else "desk"):
        raise NotAllowed(
            "Only leads and adjudicators who do not review the item speak to everybody on it."
        )
    named = _find_named(project, by, voice, text=text, picked=list(names), answered=answered or {})
    try:
        with transaction.atomic():
            comment = Comment.objects.create(
                project=project,
                item=item,
                solution_id=item.solution_id,
                position=position,
                thread=thread,
                author=by,
                voice=voice,
                audience=audience,
                kind=kind,
                reason=reason,
                text=text,
                idempotency_key=key,
                created_at=now,
            )
            Mention.objects.bulk_create(
                Mention(comment=comment, person_id=person) for person in named
            )
    except IntegrityError:
        # The same form was sent twice at once, and the other one was first.
        said = _find_said(by, key)
        if said is None:
            raise
        return said
    return comment


def _find_said(by: User, key: uuid.UUID) -> Comment | None:
    return Comment.objects.filter(author=by, idempotency_key=key).first()


def _clean(text: str) -> str:
    # A form sends line ends as CR LF, and a browser counts them as one character.
    cleaned = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not cleaned:
        raise InvalidInput("Write something first.", field="text")
    if len(cleaned) > MAX_TEXT:
        raise InvalidInput(
            f"A comment has at most {MAX_TEXT} characters, not {len(cleaned)}.", field="text"
        )
    return cleaned


def _find_named(
    project: Project,
    by: User,
    voice: Voice,
    *,
    text: str,
    picked: Sequence[int],
    answered: Mapping[int, bool],
) -> list[int]:
    """The ids of those whom a comment is addressed to, each once, oneself never.

    Whom one picks must be somebody one may name. An @… that names nobody is only text, and so is
    a user name where the project hides names, unless it is the desk that writes it: who is whom
    is not to be found out by trying.
    """
    members = Membership.objects.filter(project=project, is_active=True, user__is_active=True)
    allowed: dict[int, set[str]] = {}
    answers: list[int] = []
    for member in members.exclude(user=by).select_related("user").order_by("pk"):
        if may_name(voice, member.role):
            handles = {make_handle(member.pseudonym)} if project.hide_names else set[str]()
            if voice == "desk" or not project.hide_names:
                handles.add(member.user.username.casefold())
            allowed[member.user_id] = handles
        # Whoever of the desk spoke to a reviewer hears the answer, though not to be named else.
        spoke_of_desk = answered.get(member.user_id)
        if spoke_of_desk or (spoke_of_desk is not None and member.user_id in allowed):
            answers.append(member.user_id)
    wrong = [person for person in picked if person not in allowed and person != by.pk]
    if wrong:
        raise InvalidInput(
            f"You cannot name person {wrong[0]} here; leads can always be named.", field="names"
        )
    spoken = set(find_handles(text))
    called = [person for person, handles in allowed.items() if handles & spoken]
    whom = dict.fromkeys(person for person in (*answers, *picked, *called) if person != by.pk)
    if len(whom) > MAX_NAMED:
        raise InvalidInput(f"A comment names at most {MAX_NAMED} people.", field="names")
    return list(whom)


def _find_answered(to: Comment) -> dict[int, bool]:
    """Whom an answer to a comment goes to, and whether they spoke of the desk: whose it is, who
    began the thread, and whom the comment went to, so that nobody falls out of a conversation.
    """
    whom = dict.fromkeys(to.mentions.values_list("person_id", flat=True), False)
    for comment in (to.thread or to, to):
        spoke = comment.voice == Comment.Voice.DESK
        whom[comment.author_id] = whom.get(comment.author_id, False) or spoke
    return whom


@transaction.atomic
def withdraw(*, comment: Comment, by: User, now: datetime | None = None) -> Comment:
    """Take one's own word back: it stays on record, and others no longer see what it said."""
    if comment.author_id != by.pk:
        raise NotAllowed("You can withdraw your own comments only.")
    updated = Comment.objects.filter(pk=comment.pk, withdrawn_at__isnull=True).update(
        withdrawn_at=now or timezone.now()
    )
    if updated:
        record_event(project=comment.project, actor=by, verb="comment.withdrawn", target=comment)
    comment.refresh_from_db(fields=["withdrawn_at"])
    return comment


@transaction.atomic
def resolve(*, comment: Comment, by: User, now: datetime | None = None) -> Comment:
    """Settle a thread. Conflict where somebody has settled it already."""
    _require_may_resolve(comment, by)
    updated = Comment.objects.filter(
        pk=comment.pk, thread__isnull=True, resolved_at__isnull=True
    ).update(resolved_at=now or timezone.now(), resolved_by=by)
    if updated != 1:
        raise Conflict("This thread is resolved already.")
    return _record(comment, by, "comment.resolved")


@transaction.atomic
def reopen(*, comment: Comment, by: User) -> Comment:
    """Undo that a thread was settled. Conflict where it is open."""
    _require_may_resolve(comment, by)
    updated = Comment.objects.filter(
        pk=comment.pk, thread__isnull=True, resolved_at__isnull=False
    ).update(resolved_at=None, resolved_by=None)
    if updated != 1:
        raise Conflict("This thread is open already.")
    return _record(comment, by, "comment.reopened")


def _require_may_resolve(comment: Comment, by: User) -> None:
    if comment.thread_id is not None:
        raise InvalidInput("An answer is settled with its thread: name the first comment.")
    reader, _voice = find_reader(by, comment.item)
    if not may_resolve(comment.author_id == by.pk, comment.kind, reader.decides):
        raise NotAllowed("Leads and adjudicators settle what others wrote, and every flag.")


def _record(comment: Comment, by: User, verb: str) -> Comment:
    # Never the words: the log is read by more people than the comment.
    record_event(
        project=comment.project,
        actor=by,
        verb=verb,
        target=comment,
        item=comment.item_id,
        kind=comment.kind,
    )
    comment.refresh_from_db(fields=["resolved_at", "resolved_by"])
    return comment


def mark_seen(
    *, person: User, mention_ids: Sequence[int] | None = None, now: datetime | None = None
) -> int:
    """Note that the person has seen these comments to them, or all that they may read now.

    Returns how many were new. What they cannot read yet stays unseen.
    """
    waiting = list_mentions(person, unseen_only=True)
    if mention_ids is not None:
        waiting = waiting.filter(pk__in=mention_ids)
    found = list(waiting.values_list("pk", flat=True))
    return Mention.objects.filter(pk__in=found, seen_at__isnull=True).update(
        seen_at=now or timezone.now()
    )
