"""Comments as one person may see them: of an item, of a project, and those addressed to oneself.

`labeling.comment_rules` says who sees what; `readable_by` is the same rule as a query, for lists
and counts, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from labeling.access import Capability, capabilities_of, require, roles_with
from labeling.comment_rules import (
    SETTLED,
    Reader,
    Said,
    Voice,
    make_handle,
    may_name,
    pick_voice,
    show_comment,
)
from labeling.models import Assignment, Comment, Membership, Mention, Project, ReviewItem, User
from labeling.prepared import Prepared
from workbench.errors import NotFound

HELD = (Assignment.State.OPEN, Assignment.State.SUBMITTED)

# What every page of work asks.
_said_of = Prepared(
    lambda item: Comment.objects.filter(
        item=item, thread__isnull=True, resolved_at__isnull=True, withdrawn_at__isnull=True
    ).values_list("pk")[:1],
    item=BigIntegerField(),
)


@dataclass(frozen=True, slots=True)
class Nameable:
    """Somebody who may be named in a comment: `handle` is what stands after the @."""

    user_id: int
    name: str
    handle: str
    role: str


@dataclass(frozen=True, slots=True)
class CommentView:
    """A comment as its reader sees it: `text` is "" where it was withdrawn by somebody else."""

    id: int
    thread_id: int
    item_id: int
    position: int | None
    author: str
    is_own: bool
    is_simulated: bool
    voice: str
    audience: str
    kind: str
    reason: str
    reason_words: str
    text: str
    named: tuple[str, ...]
    names_reader: bool
    created_at: datetime
    withdrawn_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str

    @property
    def step(self) -> int | None:
        """The number of the step it is about, as people count; None for the whole item."""
        return None if self.position is None else self.position + 1


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A first comment and what was answered. `first` is None where only an answer may be read."""

    id: int
    first: CommentView | None
    replies: tuple[CommentView, ...]
    may_resolve: bool

    @property
    def is_resolved(self) -> bool:
        return self.first is not None and self.first.resolved_at is not None

    @property
    def comments(self) -> tuple[CommentView, ...]:
        return (self.first, *self.replies) if self.first else self.replies


@dataclass(frozen=True, slots=True)
class PanelView:
    """Everything said of an item that its reader may see, and what they may add to it."""

    item: ReviewItem
    viewer_id: int
    threads: list[ThreadView]
    nameable: list[Nameable]
    voice: Voice
    is_judging: bool
    is_settled: bool
    steps: range = field(default_factory=lambda: range(0))

    @property
    def n_comments(self) -> int:
        return sum(len(thread.comments) for thread in self.threads)


# --- Who stands where ---------------------------------------------------------------------------


def find_reader(viewer: User, item: ReviewItem) -> tuple[Reader, Voice]:
    """Where the person stands towards the item, and as whom they speak of it."""
    held = capabilities_of(viewer, item.project)
    states = set(
        Assignment.objects.filter(item=item, annotator=viewer).values_list("state", flat=True)
    )
    decides = Capability.ADJUDICATE in held
    reader = Reader(
        decides=decides,
        knows_item=bool(states) or Capability.BROWSE in held,
        is_judging=Assignment.State.OPEN in states,
        is_settled=item.state in SETTLED,
    )
    return reader, pick_voice(decides=decides, reviews=bool(states & set(HELD)))


def find_item(viewer: User, item_id: int) -> ReviewItem:
    """The item, if the person may speak of it: who browses the project, or was given it once."""
    item = ReviewItem.objects.select_related("project", "solution").filter(pk=item_id).first()
    missing = f"There is no item {item_id} that you may speak of."
    if item is None:
        raise NotFound(missing)
    require(viewer, item.project, Capability.VIEW, missing=missing)
    if not find_reader(viewer, item)[0].knows_item:
        raise NotFound(missing)
    return item


def find_comment(viewer: User, comment_id: int) -> Comment:
    """The comment, if the person may read it; its project, item and thread come with it."""
    rows = readable_by(viewer).select_related("project", "item", "thread")
    found = rows.filter(pk=comment_id).first()
    if found is None:
        raise NotFound(f"There is no comment {comment_id} that you may read.")
    return found


def list_nameable(project: Project, by: User, voice: Voice) -> list[Nameable]:
    """Whom this person may name, in the names that the project shows; leads first."""
    members = (
        Membership.objects.filter(project=project, is_active=True, user__is_active=True)
        .exclude(user=by)
        .select_related("user")
    )
    found = [
        Nameable(
            user_id=member.user_id,
            name=member.pseudonym if project.hide_names else member.user.name,
            handle=make_handle(member.pseudonym) if project.hide_names else member.user.username,
            role=member.role,
        )
        for member in members
        if may_name(voice, member.role)
    ]
    found.sort(key=lambda one: (one.role != Membership.Role.LEAD, one.name.casefold(), one.user_id))
    return found


# --- The rule as a query ------------------------------------------------------------------------


def readable_by(viewer: User) -> QuerySet[Comment]:
    """The comments that `show_comment` does not hide from this person, in projects of theirs."""
    mine = Membership.objects.filter(project=OuterRef("project"), user=viewer, is_active=True)
    given = Assignment.objects.filter(item=OuterRef("item"), annotator=viewer)
    named = Q(Exists(Mention.objects.filter(comment=OuterRef("pk"), person=viewer)))
    judging = Q(Exists(given.filter(state=Assignment.State.OPEN)))
    decides, browses = (
        _everywhere() if viewer.is_superuser else Q(Exists(mine.filter(role__in=roles_with(what))))
        for what in (Capability.ADJUDICATE, Capability.BROWSE)
    )
    knows = browses | Q(Exists(given))
    desk = Q(voice=Comment.Voice.DESK)
    there = (
        Q(author=viewer)
        | (desk & (named | (Q(audience=Comment.Audience.EVERYONE) & knows)))
        | (~judging & (decides | (~desk & Q(item__state__in=SETTLED) & knows)))
    )
    within = _everywhere() if viewer.is_superuser else Q(Exists(mine))
    return Comment.objects.filter(within, there)


def _everywhere() -> Q:
    """True of every row."""
    return ~Q(pk__in=[])


def with_names(rows: QuerySet[Comment]) -> QuerySet[Comment]:
    """The rows with what `view_comment` reads, in a fixed number of queries."""

    def alias(person: str, project: str) -> Subquery:
        members = Membership.objects.filter(project=OuterRef(project), user=OuterRef(person))
        return Subquery(members.values("pseudonym")[:1])

    named = (
        Mention.objects.select_related("person")
        .annotate(alias=alias("person", "comment__project"))
        .order_by("pk")
    )
    return (
        rows.select_related("author", "project", "resolved_by")
        .annotate(alias=alias("author", "project"), resolver=alias("resolved_by", "project"))
        .prefetch_related(Prefetch("mentions", queryset=named, to_attr="named"))
    )


def view_comment(row: Any, viewer: User) -> CommentView:
    """One row of `with_names` as its reader sees it; whether they may is asked before."""
    hide = row.project.hide_names

    def call(person: User, alias: str | None) -> str:
        return person.name if person.pk == viewer.pk or not hide else alias or f"#{person.pk}"

    is_own = row.author_id == viewer.pk
    return CommentView(
        id=row.pk,
        thread_id=row.thread_id or row.pk,
        item_id=row.item_id,
        position=row.position,
        author=call(row.author, row.alias),
        is_own=is_own,
        is_simulated=row.author.is_simulated,
        voice=row.voice,
        audience=row.audience,
        kind=row.kind,
        reason=row.reason,
        reason_words=str(row.get_reason_display()) if row.reason else "",
        text="" if row.withdrawn_at and not is_own else row.text,
        named=tuple(call(one.person, one.alias) for one in row.named),
        names_reader=any(one.person_id == viewer.pk for one in row.named),
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        resolved_at=row.resolved_at,
        resolved_by=call(row.resolved_by, row.resolver) if row.resolved_by else "",
    )


# --- Of one item --------------------------------------------------------------------------------


def get_panel(item: ReviewItem, viewer: User) -> PanelView:
    """The threads of an item, the oldest first, as this person may read them."""
    reader, voice = find_reader(viewer, item)
    rows = with_names(Comment.objects.filter(item=item).order_by("pk"))
    threads: dict[int, list[CommentView]] = {}
    for row in rows:
        view = view_comment(row, viewer)
        said = Said(
            is_own=view.is_own,
            voice="desk" if row.voice == Comment.Voice.DESK else "peer",
            audience="everyone" if row.audience == Comment.Audience.EVERYONE else "desk",
            names_reader=view.names_reader,
            is_withdrawn=row.withdrawn_at is not None,
        )
        if show_comment(said, reader) != "hidden":
            threads.setdefault(view.thread_id, []).append(view)
    return PanelView(
        item=item,
        viewer_id=viewer.pk,
        threads=[_build_thread(number, views, reader) for number, views in threads.items()],
        nameable=list_nameable(item.project, viewer, voice),
        voice=voice,
        is_judging=reader.is_judging,
        is_settled=reader.is_settled,
        steps=range(item.solution.n_steps),
    )


def count_open(item_id: int, viewer: User) -> int:
    """How many open threads of an item this person may read.

    On most items nobody has said anything: that is found out first, by one short query.
    """
    if _said_of.first(item=item_id) is None:
        return 0
    threads = readable_by(viewer).filter(item=item_id, thread__isnull=True)
    return _filter_state(threads, "open").count()


def _build_thread(number: int, views: Sequence[CommentView], reader: Reader) -> ThreadView:
    first = next((view for view in views if view.id == number), None)
    return ThreadView(
        id=number,
        first=first,
        replies=tuple(view for view in views if view.id != number),
        may_resolve=first is not None and may_resolve(first.is_own, first.kind, reader.decides),
    )


def may_resolve(is_own: bool, kind: str, decides: bool) -> bool:
    """Leads and adjudicators settle any thread; others their own, but not what they flagged."""
    return decides or (is_own and kind == Comment.Kind.COMMENT)


# --- Of a project -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThreadFilters:
    """Which threads a project's list shows; "" leaves one open."""

    state: str = "open"
    kind: str = ""
    reason: str = ""
    text: str = ""
    item: int | None = None


def list_threads(project: Project, viewer: User, filters: ThreadFilters) -> QuerySet[Comment]:
    """The first comments of threads, the newest first; a withdrawn one is open no more."""
    rows = readable_by(viewer).filter(project=project, thread__isnull=True)
    rows = _filter_state(rows, filters.state)
    if filters.kind:
        rows = rows.filter(kind=filters.kind)
    if filters.reason:
        rows = rows.filter(reason=filters.reason)
    if filters.item is not None:
        rows = rows.filter(item=filters.item)
    if filters.text:
        # The words of what was withdrawn are not to be found either.
        rows = rows.filter(text__icontains=filters.text, withdrawn_at__isnull=True)
    answers = (
        readable_by(viewer)
        .filter(thread=OuterRef("pk"))
        .order_by()
        .values("thread")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return (
        with_names(rows)
        .select_related("item__solution__problem", "item__solution__injection")
        .annotate(n_replies=Coalesce(Subquery(answers), 0))
        .order_by("-pk")
    )


def _filter_state(rows: QuerySet[Comment], state: str) -> QuerySet[Comment]:
    if state == "open":
        return rows.filter(resolved_at__isnull=True, withdrawn_at__isnull=True)
    return rows.filter(resolved_at__isnull=False) if state == "resolved" else rows


def list_comments(project: Project, viewer: User, filters: ThreadFilters) -> QuerySet[Comment]:
    """Every readable comment of a project, first ones and answers; the state is the thread's."""
    rows = readable_by(viewer).filter(project=project)
    first = Q(thread__isnull=True)
    if filters.state == "open":
        rows = rows.filter(
            (first & Q(resolved_at__isnull=True))
            | Q(thread__isnull=False, thread__resolved_at__isnull=True)
        )
    elif filters.state == "resolved":
        rows = rows.filter(Q(resolved_at__isnull=False) | Q(thread__resolved_at__isnull=False))
    if filters.kind:
        rows = rows.filter(kind=filters.kind)
    if filters.item is not None:
        rows = rows.filter(item=filters.item)
    return with_names(rows)


def count_open_flags(project: Project, viewer: User) -> int:
    """The flags that wait for a lead, of those that this one may read now."""
    rows = readable_by(viewer).filter(project=project, kind=Comment.Kind.FLAG)
    return _filter_state(rows, "open").count()


# --- To oneself ---------------------------------------------------------------------------------


def list_mentions(person: User, *, unseen_only: bool = False) -> QuerySet[Mention]:
    """Comments addressed to the person that they may read now, the newest first.

    One on an item that they judge themselves waits until they have submitted it.
    """
    mine = Mention.objects.filter(
        person=person,
        # The rule is asked of these alone, not of every comment that there is.
        comment__in=readable_by(person).filter(
            mentions__person=person, withdrawn_at__isnull=True, project__archived_at__isnull=True
        ),
    )
    if unseen_only:
        mine = mine.filter(seen_at__isnull=True)
    return mine.order_by("-pk")


def with_comments(mentions: QuerySet[Mention]) -> QuerySet[Mention]:
    """The mentions with their comments, ready for `view_comment`, and where each was said."""
    comments = with_names(Comment.objects.all()).select_related(
        "item__solution__problem", "item__solution__injection"
    )
    own = Assignment.objects.filter(item=OuterRef("comment__item"), annotator=OuterRef("person"))
    return mentions.annotate(
        assignment_id=Subquery(own.order_by("-pk").values("pk")[:1])
    ).prefetch_related(Prefetch("comment", queryset=comments))


def count_unseen(person: User, *, item_id: int | None = None) -> int:
    """How many comments addressed to the person they have not marked as read."""
    waiting = list_mentions(person, unseen_only=True)
    if item_id is not None:
        waiting = waiting.filter(comment__item=item_id)
    return waiting.count()


def find_own_assignment(person: User, item: ReviewItem) -> Assignment | None:
    """The person's latest hold on the item, by whose page they come to it."""
    return Assignment.objects.filter(item=item, annotator=person).order_by("-pk").first()


def find_browsed(person: User, projects: Iterable[Project]) -> frozenset[int]:
    """Of these projects, the ids of those whose solutions the person may open."""
    wanted = {project.pk for project in projects}
    if person.is_superuser:
        return frozenset(wanted)
    return frozenset(
        Membership.objects.filter(
            user=person,
            project__in=wanted,
            is_active=True,
            role__in=roles_with(Capability.BROWSE),
        ).values_list("project_id", flat=True)
    )
