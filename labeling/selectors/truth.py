"""What the labels finally say: decided over agreed over, where asked for, a single reviewer's word.

Rows come out as records, ready for any format, in an order that does not depend on the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from django.db.models import Case, F, JSONField, OuterRef, Q, QuerySet, Subquery, TextField, When
from django.db.models.functions import Cast

from labeling import records
from labeling.alignment import changed_positions
from labeling.content import (
    RatingContent,
    RejectCode,
    VerdictContent,
    VerdictValue,
    parse_content,
)
from labeling.edits import apply_edits
from labeling.mapping import freeze, unpack_step
from labeling.models import (
    Adjudication,
    AnnotationRevision,
    Injection,
    Project,
    ReviewItem,
    Solution,
    SourceReport,
    Step,
)
from labeling.records import EMPTY

CHUNK = 1000

# Why what was made from a wrong original is left out.
ORIGINAL_WRONG = "original is wrong"

Standing = Literal["decided", "agreed", "single"]
# How an item of each state is settled, if it is.
STANDINGS: Mapping[str, Standing] = {
    ReviewItem.State.DECIDED: "decided",
    ReviewItem.State.AGREED: "agreed",
    ReviewItem.State.WAITING: "single",
}


@dataclass(frozen=True, slots=True)
class TruthOptions:
    """Which labels count.

    `include_single` takes the first reviewer's word where not everybody has answered yet;
    `sources` limits to named sources; `tasks` to kinds of review.
    """

    include_single: bool = False
    sources: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("rate_steps", "verify_injection")
    include_scripted: bool = True


@dataclass(frozen=True, slots=True)
class TrueRow:
    """One settled item: its record with the final labels, and how they were settled."""

    item_id: int
    standing: Standing
    record: records.Solution
    verdict: str = ""
    producer: str = ""


@dataclass(slots=True)
class LeftOut:
    """Why items are not among the rows, counted by reason."""

    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Place:
    item_id: int
    solution_id: int
    task: str
    standing: Standing
    content: Mapping[str, Any]
    sort_key: tuple[str, str, str, str]


def iterate_truth(
    project: Project, options: TruthOptions, *, left_out: LeftOut | None = None
) -> Iterator[TrueRow]:
    """Settled items as records, sorted by source, key and content, a chunk in memory at a time.

    What a person rejected, was unsure of, or called a bad problem is left out and counted.
    """
    left_out = left_out if left_out is not None else LeftOut()
    order = list_settled(project, options, left_out=left_out)
    for start in range(0, len(order), CHUNK):
        yield from _build_chunk(order[start : start + CHUNK], left_out=left_out)


def list_settled(
    project: Project, options: TruthOptions, *, left_out: LeftOut
) -> list[tuple[tuple[str, str, str, str], int]]:
    """(sort key, item id) of every item that is settled, sorted alike on every database.

    What was made from an original that turned out wrong is never among them.
    """
    items = ReviewItem.objects.filter(project=project, task__in=options.tasks)
    if options.sources:
        items = items.filter(solution__source__name__in=options.sources)
    if not options.include_scripted:
        items = items.exclude(solution__injection__is_scripted=True)
    items = _leave_out_wrong(items, project, left_out=left_out)
    settled = Q(state__in=[ReviewItem.State.DECIDED, ReviewItem.State.AGREED])
    if options.include_single:
        settled |= Q(
            state=ReviewItem.State.WAITING,
            pk__in=AnnotationRevision.objects.filter(annotation__item__project=project).values(
                "annotation__item_id"
            ),
        )
    for state, count in Counter(items.exclude(settled).values_list("state", flat=True)).items():
        left_out.reasons[f"item is {state}"] += count
    return sorted(
        (
            (source, key, content_hash, task),
            pk,
        )
        for pk, source, key, content_hash, task in items.filter(settled).values_list(
            "pk",
            "solution__source__name",
            "solution__source_key",
            "solution__content_hash",
            "task",
        )
    )


def _leave_out_wrong(
    items: QuerySet[ReviewItem], project: Project, *, left_out: LeftOut
) -> QuerySet[ReviewItem]:
    """The items but those whose original a lead found wrong, which are counted."""
    confirmed = SourceReport.objects.filter(project=project, state=SourceReport.State.CONFIRMED)
    wrong = items.filter(solution__injection__original__in=confirmed.values("original"))
    count = wrong.count()
    if not count:
        return items
    left_out.reasons[ORIGINAL_WRONG] += count
    return items.exclude(pk__in=wrong.values("pk"))


def _build_chunk(
    order: Sequence[tuple[tuple[str, str, str, str], int]], *, left_out: LeftOut
) -> Iterator[TrueRow]:
    places = _load_places(order)
    solutions: dict[int, dict[str, Any]] = {
        row["id"]: {**row, "extra": orjson.loads(row["packed_extra"])}
        for row in Solution.objects.filter(pk__in=[place.solution_id for place in places]).values(
            "id",
            "source_key",
            "generator",
            "final_answer",
            "final_answer_correct",
            "problem__text",
            "problem__reference_answer",
            "problem__reference_solution",
            "problem__domain",
            "problem__language",
            # As text, to be read by the faster of two parsers.
            packed_extra=Cast("extra", TextField()),
            packed_problem_extra=Cast("problem__extra", TextField()),
        )
    }
    injections = {
        injection.modified_id: injection
        for injection in Injection.objects.filter(modified_id__in=solutions).select_related(
            "original__problem"
        )
    }
    wanted = [*solutions, *[injection.original_id for injection in injections.values()]]
    steps = load_steps(wanted)
    for place in places:
        row = solutions[place.solution_id]
        injection = injections.get(place.solution_id)
        built = (
            _build_rated(place, row, steps[place.solution_id])
            if injection is None
            else _build_verified(place, row, steps, injection)
        )
        if isinstance(built, str):
            left_out.reasons[built] += 1
        else:
            yield built


def _load_places(order: Sequence[tuple[tuple[str, str, str, str], int]]) -> list[_Place]:
    """The chosen content of each item, in the order given: decision, agreement, or first word."""
    ids = [pk for _key, pk in order]
    decision = Adjudication.objects.filter(item=OuterRef("pk")).order_by("-number")
    first_word = AnnotationRevision.objects.filter(
        annotation__item=OuterRef("pk"), number=F("annotation__current_number")
    ).order_by("annotation__created_at", "annotation_id")
    chosen = Case(
        When(state=ReviewItem.State.DECIDED, then=Subquery(decision.values("content")[:1])),
        When(state=ReviewItem.State.AGREED, then=F("agreed_revision__content")),
        # Only where nobody agreed yet.
        When(state=ReviewItem.State.WAITING, then=Subquery(first_word.values("content")[:1])),
        output_field=JSONField(),
    )
    rows = {
        row[0]: row
        for row in ReviewItem.objects.filter(pk__in=ids)
        # As text, to be read by the faster of two parsers.
        .values_list("pk", "solution_id", "task", "state", Cast(chosen, TextField()))
    }
    places = []
    for key, pk in order:
        if pk not in rows:
            continue
        _pk, solution_id, task, state, packed = rows[pk]
        content = None if packed is None else orjson.loads(packed)
        if content is not None:
            places.append(_Place(pk, solution_id, task, STANDINGS[state], content, key))
    return places


def load_steps(solution_ids: Sequence[int]) -> dict[int, list[records.Step]]:
    """The steps of each solution as records, in order."""
    steps: dict[int, list[records.Step]] = {pk: [] for pk in solution_ids}
    for solution_id, text, kind, extra in (
        Step.objects.filter(solution_id__in=list(steps))
        .order_by("solution_id", "position")
        # As text: Django would look into every one of them, and hardly any step has something.
        .values_list("solution_id", "text", "kind", Cast("extra", TextField()))
    ):
        packed = None if extra is None else orjson.loads(extra)
        steps[solution_id].append(unpack_step(text, kind, packed))
    return steps


def _problem(row: Mapping[str, Any]) -> records.Problem:
    packed = orjson.loads(row["packed_problem_extra"])
    return records.Problem(
        text=row["problem__text"],
        source_id=packed.get("source_id", ""),
        reference_answer=row["problem__reference_answer"],
        reference_solution=row["problem__reference_solution"],
        family=packed.get("family", ""),
        domain=row["problem__domain"],
        language=row["problem__language"],
        extra=freeze(packed.get("extra")),
    )


def _source_id(place: _Place, row: Mapping[str, Any]) -> str:
    return str(row["extra"].get("source_id") or place.sort_key[1])


def _build_rated(place: _Place, row: Mapping[str, Any], steps: list[records.Step]) -> TrueRow | str:
    n_steps = len(steps)
    content = parse_content(place.content, n_steps=n_steps)
    if not isinstance(content, RatingContent):
        return "verdict without an injection"
    if content.outcome in ("gave_up", "bad_problem"):
        return f"outcome is {content.outcome}"
    labels = tuple(content.labels(n_steps))
    label_set = records.LabelSet(
        author=records.Author.HUMAN,
        labels=labels,
        first_error=records.find_first_error(labels),
        method=place.standing,
        outcome=str(content.outcome),
    )
    return TrueRow(
        place.item_id,
        place.standing,
        records.Solution(
            problem=_problem(row),
            steps=tuple([_drop_unshown(step) for step in steps]),
            source_id=_source_id(place, row),
            generator=row["generator"],
            final_answer=row["final_answer"],
            final_answer_correct=row["final_answer_correct"],
            label_sets=(label_set,),
            extra=freeze(row["extra"].get("extra")),
        ),
    )


def _drop_unshown(step: records.Step) -> records.Step:
    """The step as reviewers saw it. Alternatives were not shown: they carry no verified label."""
    if step.alternatives or step.extra:
        return records.Step(step.text, step.kind)
    return step


def _build_verified(
    place: _Place,
    row: Mapping[str, Any],
    steps: Mapping[int, list[records.Step]],
    injection: Injection,
) -> TrueRow | str:
    shown = steps[place.solution_id]
    content = parse_content(place.content, n_steps=len(shown))
    if not isinstance(content, VerdictContent):
        return "rating of an injection's steps"
    if content.verdict is VerdictValue.REJECT:
        code = content.reject_code or RejectCode.OTHER
        return f"rejected: {code}"
    if content.verdict not in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS):
        return f"verdict is {content.verdict}"
    repaired = apply_edits([step.text for step in shown], content.error_positions, content.edits)
    original_steps = tuple(step.text for step in steps[injection.original_id])
    labels = _verified_labels(repaired.error_positions, repaired.came_from, content)
    wrong = repaired.error_positions
    claim = records.Injection(
        error_type=content.error_type or injection.error_type,
        original_problem=injection.original.problem.text,
        original_steps=original_steps,
        claimed_error_positions=wrong,
        claimed_changed_positions=tuple(changed_positions(original_steps, repaired.steps)),
        reason=injection.reason,
        extra=freeze(injection.extra.get("extra")),
    )
    if content.verdict is VerdictValue.ACCEPT and _same_claim(injection, wrong, len(shown)):
        # Nothing was changed: the row goes out as it came in, order and repetition kept.
        claim = records.Injection(
            error_type=claim.error_type,
            original_problem=claim.original_problem,
            original_steps=original_steps,
            claimed_error_positions=tuple(injection.claimed_error_positions),
            claimed_changed_positions=tuple(injection.claimed_changed_positions),
            reason=injection.reason,
            extra=claim.extra,
        )
    label_set = records.LabelSet(
        author=records.Author.HUMAN,
        labels=labels,
        # Superfluous steps are true: a first *error* is only where a step is wrong.
        first_error=records.find_first_error(labels),
        method=place.standing,
        outcome="complete",
    )
    record = records.Solution(
        problem=_problem(row),
        steps=tuple(records.Step(text) for text in repaired.steps),
        source_id=_source_id(place, row),
        generator=row["generator"],
        final_answer=row["final_answer"],
        final_answer_correct=row["final_answer_correct"],
        label_sets=(label_set,),
        injection=claim,
        extra=freeze(row["extra"].get("extra")) or EMPTY,
    )
    return TrueRow(place.item_id, place.standing, record, str(content.verdict), injection.producer)


def _same_claim(injection: Injection, wrong: tuple[int, ...], n_steps: int) -> bool:
    claimed = injection.claimed_error_positions
    return sorted(set(claimed)) == list(wrong) and all(0 <= p < n_steps for p in claimed)


def _verified_labels(
    wrong: Sequence[int], came_from: Sequence[int | None], content: VerdictContent
) -> tuple[records.StepLabel, ...]:
    """Flagged steps carry the type of the injection, the others are right.

    Simplicity types (redundency, circular) flag steps that are true and superfluous: one axis
    could not say so (PRMBench §3, "Simplicity").
    """
    judged = {judgement.position: judgement.label for judgement in content.steps}
    flagged = set(wrong)
    right = records.StepLabel(
        validity=records.Validity.CORRECT, contribution=records.Contribution.ADVANCES
    )
    if content.error_type == "redundency":
        bad = records.StepLabel(
            validity=records.Validity.CORRECT,
            contribution=records.Contribution.REDUNDANT,
            error_types=("redundency",),
        )
    elif content.error_type == "circular":
        bad = records.StepLabel(
            validity=records.Validity.CORRECT,
            contribution=records.Contribution.CIRCULAR,
            error_types=("circular",),
        )
    else:
        types = (content.error_type,) if content.error_type else ()
        bad = records.StepLabel(validity=records.Validity.WRONG, error_types=types)
    return tuple(
        bad if position in flagged else judged.get(-1 if origin is None else origin, right)
        for position, origin in enumerate(came_from)
    )
