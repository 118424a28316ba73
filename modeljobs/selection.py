"""Which solutions a job is run on: the request read, and the solutions that it takes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

from labeling.content import ContentError, parse_content
from labeling.models import (
    Adjudication,
    AnnotationRevision,
    Project,
    ReviewItem,
    Solution,
    SourceReport,
)
from labeling.records import NoError
from workbench.errors import InvalidInput

FIELDS = ("solution_ids", "source", "kind", "correct_only", "verified_only", "limit", "shuffle")
# Narrows what a judging method takes; a method that alters solutions takes unmodified ones anyway.
KINDS = ("", "solutions", "injections")
# What a decision's document says, as both databases write it. Within a note, quotation marks stand
# behind backslashes, so that none can be taken for these.
DECIDED_WRONG = '"validity": "wrong"'
DECIDED_COMPLETE = '"outcome": "complete"'


@dataclass(frozen=True, slots=True)
class Selection:
    """The solutions that a job is to be run on.

    Either `solution_ids`, or every fitting solution of the project, of `source` alone where one is
    named, and of `kind` alone ("solutions" or "injections"). `correct_only` takes those known to
    be right; without it a method that alters solutions takes those not known to be wrong, and one
    that judges them takes any. `verified_only` takes those that people of this project found to be
    right in every step; in a project with `verify_sources`, a method that alters solutions takes no
    others. `limit` takes the first ones, or with `shuffle` a seeded random choice.
    """

    solution_ids: tuple[int, ...] | None = None
    source: str = ""
    kind: str = ""
    correct_only: bool = False
    limit: int | None = None
    shuffle: bool = False
    verified_only: bool = False

    def pack(self) -> dict[str, Any]:
        packed: dict[str, Any] = {"correct_only": self.correct_only, "shuffle": self.shuffle}
        if self.solution_ids is not None:
            packed["solution_ids"] = list(self.solution_ids)
        if self.source:
            packed["source"] = self.source
        if self.kind:
            packed["kind"] = self.kind
        if self.limit is not None:
            packed["limit"] = self.limit
        if self.verified_only:
            packed["verified_only"] = True
        return packed


def parse_selection(data: Mapping[str, Any]) -> Selection:
    """The selection as sent, or InvalidInput with the field at fault."""
    unknown = sorted(set(data) - set(FIELDS))
    if unknown:
        known = ", ".join(FIELDS)
        raise InvalidInput(
            f"A selection has no field {unknown[0]!r}; its fields are {known}.", field=unknown[0]
        )
    ids = data.get("solution_ids")
    if ids is not None and (
        not isinstance(ids, list | tuple)
        or not ids
        or not all(isinstance(value, int) and not isinstance(value, bool) for value in ids)
    ):
        raise InvalidInput("'solution_ids' is a list of numbers.", field="solution_ids")
    limit = data.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidInput(f"'limit' is a whole number from 1, not {limit!r}.", field="limit")
    source = data.get("source") or ""
    if not isinstance(source, str):
        raise InvalidInput("'source' is the name of a source.", field="source")
    kind = data.get("kind") or ""
    if kind not in KINDS:
        raise InvalidInput("'kind' is 'solutions' or 'injections'.", field="kind")
    return Selection(
        solution_ids=None if ids is None else tuple(dict.fromkeys(ids)),
        source=source,
        kind=str(kind),
        correct_only=_read_flag(data, "correct_only"),
        limit=limit,
        shuffle=_read_flag(data, "shuffle"),
        verified_only=_read_flag(data, "verified_only"),
    )


def list_selected(
    project: Project, selection: Selection, *, seed: int = 0, judging: bool = False
) -> list[int]:
    """The ids of the solutions that the selection takes, in order; `judging` as `Method.judges`.

    Solutions named by id must all fit; InvalidInput says which do not, and why. Otherwise what does
    not fit is passed over.
    """
    fitting = list_fitting_solutions(project, correct_only=selection.correct_only, judging=judging)
    if selection.kind:
        modified = Q(origin=Solution.Origin.INJECTED)
        fitting = fitting.filter(modified if selection.kind == "injections" else ~modified)
    verified: Set[int] | None = None
    if selection.verified_only or (project.verify_sources and not judging):
        verified = find_verified(project)
    if selection.solution_ids is not None:
        return _check_named(project, selection, fitting, verified)
    if selection.source:
        if not project.sources.filter(name=selection.source).exists():
            raise InvalidInput(f"This project has no source {selection.source!r}.", field="source")
        fitting = fitting.filter(source__name=selection.source)
    ids = fitting.order_by("pk").values_list("pk", flat=True)
    takes_first = selection.limit is not None and not selection.shuffle
    if takes_first and verified is None:
        return list(ids[: selection.limit])
    every = list(ids)
    if verified is not None:
        every = _keep_verified(every, verified)
    if selection.limit is None or takes_first:
        return every[: selection.limit]
    rng = random.Random(f"selection:{seed}")  # noqa: S311 (not a secret)
    return sorted(rng.sample(every, min(selection.limit, len(every))))


def find_verified(project: Project) -> frozenset[int]:
    """Solutions that people of this project found to be right in every step: those on which the
    reviewers agreed, and those that an adjudicator decided. Labels that came with a data set are
    not theirs.
    """
    items = ReviewItem.objects.filter(project=project, task=ReviewItem.Task.RATE_STEPS)
    none = AnnotationRevision.FirstErrorState.NONE
    agreed = items.filter(
        state=ReviewItem.State.AGREED, agreed_revision__first_error_state=none
    ).values_list("solution_id", flat=True)
    latest = Adjudication.objects.filter(item=OuterRef("pk")).order_by("-number")
    decided = (
        items.filter(state=ReviewItem.State.DECIDED)
        .annotate(content=Subquery(latest.values("content")[:1]))
        .values_list("solution_id", "solution__n_steps", "content")
    )
    return frozenset(agreed) | {
        pk for pk, n_steps, content in decided if _finds_no_error(content, n_steps)
    }


def find_unverified(project: Project, *, correct_only: bool = True) -> list[int]:
    """Solutions that could have an error put into them, and on which no person of this project has
    the last word yet, in order. Those that people have settled otherwise are left out: to put them
    before people again would change nothing.
    """
    settled = ReviewItem.objects.filter(
        solution=OuterRef("pk"), task=ReviewItem.Task.RATE_STEPS
    ).exclude(state=ReviewItem.State.WAITING)
    fitting = list_fitting_solutions(project, correct_only=correct_only).filter(~Exists(settled))
    return list(fitting.order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """The solutions that could have an error put into them, known to be right by their answer or
    by somebody's ratings. `verified` ones were found right by people of this project; `waiting`
    ones are not settled by them, and `queued` of these stand in the queue already.
    """

    fitting: int
    verified: int
    waiting: int
    queued: int


def count_sources(project: Project) -> SourceCounts:
    """How many solutions there are to put errors into, and how many of them people have seen."""
    fitting = list_fitting_solutions(project, correct_only=True)
    ids = set(fitting.values_list("pk", flat=True))
    waiting = set(find_unverified(project))
    queued = ReviewItem.objects.filter(
        project=project, task=ReviewItem.Task.RATE_STEPS, state=ReviewItem.State.WAITING
    ).values_list("solution_id", flat=True)
    return SourceCounts(
        fitting=len(ids),
        verified=len(ids & find_verified(project)),
        waiting=len(waiting),
        queued=len(waiting.intersection(queued)),
    )


def _finds_no_error(content: object, n_steps: int) -> bool:
    try:
        return isinstance(parse_content(content, n_steps=n_steps).first_error(n_steps), NoError)
    except ContentError:
        return False


def _keep_verified(ids: Sequence[int], verified: Set[int]) -> list[int]:
    """Those of the solutions that are verified; InvalidInput where there are some, and none is."""
    kept = [pk for pk in ids if pk in verified]
    if ids and not kept:
        raise InvalidInput(
            f"Of {len(ids):,} fitting solutions people have found none right in every step yet. "
            "Put them before people first.",
            field="selection",
            unverified=len(ids),
        )
    return kept


def list_fitting_solutions(
    project: Project, *, correct_only: bool = False, judging: bool = False
) -> QuerySet[Solution]:
    """Solutions that a method can work on: the newest versions, with steps.

    To be judged, any of them. To have an error added, no injections themselves, and none that is
    known to be wrong already: by its final answer, or by anybody's rating unless an adjudicator
    found it right.

    With `correct_only`, those known to be right: by their final answer, by an adjudicator's
    decision, or because somebody judged every step and found none wrong.
    """
    words = AnnotationRevision.objects.filter(
        annotation__solution=OuterRef("pk"), number=F("annotation__current_number")
    )
    at, none = AnnotationRevision.FirstErrorState.AT, AnnotationRevision.FirstErrorState.NONE
    fitting = Solution.objects.filter(project=project, n_steps__gt=0, next_versions__isnull=True)
    if not judging:
        wrong = SourceReport.objects.filter(
            original=OuterRef("pk"), state=SourceReport.State.CONFIRMED
        )
        fitting = fitting.exclude(origin=Solution.Origin.INJECTED).filter(~Exists(wrong))
    if not judging or correct_only:
        standing = words.exclude(annotation__solution__in=_list_decided(project))
        fitting = (
            fitting.exclude(final_answer_correct=False)
            .filter(~Exists(standing.filter(first_error_state=at)))
            .exclude(pk__in=_list_decided(project, saying=DECIDED_WRONG))
        )
    if correct_only:
        fitting = fitting.filter(
            Q(final_answer_correct=True)
            | Exists(words.filter(first_error_state=none))
            | Q(pk__in=_list_decided(project, saying=DECIDED_COMPLETE))
        )
    return fitting


def _list_decided(project: Project, *, saying: str = "") -> QuerySet[ReviewItem, Any]:
    """The solutions on whose steps an adjudicator decided, and whose newest decision says so."""
    latest = Adjudication.objects.filter(item=OuterRef("pk")).order_by("-number")
    text = latest.annotate(text=Cast("content", TextField())).values("text")[:1]
    return (
        ReviewItem.objects.filter(
            project=project, task=ReviewItem.Task.RATE_STEPS, state=ReviewItem.State.DECIDED
        )
        .annotate(decision=Subquery(text))
        .filter(decision__contains=saying)
        .values("solution")
    )


def _check_named(
    project: Project,
    selection: Selection,
    fitting: QuerySet[Solution],
    verified: Set[int] | None,
) -> list[int]:
    named = selection.solution_ids or ()
    known: set[int] = set()
    fits: set[int] = set()
    # SQLite bounds the values of one statement.
    for start in range(0, len(named), 500):
        part = named[start : start + 500]
        known |= set(
            Solution.objects.filter(project=project, pk__in=part).values_list("pk", flat=True)
        )
        fits |= set(fitting.filter(pk__in=part).values_list("pk", flat=True))
    foreign = [pk for pk in named if pk not in known]
    if foreign:
        raise InvalidInput(
            f"This project has no solution {foreign[0]}.", field="solution_ids", ids=foreign[:100]
        )
    unfit = [pk for pk in named if pk not in fits]
    if unfit:
        wanted = "known to be right" if selection.correct_only else "an unmodified one with steps"
        raise InvalidInput(
            f"{len(unfit)} of the chosen solutions cannot be used, solution {unfit[0]} first: it "
            f"is not {wanted}, or it is known to be wrong. Leave them out.",
            field="solution_ids",
            ids=unfit[:100],
        )
    unseen = [pk for pk in named if verified is not None and pk not in verified]
    if unseen:
        raise InvalidInput(
            f"{len(unseen)} of the chosen solutions were not found right by people yet, solution "
            f"{unseen[0]} first. Put them before people, or leave them out.",
            field="solution_ids",
            ids=unseen[:100],
        )
    chosen = sorted(named)
    return chosen[: selection.limit] if selection.limit is not None else chosen


def _read_flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{name!r} is true or false, not {value!r}.", field=name)
    return value
