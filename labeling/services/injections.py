"""Injections entering a project, their step links and their lints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling import records
from labeling.alignment import align_steps
from labeling.bulk import insert_rows
from labeling.formats.lint import LintContext, lint_injection
from labeling.mapping import hash_problem, hash_solution
from labeling.models import (
    Injection,
    Problem,
    Project,
    ReviewItem,
    Solution,
    Source,
    Step,
    StepLink,
)
from labeling.selectors.imported import injections_as_records
from labeling.services.ordering import place_new_items
from labeling.services.reports import hold_back

LINK_COLUMNS = ("from_solution", "to_solution", "before", "after", "kind")
# Where made injections are filed: a source of their own, with the terms of what they came from.
MADE_SUFFIX = " (injected)"
NEAR_DUPLICATE = "W24"

LinkRow = tuple[int, int, int | None, int | None, str]


def record_injection(
    *,
    original: Solution,
    proposal: records.Solution,
    producer: str,
    provenance: Mapping[str, Any],
    is_scripted: bool,
    truth: Mapping[str, Any] | None = None,
) -> Injection | None:
    """Take in a machine's injection into an existing solution, queued for people to verify.

    `proposal` carries the modified problem and steps, and the claim. `truth` is what is known for
    certain of one that was made by rule; nobody who reviews it may see it. None where the very same
    injection is there already, so that a result delivered twice is stored once.
    """
    if proposal.injection is None:
        raise ValueError("The proposal carries no injection.")
    claim = proposal.injection
    content_hash = hash_solution(proposal)
    now = timezone.now()
    try:
        with transaction.atomic():
            project = Project.objects.select_for_update(no_key=True).get(pk=original.project_id)
            source = _ensure_made_source(original.source)
            key = f"{original.pk}:{claim.error_type}"
            if Solution.objects.filter(
                source=source, source_key=key, content_hash=content_hash
            ).exists():
                return None
            problem = _ensure_problem(original.problem, proposal.problem, source, now=now)
            modified = Solution.objects.create(
                project=project,
                problem=problem,
                source=source,
                source_key=key,
                content_hash=content_hash,
                origin=Solution.Origin.INJECTED,
                generator=producer[:200],
                final_answer=proposal.final_answer,
                final_answer_correct=proposal.final_answer_correct,
                n_steps=len(proposal.steps),
                extra={"source_id": proposal.source_id, "extra": dict(proposal.extra)},
                created_at=now,
            )
            Step.objects.bulk_create(
                Step(solution=modified, position=position, text=step.text, kind=step.kind)
                for position, step in enumerate(proposal.steps)
            )
            injection = Injection.objects.create(
                project=project,
                original=original,
                modified=modified,
                error_type=claim.error_type[:60],
                claimed_error_positions=list(claim.claimed_error_positions),
                claimed_changed_positions=list(claim.claimed_changed_positions),
                reason=claim.reason,
                question_changed=problem.text != original.problem.text,
                producer=producer[:120],
                is_scripted=is_scripted,
                provenance=dict(provenance),
                truth=dict(truth or {}),
                extra={"extra": dict(claim.extra)} if claim.extra else {},
                created_at=now,
            )
            _lint_stored(injection)
            insert_links(build_links([(original.pk, modified.pk)]))
            ReviewItem.objects.create(
                project=project,
                solution=modified,
                task=ReviewItem.Task.VERIFY_INJECTION,
                overlap=project.overlap,
                free_slots=project.overlap,
                queue_order=project.next_queue_order,
                created_at=now,
            )
            Project.objects.filter(pk=project.pk).update(next_queue_order=F("next_queue_order") + 1)
            hold_back(project=project, original_ids=[original.pk])
            project.next_queue_order += 1
            place_new_items(project)
    except IntegrityError:
        # Another worker may have stored the same result a moment ago; anything else is a fault.
        if _find_made(original, claim.error_type, content_hash) is None:
            raise
        return None
    return injection


def _find_made(original: Solution, error_type: str, content_hash: str) -> Solution | None:
    return Solution.objects.filter(
        project_id=original.project_id,
        source_key=f"{original.pk}:{error_type}",
        content_hash=content_hash,
    ).first()


def _ensure_made_source(source: Source) -> Source:
    if source.name.endswith(MADE_SUFFIX):
        return source
    made, _created = Source.objects.get_or_create(
        project_id=source.project_id,
        name=source.name[: 120 - len(MADE_SUFFIX)] + MADE_SUFFIX,
        defaults={
            "url": source.url,
            "revision": source.revision,
            "licence": source.licence,
            "redistribution": source.redistribution,
            "has_personal_data": source.has_personal_data,
            "split": source.split,
            "citation": source.citation,
        },
    )
    return made


def _ensure_problem(
    problem: Problem, proposed: records.Problem, source: Source, *, now: Any
) -> Problem:
    """The original's problem, or a sibling in its family where the question was changed."""
    if proposed.text == problem.text:
        return problem
    changed, _created = Problem.objects.get_or_create(
        source=source,
        source_key=problem.source_key,
        content_hash=hash_problem(proposed),
        defaults={
            "project_id": problem.project_id,
            "family_id": problem.family_id,
            "text": proposed.text,
            "reference_answer": proposed.reference_answer,
            "reference_solution": proposed.reference_solution,
            "domain": problem.domain,
            "language": problem.language,
            "extra": {
                "source_id": problem.extra.get("source_id", ""),
                "family": problem.extra.get("family", ""),
            },
            "created_at": now,
        },
    )
    return changed


def build_links(pairs: Sequence[tuple[int, int]]) -> list[LinkRow]:
    """Links from the steps of each original solution to those of its modified one."""
    steps: dict[int, list[tuple[int, str]]] = defaultdict(list)
    wanted = {pk for pair in pairs for pk in pair}
    for solution_id, pk, text in (
        Step.objects.filter(solution_id__in=wanted)
        .order_by("solution_id", "position")
        .values_list("solution_id", "pk", "text")
    ):
        steps[solution_id].append((pk, text))
    rows: list[LinkRow] = []
    for original_id, modified_id in pairs:
        before, after = steps[original_id], steps[modified_id]
        for pair in align_steps([text for _pk, text in before], [text for _pk, text in after]):
            rows.append(
                (
                    original_id,
                    modified_id,
                    None if pair.original is None else before[pair.original][0],
                    None if pair.modified is None else after[pair.modified][0],
                    str(pair.kind),
                )
            )
    return rows


def insert_links(rows: Iterable[LinkRow]) -> None:
    insert_rows(StepLink, LINK_COLUMNS, rows)


def lint_rows(
    proposals: Sequence[records.Solution],
    *,
    project: Project,
    context: LintContext | None = None,
) -> list[list[dict[str, Any]]]:
    """The lints of each injection as they are stored, in order.

    They are compared with one another and with what the project has of the same problem families
    and types, unless a context says what to compare with. (An import brings whole files at once:
    what it has of other types stands among the rows themselves.)
    """
    if context is None:
        context = LintContext.build([*proposals, *_load_neighbours(proposals, project)])
    return [_pack_lints(proposal, context) for proposal in proposals]


def _load_neighbours(
    proposals: Sequence[records.Solution], project: Project
) -> list[records.Solution]:
    """Stored injections that could be the same as one of these: of its type, in its family."""
    types = {proposal.injection.error_type for proposal in proposals if proposal.injection}
    families = {
        key
        for proposal in proposals
        if (key := proposal.problem.family or proposal.problem.source_id)
    }
    stored = Injection.objects.filter(
        project=project,
        error_type__in=types,
        modified__problem__source_key__in=families,
    )
    return injections_as_records(stored)


def find_lints(injection: Injection) -> list[dict[str, Any]]:
    """What the lints say of a stored injection now, compared with its like in the project: those
    into the same problem family, of whatever type.
    """
    family = _load_family(injection)
    return _pack_lints(family[injection.pk], LintContext.build(family.values()))


def _load_family(injection: Injection) -> dict[int, records.Solution]:
    """All injections into the problem family, by their key."""
    siblings = Injection.objects.filter(
        project=injection.project_id, modified__problem__family=injection.modified.problem.family_id
    ).order_by("pk")
    return dict(
        zip(siblings.values_list("pk", flat=True), injections_as_records(siblings), strict=True)
    )


def _pack_lints(record: records.Solution, context: LintContext) -> list[dict[str, Any]]:
    return [lint.pack() for lint in lint_injection(record, context=context)]


def _lint_stored(injection: Injection) -> None:
    """Lint a new injection, and where it is nearly one that was there, that one again.

    To be called under the project's lock, so that no sibling comes in between.
    """
    family = _load_family(injection)
    context = LintContext.build(family.values())
    lints = _pack_lints(family[injection.pk], context)
    store_lints(injection, lints)
    injection.refresh_from_db(fields=["lints", "blocking_lints"])
    if any(lint["code"] == NEAR_DUPLICATE for lint in lints):
        for sibling in Injection.objects.filter(pk__in=family).exclude(pk=injection.pk):
            found = _pack_lints(family[sibling.pk], context)
            if found != sibling.lints:
                store_lints(sibling, found)


def store_lints(injection: Injection, lints: list[dict[str, Any]]) -> None:
    """Replace the cached lints, as after a change of the catalogue."""
    Injection.objects.filter(pk=injection.pk).update(
        lints=lints, blocking_lints=sum(lint["severity"] == "block" for lint in lints)
    )
