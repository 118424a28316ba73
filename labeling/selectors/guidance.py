"""The guidelines, rulings and error types in force as one person reads them, and what is new."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Literal

from django.conf import settings
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    SlugField,
    Subquery,
)
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from labeling.access import Capability, require
from labeling.alignment import PairKind, TextDiff, align_steps, diff_text
from labeling.guidance_texts import Told, choose_language, matches, split_blocks, tell
from labeling.models import Guideline, GuidelineReading, Membership, Project, Ruling, Taxonomy, User
from labeling.prepared import Prepared
from labeling.selectors.review import ErrorTypeView, list_error_types
from labeling.taxonomies.loader import parse_taxonomy
from workbench.errors import NotFound

# Two texts longer than this are shown without their differences: comparing takes too long.
LONGEST_COMPARED: Final = 20_000

Unread = Literal["", "new", "changed"]


# --- Languages ----------------------------------------------------------------------------------


def own_language() -> str:
    """The language that guidelines and rulings are first written in."""
    return settings.LANGUAGE_CODE


def reading_language() -> str:
    """The language of the page that is being drawn."""
    return get_language() or own_language()


def list_texts(row: Guideline | Project) -> dict[str, str]:
    """The guidelines by language, the installation's own first; languages without text left out."""
    if isinstance(row, Project):
        text, translations = row.guidelines, row.guideline_translations
    else:
        text, translations = row.text, row.translations
    texts = {own_language(): text, **translations}
    return {tag: words for tag, words in texts.items() if words.strip()}


def name_taxonomy(taxonomy: Taxonomy, language: str | None = None) -> str:
    """The title of a taxonomy in the reader's language."""
    return parse_taxonomy(taxonomy.content).title_in(language or reading_language())


# --- Rulings ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RulingView:
    """A ruling in a reader's language. `type_name` is "" where it is for all types."""

    id: int
    error_type: str
    type_name: str
    question: str
    answer: str
    language: str
    is_fallback: bool
    translations: Mapping[str, Mapping[str, str]]
    author: str
    guideline_version: int
    created_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class RulingFilters:
    """Which rulings to list; "" leaves one open. `error_type` "-" asks for those for all types."""

    text: str = ""
    error_type: str = ""
    state: str = "all"


FOR_ALL: Final = "-"


def list_ruling_texts(ruling: Ruling) -> dict[str, dict[str, str]]:
    """Question and answer by language.

    The first ones are in the installation's own language, unless a translation says the same: then
    they were written in that one, and nothing stands in the installation's own.
    """
    first = {"question": ruling.question, "answer": ruling.answer}
    texts: dict[str, dict[str, str]] = dict(ruling.translations)
    return texts if first in texts.values() else {own_language(): first, **texts}


def with_names(rows: QuerySet[Ruling]) -> QuerySet[Ruling]:
    """The rows with what `view_ruling` reads, in one query."""

    def alias(person: str) -> Subquery:
        members = Membership.objects.filter(project=OuterRef("project"), user=OuterRef(person))
        return Subquery(members.values("pseudonym")[:1])

    return rows.select_related("author", "withdrawn_by", "project").annotate(
        alias=alias("author"), withdrawer=alias("withdrawn_by")
    )


def view_ruling(
    row: Any,
    viewer: User,
    type_names: Mapping[str, str],
    *,
    language: str | None = None,
    is_new: bool = False,
) -> RulingView:
    """One row of `with_names` as its reader sees it."""
    wanted = language or reading_language()
    texts = list_ruling_texts(row)
    found = choose_language(texts, wanted, own_language()) or own_language()

    def call(person: User | None, alias: str | None) -> str:
        if person is None:
            return ""
        if person.pk == viewer.pk or not row.project.hide_names:
            return person.name
        return alias or _("somebody")

    return RulingView(
        id=row.pk,
        error_type=row.error_type,
        type_name=type_names.get(row.error_type, row.error_type),
        question=texts[found]["question"],
        answer=texts[found]["answer"],
        language=found,
        is_fallback=found.split("-")[0] != wanted.split("-")[0],
        translations=row.translations,
        author=call(row.author, row.alias),
        guideline_version=row.guideline_version,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=call(row.withdrawn_by, row.withdrawer),
        is_new=is_new,
    )


def find_rulings(project: Project, filters: RulingFilters) -> QuerySet[Ruling]:
    """The rulings of a project that fit, the newest first. Searched in every language."""
    rows = Ruling.objects.filter(project=project).order_by("-pk")
    if filters.error_type:
        rows = rows.filter(error_type="" if filters.error_type == FOR_ALL else filters.error_type)
    if filters.state != "all":
        rows = rows.filter(withdrawn_at__isnull=filters.state == "standing")
    if filters.text.strip():
        # Not by the database: how it folds letters, and how it keeps JSON, differs from one to
        # the next, and a project's rulings are few.
        rows = rows.filter(pk__in=[row.pk for row in rows if _says(row, filters.text)])
    return rows


def _says(ruling: Ruling, query: str) -> bool:
    texts = list_ruling_texts(ruling).values()
    said = [f"{text['question']} {text['answer']}" for text in texts]
    return matches(" ".join([*said, ruling.error_type]), query)


def find_ruling(user: User, ruling_id: int, capability: Capability = Capability.VIEW) -> Ruling:
    """The ruling, if the person may do that in its project."""
    found = Ruling.objects.select_related("project").filter(pk=ruling_id).first()
    missing = f"There is no ruling {ruling_id} that you may see."
    if found is None:
        raise NotFound(missing)
    require(user, found.project, capability, missing=missing)
    return found


def name_types(project: Project) -> dict[str, str]:
    """The error types in force by code, in the reader's language."""
    return {kind.code: kind.name for kind in list_error_types(project.taxonomy)}


# --- What is in force, as one person reads it ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edition:
    """What stood there when it was read: whoever says "I have read this" says it of one edition.

    The version, the newest ruling that stands, and the newest withdrawal; 0 where there is none.
    """

    version: int
    last_ruling: int
    last_withdrawn: int


@dataclass(frozen=True, slots=True)
class ChangedBlock:
    """A paragraph or an item that is new, gone or edited.

    `is_after_gap`: between it and the one before stands something that did not change.
    """

    diff: TextDiff
    is_after_gap: bool


@dataclass(frozen=True, slots=True)
class TextChange:
    """What changed in the text that a reader gets; its words are the same where no field says so.

    `is_new_language`: the earlier version had none in this language. `is_too_long`: to be compared.
    """

    blocks: tuple[ChangedBlock, ...] = ()
    is_new_language: bool = False
    is_too_long: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a person last marked the guidelines as read, at version `since`.

    `text` is None where the version is still in force.
    """

    since: int
    new: tuple[RulingView, ...] = ()
    withdrawn: tuple[RulingView, ...] = ()
    text: TextChange | None = None


@dataclass(frozen=True, slots=True)
class ClassCard:
    """An error type with its rulings, the newest first."""

    type: ErrorTypeView
    rulings: tuple[RulingView, ...] = ()


@dataclass(frozen=True, slots=True)
class CardGroup:
    """The types of one dimension; "" for those of none."""

    name: str
    cards: tuple[ClassCard, ...]


@dataclass(frozen=True, slots=True)
class GuidanceView:
    """Everything that a reader is told: the text, the rulings, the types, and what is new to them.

    `reading` is what they last marked as read, None where they never did; `changes` is None then,
    and where nothing changed. With a `query` only what fits it is here, and `n_found` counts it.
    """

    version: int
    published_at: datetime | None
    text: Told
    rulings: tuple[RulingView, ...]
    groups: tuple[CardGroup, ...]
    taxonomy_title: str
    taxonomy_version: int
    edition: Edition
    reading: GuidelineReading | None
    changes: Changes | None
    query: str = ""
    n_found: int = 0

    @property
    def is_unread(self) -> bool:
        return self.reading is None or self.changes is not None


def get_guidance(project: Project, person: User, *, query: str = "") -> GuidanceView:
    """What is in force in a project, in the language of the page."""
    rows = list(with_names(Ruling.objects.filter(project=project).order_by("-pk")))
    reading = find_reading(project, person)
    last_read = (reading.last_ruling_id or 0) if reading else 0
    names = name_types(project)
    views = [
        view_ruling(row, person, names, is_new=reading is not None and row.pk > last_read)
        for row in rows
    ]
    standing = [view for view in views if view.withdrawn_at is None]
    guideline = Guideline.objects.filter(project=project, version=project.guideline_version).first()
    text = tell(list_texts(project), reading_language(), own_language())
    shown_text, n_blocks = _search_text(text, query)
    general = [view for view in standing if view.error_type not in names]
    fitting = [view for view in general if not query or _fits_ruling(view, query)]
    groups = _group_cards(build_cards(project, standing), query)
    return GuidanceView(
        version=project.guideline_version,
        published_at=guideline.created_at if guideline else None,
        text=shown_text,
        rulings=tuple(fitting),
        groups=groups,
        taxonomy_title=name_taxonomy(project.taxonomy),
        taxonomy_version=project.taxonomy.version,
        edition=build_edition(project.guideline_version, rows),
        reading=reading,
        changes=_find_changes(project, text, reading, views) if reading else None,
        query=query,
        n_found=n_blocks + len(fitting) + sum(len(group.cards) for group in groups),
    )


def build_cards(project: Project, rulings: Iterable[RulingView]) -> list[ClassCard]:
    """The error types in force with those of the rulings that are theirs."""
    by_type: dict[str, list[RulingView]] = {}
    for ruling in rulings:
        by_type.setdefault(ruling.error_type, []).append(ruling)
    return [
        ClassCard(kind, tuple(by_type.get(kind.code, ())))
        for kind in list_error_types(project.taxonomy)
    ]


def list_card_groups(project: Project, viewer: User) -> tuple[CardGroup, ...]:
    """The error types in force with the rulings on them that nobody withdrew."""
    rows = with_names(find_rulings(project, RulingFilters(state="standing")))
    names = name_types(project)
    standing = [view_ruling(row, viewer, names) for row in rows if row.error_type]
    return _group_cards(build_cards(project, standing), "")


def build_edition(version: int, rulings: Iterable[Ruling]) -> Edition:
    """What stands, from all rulings of a project."""
    rows = list(rulings)
    withdrawn = [(row.withdrawn_at, row.pk) for row in rows if row.withdrawn_at is not None]
    return Edition(
        version=version,
        last_ruling=max((row.pk for row in rows if row.withdrawn_at is None), default=0),
        last_withdrawn=max(withdrawn)[1] if withdrawn else 0,
    )


def find_edition(project: Project) -> Edition:
    """What stands in the project now."""
    return build_edition(project.guideline_version, Ruling.objects.filter(project=project))


def find_reading(project: Project, person: User) -> GuidelineReading | None:
    """What the person last marked as read."""
    readings = GuidelineReading.objects.filter(project=project, person=person)
    return readings.order_by("-pk").first()


def count_readers(project: Project) -> tuple[int, int]:
    """(how many annotators have marked the version in force as read, how many annotators)."""
    annotators = Membership.objects.filter(
        project=project, is_active=True, role=Membership.Role.ANNOTATOR, user__is_simulated=False
    )
    read = GuidelineReading.objects.filter(
        project=project, person=OuterRef("user"), version=project.guideline_version
    )
    marked = annotators.annotate(has_read=Exists(read)).values_list("has_read", flat=True)
    return sum(marked), len(marked)


def _find_changes(
    project: Project, text: Told, reading: GuidelineReading, views: Sequence[RulingView]
) -> Changes | None:
    last_read = reading.last_ruling_id or 0
    new = [view for view in views if view.is_new and view.withdrawn_at is None]
    # What came and went in between was never read: it is no news.
    withdrawn = [
        view
        for view in views
        if view.withdrawn_at is not None and view.withdrawn_at > reading.at and view.id <= last_read
    ]
    changes = Changes(since=reading.version, new=tuple(new), withdrawn=tuple(withdrawn))
    if reading.version == project.guideline_version:
        return changes if new or withdrawn else None
    before = Guideline.objects.filter(project=project, version=reading.version).first()
    return replace(changes, text=compare_texts(list_texts(before) if before else {}, text))


def compare_texts(before: Mapping[str, str], now: Told) -> TextChange:
    """What changed in a text since an earlier version, whose texts by language are given."""
    earlier = before.get(now.language, "")
    if earlier == now.text:
        return TextChange()
    if not earlier:
        return TextChange(is_new_language=True)
    if len(earlier) + len(now.text) > LONGEST_COMPARED:
        return TextChange(is_too_long=True)
    return TextChange(blocks=tuple(_compare_blocks(split_blocks(earlier), split_blocks(now.text))))


def _compare_blocks(before: Sequence[str], after: Sequence[str]) -> Iterator[ChangedBlock]:
    is_after_gap = False
    for pair in align_steps(before, after):
        if pair.kind is PairKind.SAME:
            is_after_gap = True
            continue
        was = "" if pair.original is None else before[pair.original]
        now = "" if pair.modified is None else after[pair.modified]
        yield ChangedBlock(diff_text(was, now), is_after_gap)
        is_after_gap = False


# --- Searching ----------------------------------------------------------------------------------


def _search_text(text: Told, query: str) -> tuple[Told, int]:
    """The paragraphs that fit, and how many; all of the text where nothing is asked for."""
    if not query:
        return text, 0
    blocks = re.split(r"\n\s*\n", text.text.replace("\r\n", "\n").strip())
    found = [block for block in blocks if block.strip() and matches(block, query)]
    return Told("\n\n".join(found), text.language, text.is_fallback), len(found)


def _group_cards(cards: Iterable[ClassCard], query: str) -> tuple[CardGroup, ...]:
    fitting = [card for card in cards if not query or _fits_card(card, query)]
    return tuple(
        CardGroup(name, tuple(group))
        for name, group in groupby(fitting, key=lambda card: card.type.dimension)
    )


def _fits_card(card: ClassCard, query: str) -> bool:
    kind = card.type
    said = [kind.name, kind.code, kind.definition, kind.example, kind.counter_example]
    said += [f"{ruling.question} {ruling.answer}" for ruling in card.rulings]
    return matches(" ".join(said), query)


def _fits_ruling(ruling: RulingView, query: str) -> bool:
    return matches(f"{ruling.question} {ruling.answer} {ruling.error_type}", query)


# --- Is there anything new? ---------------------------------------------------------------------


def _build_standing(slug: Any, person: Any) -> QuerySet[Any, Any]:
    """Of one project: what is in force, and what this person last read of it."""
    readings = GuidelineReading.objects.filter(project=OuterRef("pk"), person=person)
    latest = readings.order_by("-pk")
    standing = Ruling.objects.filter(project=OuterRef("pk"), withdrawn_at__isnull=True)
    taken_back = Ruling.objects.filter(
        project=OuterRef("pk"),
        withdrawn_at__gt=OuterRef("read_at"),
        pk__lte=OuterRef("read_ruling"),
    )
    return (
        Project.objects.filter(slug=slug)
        .annotate(
            # Every version but the first was published by somebody, in some language.
            has_words=ExpressionWrapper(
                ~Q(guidelines="") | Q(guideline_version__gt=1), output_field=BooleanField()
            ),
            newest=Subquery(standing.order_by("-pk").values("pk")[:1]),
            read_version=Subquery(latest.values("version")[:1]),
            read_ruling=Subquery(latest.values("last_ruling")[:1]),
            read_at=Subquery(latest.values("at")[:1]),
            took_back=Exists(taken_back),
        )
        .values_list(
            "guideline_version", "has_words", "newest", "read_version", "read_ruling", "took_back"
        )
    )


_standing = Prepared(_build_standing, slug=SlugField(), person=BigIntegerField())


def find_unread(slug: str, person: User) -> Unread:
    """Is there something that the person has not marked as read? One query, on every page of work.

    "new": they never marked any of it; "changed": it changed since they did.
    """
    row = _standing.first(slug=slug, person=person.pk)
    if row is None:
        return ""
    version, has_words, newest, read_version, read_ruling, took_back = row
    if read_version is None:
        return "new" if has_words or newest else ""
    is_changed = version != read_version or (newest or 0) > (read_ruling or 0) or took_back
    return "changed" if is_changed else ""
