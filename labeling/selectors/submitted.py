"""What a person has submitted: searched, listed, and one item with everything they said of it.

Only the reader's own words are here. Of others an item's state tells whether they differ, and where
the project shows decisions, what was decided.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from django.db.models import (
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    TextField,
)
from django.db.models.functions import Cast

from labeling.content import Outcome, VerdictValue, parse_content
from labeling.models import (
    Adjudication,
    Annotation,
    AnnotationRevision,
    Project,
    ReviewItem,
    Step,
    StepRating,
    User,
)
from labeling.selectors.dossiers import (
    DecisionView,
    RevisionView,
    view_decision,
    view_revision,
)
from workbench.errors import InvalidInput

# What can be asked of a word beside the verdicts, which stand for themselves.
ERROR, NO_ERROR, GAVE_UP = "error", "no_error", "gave_up"
SAID: Final = (*(str(verdict) for verdict in VerdictValue), ERROR, NO_ERROR, GAVE_UP)
# Found by reading, and handed to the database as a list: more than this no statement takes.
MOST_READ: Final = 20_000


@dataclass(frozen=True, slots=True)
class SubmittedFilters:
    """What to show; empty means any.

    `text` stands in the problem or in a step, `note` in a note of the reviewer's. `said` is one of
    SAID, `error_type` a code that they gave, `state` the item's. `since` and `until` are days, both
    included, of what they say now; `changed` is True where they changed their word.
    """

    text: str = ""
    note: str = ""
    said: str = ""
    error_type: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    changed: bool = False

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, one.name) for one in fields(self))


def list_submitted(
    person: User, project: Project, filters: SubmittedFilters
) -> QuerySet[Annotation]:
    """The person's own annotations in a project, those that they spoke of last first."""
    mine = Annotation.objects.filter(project=project, annotator=person, item__isnull=False)
    # The type checker does not see what is annotated.
    fitting: QuerySet[Any] = filter_annotations(mine, filters)
    return (
        fitting.select_related("item", "solution__problem")
        .prefetch_related(
            Prefetch("revisions", queryset=AnnotationRevision.objects.order_by("number"))
        )
        .order_by("-said__created_at", "-pk")
    )


def filter_annotations(
    rows: QuerySet[Annotation], filters: SubmittedFilters
) -> QuerySet[Annotation]:
    """The annotations that fit; `said` names the revision in force.

    InvalidInput where what has to be read to find them is too much.
    """
    rows = rows.annotate(
        said=FilteredRelation("revisions", condition=Q(revisions__number=F("current_number")))
    )
    conditions: list[Q] = []
    if filters.text:
        steps = Step.objects.filter(solution=OuterRef("solution"), text__icontains=filters.text)
        conditions += [Q(solution__problem__text__icontains=filters.text) | Q(Exists(steps))]
    if filters.said:
        conditions += [_match_said(filters.said)]
    if filters.state:
        conditions += [Q(item__state=filters.state)]
    if filters.since:
        conditions += [Q(said__created_at__date__gte=filters.since)]
    if filters.until:
        conditions += [Q(said__created_at__date__lte=filters.until)]
    if filters.changed:
        conditions += [Q(current_number__gt=1)]
    if filters.error_type:
        conditions += [_match_error_type(rows, filters.error_type)]
    if filters.note:
        conditions += [_match_note(rows, filters.note)]
    # All at once: each further call would join the revision again.
    return rows.filter(*conditions)


def _match_said(said: str) -> Q:
    rated = Q(said__verdict="")
    if said == GAVE_UP:
        return Q(said__content__outcome=Outcome.GAVE_UP.value)
    if said == ERROR:
        return rated & Q(said__first_error_state=AnnotationRevision.FirstErrorState.AT)
    if said == NO_ERROR:
        return rated & Q(said__first_error_state=AnnotationRevision.FirstErrorState.NONE)
    if said == VerdictValue.BAD_PROBLEM:
        return Q(said__verdict=said) | Q(said__content__outcome=Outcome.BAD_PROBLEM.value)
    if said == VerdictValue.UNSURE:
        unsure = StepRating.objects.filter(annotation=OuterRef("pk"), unsure=True)
        return Q(said__verdict=said) | (rated & Q(Exists(unsure)))
    return Q(said__verdict=said)


def _match_error_type(rows: QuerySet[Any], code: str) -> Q:
    """The current word names the type: a verdict's, the first of a step's, or another of them."""
    first = StepRating.objects.filter(annotation=OuterRef("pk"), error_type=code)
    # Lists within lists: not every database looks into them.
    others = _find_by_reading(
        rows.filter(said__content__steps__icontains=json.dumps(code)),
        lambda content: code in _list_types(content),
    )
    return Q(Exists(first)) | Q(said__content__error_type=code) | Q(pk__in=others)


def _match_note(rows: QuerySet[Any], words: str) -> Q:
    """The words stand in a note on the whole or on a step, whatever their case."""
    wanted = words.casefold()
    documents = rows.annotate(document=Cast("said__content", TextField()))
    if words.isascii():
        # Only a letter beyond ASCII is written in two ways, and has a case that SQLite ignores.
        documents = documents.filter(document__icontains=json.dumps(words)[1:-1])
    found = _find_by_reading(
        documents,
        lambda content: any(wanted in note.casefold() for note in _list_notes(content)),
    )
    return Q(pk__in=found)


def _find_by_reading(rows: QuerySet[Any], fits: Callable[[Mapping[str, Any]], bool]) -> list[int]:
    """The keys of those whose current document fits."""
    contents = rows.order_by().values_list("pk", "said__content").iterator(chunk_size=1_000)
    found = [pk for pk, content in contents if content and fits(content)]
    if len(found) > MOST_READ:
        raise InvalidInput(
            f"More than {MOST_READ:,} annotations have these words. Add some, or choose a state."
        )
    return found


def _list_steps(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for step in content.get("steps") or ():
        if isinstance(step, Mapping):
            yield step


def _list_types(content: Mapping[str, Any]) -> set[str]:
    return {str(code) for step in _list_steps(content) for code in step.get("error_types", ())}


def _list_notes(content: Mapping[str, Any]) -> Iterator[str]:
    yield str(content.get("note", ""))
    for step in _list_steps(content):
        yield str(step.get("note", ""))


# --- One item, and a page of them -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OwnWord:
    """An item and everything that the reader has said of it, the first word first.

    `decision` is the adjudicator's, where the project shows decisions and there is one.
    """

    annotation: Annotation
    item: ReviewItem
    assignment_id: int | None
    revisions: tuple[RevisionView, ...]
    decision: DecisionView | None

    @property
    def first(self) -> RevisionView:
        return self.revisions[0]

    @property
    def current(self) -> RevisionView:
        return self.revisions[-1]

    @property
    def is_changed(self) -> bool:
        return len(self.revisions) > 1

    @property
    def may_reopen(self) -> bool:
        """Until an adjudicator has decided, it is the reviewer's to change."""
        return self.item.state != ReviewItem.State.DECIDED and self.assignment_id is not None


def find_own_word(item: ReviewItem, person: User, project: Project) -> OwnWord | None:
    """What the person said of an item; None where they said nothing."""
    annotation = (
        Annotation.objects.filter(item=item, annotator=person)
        .select_related("item", "solution")
        .prefetch_related(
            Prefetch("revisions", queryset=AnnotationRevision.objects.order_by("number"))
        )
        .first()
    )
    found = build_own_words([annotation], project) if annotation is not None else []
    return found[0] if found else None


def build_own_words(annotations: Sequence[Annotation], project: Project) -> list[OwnWord]:
    """The annotations of one person as a list shows them, at a fixed number of queries.

    They have their item, solution and revisions at hand. One without a revision is left out.
    """
    decisions = _load_decisions(annotations) if project.decisions_shown else {}
    return [
        _build_own_word(annotation, annotation.item, decisions)
        for annotation in annotations
        if annotation.item is not None and annotation.revisions.all()
    ]


def _build_own_word(
    annotation: Annotation, item: ReviewItem, decisions: Mapping[int, Adjudication]
) -> OwnWord:
    rows = list(annotation.revisions.all())
    n_steps = annotation.solution.n_steps
    decided = decisions.get(item.pk) if item.state == ReviewItem.State.DECIDED else None
    return OwnWord(
        annotation=annotation,
        item=item,
        assignment_id=rows[0].assignment_id,
        revisions=tuple(
            view_revision(row, parse_content(row.content, n_steps=n_steps)) for row in rows
        ),
        decision=None if decided is None else view_decision(decided, n_steps=n_steps),
    )


def _load_decisions(annotations: Sequence[Annotation]) -> dict[int, Adjudication]:
    """The last decision on each item that has one."""
    items = [annotation.item_id for annotation in annotations]
    rows = Adjudication.objects.filter(item__in=items).select_related("adjudicator")
    return {row.item_id: row for row in rows.order_by("number")}
