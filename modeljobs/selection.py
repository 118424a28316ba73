"""Which solutions a job is run on: the request read, and the solutions that it takes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from labeling.models import AnnotationRevision, Project, Solution
from workbench.errors import InvalidInput

FIELDS = ("solution_ids", "source", "kind", "correct_only", "limit", "shuffle")
# Narrows what a judging method takes; a method that alters solutions takes unmodified ones anyway.
KINDS = ("", "solutions", "injections")


@dataclass(frozen=True, slots=True)
class Selection:
    """The solutions that a job is to be run on.

    Either `solution_ids`, or every fitting solution of the project, of `source` alone where one is
    named, and of `kind` alone ("solutions" or "injections"). `correct_only` takes those known to
    be right; without it a method that alters solutions takes those not known to be wrong, and one
    that judges them takes any. `limit` takes the first ones, or with `shuffle` a seeded random
    choice.
    """

    solution_ids: tuple[int, ...] | None = None
    source: str = ""
    kind: str = ""
    correct_only: bool = False
    limit: int | None = None
    shuffle: bool = False

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
    if selection.solution_ids is not None:
        return _check_named(project, selection, fitting)
    if selection.source:
        if not project.sources.filter(name=selection.source).exists():
            raise InvalidInput(f"This project has no source {selection.source!r}.", field="source")
        fitting = fitting.filter(source__name=selection.source)
    ids = fitting.order_by("pk").values_list("pk", flat=True)
    if selection.limit is None:
        return list(ids)
    if not selection.shuffle:
        return list(ids[: selection.limit])
    every = list(ids)
    rng = random.Random(f"selection:{seed}")  # noqa: S311 (not a secret)
    return sorted(rng.sample(every, min(selection.limit, len(every))))


def list_fitting_solutions(
    project: Project, *, correct_only: bool = False, judging: bool = False
) -> QuerySet[Solution]:
    """Solutions that a method can work on: the newest versions, with steps.

    To be judged, any of them. To have an error added, no injections themselves, and none that is
    known to be wrong already (by its final answer, or by anybody's rating).

    With `correct_only`, those known to be right: by their final answer, or because somebody judged
    every step and found none wrong.
    """
    words = AnnotationRevision.objects.filter(
        annotation__solution=OuterRef("pk"), number=F("annotation__current_number")
    )
    at, none = AnnotationRevision.FirstErrorState.AT, AnnotationRevision.FirstErrorState.NONE
    fitting = Solution.objects.filter(project=project, n_steps__gt=0, next_versions__isnull=True)
    if not judging:
        fitting = fitting.exclude(origin=Solution.Origin.INJECTED)
    if not judging or correct_only:
        fitting = fitting.exclude(final_answer_correct=False).filter(
            ~Exists(words.filter(first_error_state=at))
        )
    if correct_only:
        fitting = fitting.filter(
            Q(final_answer_correct=True) | Exists(words.filter(first_error_state=none))
        )
    return fitting


def _check_named(project: Project, selection: Selection, fitting: QuerySet[Solution]) -> list[int]:
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
    chosen = sorted(named)
    return chosen[: selection.limit] if selection.limit is not None else chosen


def _read_flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{name!r} is true or false, not {value!r}.", field=name)
    return value
