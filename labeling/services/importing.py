"""Data sets coming in: records to rows, in chunks, once.

1. A file is stored in the data folder and an ImportBatch row made; a worker is woken.
2. The worker reads records from the file, a chunk at a time. What is wrong with a line becomes an
   ImportIssue; good lines go on.
3. Each chunk is one transaction: problems, solutions, steps, given labels, injections and their
   places in the queue. Rows that are there already are counted and left alone, so that a second
   import, or one that starts again after a crash, adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling import records
from labeling.bulk import insert_rows, reserve_ids
from labeling.mapping import (
    hash_problem,
    hash_solution,
    hash_texts,
    pack_imported,
    pack_imported_verdict,
    pack_labels,
    pack_step_extra,
    pack_suggestion,
)
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Injection,
    Problem,
    ProblemFamily,
    Project,
    ReviewItem,
    Solution,
    Source,
    Step,
    StepRating,
    Suggestion,
)
from labeling.services.annotations import first_error_columns, rating_rows
from labeling.services.injections import build_links, insert_links, lint_rows
from labeling.services.ordering import finish_order
from labeling.services.reports import hold_back

CHUNK = 500
# A file with a defect in every line must not fill the database.
MAX_ISSUES = 10_000
ORIGINAL_PREFIX = "original:"
# Nearly every step is of this kind, and asking an enumeration for its value takes its time.
TEXT = records.ContentKind.TEXT.value


@dataclass(slots=True)
class ImportCounts:
    """What a chunk, or a whole import, added."""

    records_read: int = 0
    problems_added: int = 0
    solutions_added: int = 0
    steps_added: int = 0
    labels_added: int = 0
    already_there: int = 0

    def add(self, other: ImportCounts) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Identity(NamedTuple):
    """What a row is called in its source, and the hash of what it says."""

    key: str
    hash: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """A record with its identity, its problem's, and of an injection the original solution.

    Identities are hashes of whole texts: each is made once and handed on.
    """

    record: records.Solution
    identity: Identity
    problem: Identity
    original: Keyed | None = None


@dataclass(slots=True)
class _Rows:
    """Rows of one chunk, by table, as tuples."""

    problems: list[tuple[Any, ...]] = field(default_factory=list)
    solutions: list[tuple[Any, ...]] = field(default_factory=list)
    steps: list[tuple[Any, ...]] = field(default_factory=list)
    items: list[tuple[Any, ...]] = field(default_factory=list)
    annotations: list[tuple[Any, ...]] = field(default_factory=list)
    revisions: list[tuple[Any, ...]] = field(default_factory=list)
    ratings: list[tuple[Any, ...]] = field(default_factory=list)
    suggestions: list[tuple[Any, ...]] = field(default_factory=list)
    injections: list[tuple[Any, ...]] = field(default_factory=list)


PROBLEM_COLUMNS = (
    *("id", "project", "family", "source", "source_key", "content_hash", "text"),
    *("reference_answer", "reference_solution", "domain", "language", "extra", "created_at"),
)
SOLUTION_COLUMNS = (
    *("id", "project", "problem", "source", "source_key", "content_hash", "origin", "version"),
    *("previous", "generator", "final_answer", "final_answer_correct", "answer_checker"),
    *("n_steps", "extra", "created_at"),
)
STEP_COLUMNS = ("id", "solution", "position", "text", "kind", "extra")
ITEM_COLUMNS = (
    *("project", "solution", "task", "overlap", "free_slots", "queue_order", "state"),
    "created_at",
)
ANNOTATION_COLUMNS = (
    *("id", "project", "solution", "item", "annotator", "kind", "rater", "ordinal"),
    *("current_number", "created_at"),
)
REVISION_COLUMNS = (
    *("annotation", "number", "content", "verdict", "first_error_state"),
    *("first_error_position", "author", "assignment", "reason", "after_reveal"),
    *("guideline_version", "taxonomy", "language", "active_ms", "idempotency_key", "created_at"),
)
RATING_COLUMNS = (
    *("annotation", "step", "validity", "contribution", "origin", "error_type"),
    *("unsure", "rating", "is_bulk"),
)
SUGGESTION_COLUMNS = (
    *("project", "solution", "method", "producer", "is_scripted", "labels", "first_error"),
    *("payload", "provenance", "identity", "created_at"),
)
INJECTION_COLUMNS = (
    *("project", "original", "modified", "error_type", "claimed_error_positions"),
    *("claimed_changed_positions", "reason", "question_changed", "producer", "is_scripted"),
    *("provenance", "truth", "lints", "blocking_lints", "extra", "created_at"),
)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How records enter a project.

    `enqueue` puts solutions and injections into the review queue; `producer` names who made
    imported injections; `origin` is where solutions come from.
    """

    enqueue: bool = True
    producer: str = "import"
    origin: str = Solution.Origin.IMPORTED
    is_scripted: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)


def store_records(
    *,
    project: Project,
    source: Source,
    items: Iterable[records.Solution],
    options: ImportOptions | None = None,
    first_ordinal: int = 1,
    now: datetime | None = None,
) -> ImportCounts:
    """Store records, in chunks of one transaction each; what was there already is left alone."""
    options = options or ImportOptions()
    now = now or timezone.now()
    counts = ImportCounts()
    stream = iter(items)
    ordinal = first_ordinal
    while chunk := list(islice(stream, CHUNK)):
        counts.add(
            store_chunk(
                project=project,
                source=source,
                chunk=[key_record(record, ordinal + index) for index, record in enumerate(chunk)],
                options=options,
                now=now,
            )
        )
        ordinal += len(chunk)
    finish_order(project)
    return counts


def key_record(record: records.Solution, ordinal: int) -> Keyed:
    """The record with its identity: its own id in the source, else its ordinal there."""
    key = record.source_id or f"#{ordinal}"
    if len(key) > 200:
        key = "~" + hash_texts(key)
    return Keyed(
        record=record,
        identity=Identity(key, hash_solution(record)),
        problem=identify_problem(record.problem),
        original=key_original(record, key),
    )


@transaction.atomic
def store_chunk(
    *,
    project: Project,
    source: Source,
    chunk: list[Keyed],
    options: ImportOptions,
    now: datetime,
) -> ImportCounts:
    """Store one chunk in one transaction."""
    # One import at a time writes to a project: two chunks of the same file must not race to the
    # same identity, and queue places are handed out without gaps.
    locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    return _ChunkWriter(project=locked, source=source, options=options, now=now).write(chunk)


class _ChunkWriter:
    """Turns the records of one chunk into rows of every table, then inserts table by table."""

    def __init__(
        self, *, project: Project, source: Source, options: ImportOptions, now: datetime
    ) -> None:
        self.project = project
        self.source = source
        self.options = options
        self.now = now
        self.rows = _Rows()
        self.counts = ImportCounts()
        self.problems: dict[Identity, int] = {}
        self.solutions: dict[Identity, int] = {}
        self.places: list[tuple[int, int, str]] = []
        self.injected: list[tuple[int, int, records.Solution]] = []

    def write(self, chunk: list[Keyed]) -> ImportCounts:
        self.counts.records_read = len(chunk)
        self._load_problems(chunk)
        self._load_solutions(chunk)
        known_before = set(self.solutions)
        fresh = []
        for keyed in chunk:
            if keyed.record.is_problem:
                if keyed.problem in self.problems:
                    self.counts.already_there += 1
                fresh.append(keyed)
            elif keyed.identity in self.solutions:
                self.counts.already_there += 1
                if keyed.identity in known_before:
                    self._add_further_labels(keyed)
            else:
                fresh.append(keyed)
                # The id follows; this keeps a second copy in the same chunk out.
                self.solutions[keyed.identity] = 0
        self._reserve(fresh)
        self._insert()
        return self.counts

    # Reading what is there

    def _load_problems(self, chunk: list[Keyed]) -> None:
        keys = {keyed.problem.key for keyed in chunk}
        keys |= {keyed.original.problem.key for keyed in chunk if keyed.original}
        for pk, *identity in Problem.objects.filter(
            source=self.source, source_key__in=keys
        ).values_list("id", "source_key", "content_hash"):
            self.problems[Identity(*identity)] = pk

    def _load_solutions(self, chunk: list[Keyed]) -> None:
        keys = {keyed.identity.key for keyed in chunk}
        keys |= {keyed.original.identity.key for keyed in chunk if keyed.original}
        for pk, *identity in Solution.objects.filter(
            source=self.source, source_key__in=keys, version=1
        ).values_list("id", "source_key", "content_hash"):
            self.solutions[Identity(*identity)] = pk

    # Making rows

    def _reserve(self, fresh: list[Keyed]) -> None:
        originals: dict[Identity, Keyed] = {}
        for keyed in fresh:
            if keyed.original is not None and keyed.original.identity not in self.solutions:
                originals.setdefault(keyed.original.identity, keyed.original)
        solutions = [keyed for keyed in fresh if not keyed.record.is_problem]
        ids = iter(reserve_ids(Solution, len(originals) + len(solutions)))
        n_steps = sum(len(keyed.record.steps) for keyed in (*originals.values(), *solutions))
        self.step_ids = iter(reserve_ids(Step, n_steps))
        n_sets = sum(
            sum(label_set.author is records.Author.HUMAN for label_set in keyed.record.label_sets)
            + (len(keyed.record.injection.verdicts) if keyed.record.injection else 0)
            for keyed in solutions
        )
        self.annotation_ids = iter(reserve_ids(Annotation, n_sets))
        self._add_problems(
            {
                keyed.problem: keyed.record.problem
                for keyed in (*originals.values(), *fresh)
                if keyed.problem not in self.problems
            }
        )
        for identity, original in originals.items():
            pk = next(ids)
            self.solutions[identity] = pk
            self._add_solution(pk, original, origin=Solution.Origin.IMPORTED)
        for keyed in solutions:
            pk = next(ids)
            self.solutions[keyed.identity] = pk
            self._add_with_labels(pk, keyed)

    def _add_problems(self, missing: Mapping[Identity, records.Problem]) -> None:
        family_keys = {
            identity: family_key(self.source, problem) for identity, problem in missing.items()
        }
        families = self._ensure_families(set(family_keys.values()))
        ids = reserve_ids(Problem, len(missing))
        for pk, (identity, problem) in zip(ids, missing.items(), strict=True):
            self.problems[identity] = pk
            self._add_problem(pk, identity, problem, family=families[family_keys[identity]])

    def _ensure_families(self, keys: set[str]) -> dict[str, int]:
        """The ids of the families with these keys; those that are missing are made."""
        families = dict(
            ProblemFamily.objects.filter(project=self.project, key__in=keys).values_list(
                "key", "id"
            )
        )
        missing = sorted(keys - set(families))
        ids = reserve_ids(ProblemFamily, len(missing))
        insert_rows(
            ProblemFamily,
            ("id", "project", "key"),
            [(pk, self.project.pk, key) for pk, key in zip(ids, missing, strict=True)],
        )
        families.update(zip(missing, ids, strict=True))
        return families

    def _add_problem(
        self, pk: int, identity: Identity, problem: records.Problem, *, family: int
    ) -> None:
        self.counts.problems_added += 1
        self.rows.problems.append(
            (
                pk,
                self.project.pk,
                family,
                self.source.pk,
                *identity,
                problem.text,
                problem.reference_answer,
                problem.reference_solution,
                problem.domain[:60],
                problem.language[:16] or "en",
                # What a record needs to come out as it came in.
                {
                    "source_id": problem.source_id,
                    "family": problem.family,
                    **({"extra": dict(problem.extra)} if problem.extra else {}),
                },
                self.now,
            )
        )

    def _add_solution(self, pk: int, keyed: Keyed, *, origin: str) -> list[int]:
        record = keyed.record
        self.counts.solutions_added += 1
        self.counts.steps_added += len(record.steps)
        self.rows.solutions.append(
            (
                pk,
                self.project.pk,
                self.problems[keyed.problem],
                self.source.pk,
                *keyed.identity,
                origin,
                1,
                None,
                record.generator[:200],
                record.final_answer,
                record.final_answer_correct,
                "",
                len(record.steps),
                {
                    "source_id": record.source_id,
                    "labels": hash_labels(record),
                    **({"extra": dict(record.extra)} if record.extra else {}),
                },
                self.now,
            )
        )
        step_ids = list(islice(self.step_ids, len(record.steps)))
        append = self.rows.steps.append
        for position, step in enumerate(record.steps):
            extra = pack_step_extra(step) if step.alternatives or step.extra else None
            kind = TEXT if step.kind is records.ContentKind.TEXT else step.kind.value
            append((step_ids[position], pk, position, step.text, kind, extra))
        return step_ids

    def _add_with_labels(self, pk: int, keyed: Keyed) -> None:
        record = keyed.record
        injection = record.injection
        origin = self.options.origin if injection is None else Solution.Origin.INJECTED
        step_ids = self._add_solution(pk, keyed, origin=origin)
        self._add_label_sets(pk, record, step_ids, first_ordinal=0)
        task = ReviewItem.Task.RATE_STEPS
        if injection is not None:
            task = ReviewItem.Task.VERIFY_INJECTION
            if keyed.original is None:
                raise TypeError("an injection has an original solution")
            self.injected.append((self.solutions[keyed.original.identity], pk, record))
        if self.options.enqueue:
            self.places.append((pk, len(record.steps), task))

    def _add_label_sets(
        self, pk: int, record: records.Solution, step_ids: list[int], *, first_ordinal: int
    ) -> None:
        ordinal = first_ordinal
        for label_set in record.label_sets:
            if label_set.author is records.Author.MACHINE:
                self._add_suggestion(pk, label_set)
                continue
            content = pack_imported(label_set)
            first = first_error_columns(label_set.first_error)
            self._add_annotation(pk, content, first, label_set.rater, ordinal, step_ids)
            ordinal += 1
        if record.injection is not None:
            for verdict in record.injection.verdicts:
                content = pack_imported_verdict(
                    verdict, record.injection, n_steps=len(record.steps)
                )
                inside = content["error_positions"]
                first = (
                    first_error_columns(records.At(inside[0]))
                    if inside
                    else first_error_columns(records.Unknown("not asked"))
                )
                self._add_annotation(pk, content, first, verdict.rater, ordinal, step_ids)
                ordinal += 1

    def _add_annotation(
        self,
        solution_id: int,
        content: dict[str, Any],
        first: dict[str, Any],
        rater: str,
        ordinal: int,
        step_ids: list[int],
    ) -> None:
        from labeling.content import parse_content

        pk = next(self.annotation_ids)
        kind = Annotation.Kind.IMPORTED
        self.rows.annotations.append(
            (
                *(pk, self.project.pk, solution_id, None, None, kind.value),
                *(rater[:120], ordinal, 1, self.now),
            )
        )
        self.rows.revisions.append(
            (
                *(pk, 1, content, content.get("verdict", "")),
                *(first["first_error_state"], first["first_error_position"]),
                *(None, None, "", False, None, None, "", 0, None, self.now),
            )
        )
        for row in rating_rows(parse_content(content, n_steps=len(step_ids))):
            self.counts.labels_added += 1
            self.rows.ratings.append(
                (
                    *(pk, step_ids[row["position"]], row["validity"], row["contribution"]),
                    *(row["origin"], row["error_type"], row["unsure"], row["rating"]),
                    row["is_bulk"],
                )
            )

    def _add_suggestion(self, solution_id: int, label_set: records.LabelSet) -> None:
        packed = pack_suggestion(label_set)
        self.counts.labels_added += sum(label is not None for label in packed["labels"])
        self.rows.suggestions.append(
            (
                *(self.project.pk, solution_id, packed["method"][:80], packed["producer"][:200]),
                *(self.options.is_scripted, packed["labels"], packed["first_error"]),
                *(packed["payload"], {"source": self.source.name, **self.options.provenance}),
                *(hash_label_set(label_set), self.now),
            )
        )

    def _add_further_labels(self, keyed: Keyed) -> None:
        """A solution that is there came with other labels than before: keep both."""
        solution = Solution.objects.get(pk=self.solutions[keyed.identity])
        seen = solution.extra.get("further_labels", [solution.extra.get("labels", "")])
        arrived = hash_labels(keyed.record)
        if arrived in seen:
            return
        ordinal = Annotation.objects.filter(solution=solution).count()
        known = set(Suggestion.objects.filter(solution=solution).values_list("identity", flat=True))
        kept = tuple(
            label_set
            for label_set in keyed.record.label_sets
            if label_set.author is records.Author.HUMAN or hash_label_set(label_set) not in known
        )
        record = records.Solution(problem=keyed.record.problem, label_sets=kept)
        humans = sum(label_set.author is records.Author.HUMAN for label_set in kept)
        self.annotation_ids = iter(reserve_ids(Annotation, humans))
        step_ids = list(solution.steps.values_list("pk", flat=True))
        self._add_label_sets(solution.pk, record, step_ids, first_ordinal=ordinal)
        # Ids are reserved from what is stored: these rows must be there before the next are.
        self._insert_labels()
        solution.extra["further_labels"] = [*seen, arrived]
        solution.save(update_fields=["extra"])

    # Writing

    def _insert(self) -> None:
        rows = self.rows
        insert_rows(Problem, PROBLEM_COLUMNS, rows.problems)
        insert_rows(Solution, SOLUTION_COLUMNS, rows.solutions)
        insert_rows(Step, STEP_COLUMNS, rows.steps)
        self._insert_labels()
        self._insert_injections()
        self._enqueue()

    def _insert_labels(self) -> None:
        rows = self.rows
        insert_rows(Annotation, ANNOTATION_COLUMNS, rows.annotations)
        insert_rows(AnnotationRevision, REVISION_COLUMNS, rows.revisions)
        insert_rows(StepRating, RATING_COLUMNS, rows.ratings)
        insert_rows(Suggestion, SUGGESTION_COLUMNS, rows.suggestions)
        for table in (rows.annotations, rows.revisions, rows.ratings, rows.suggestions):
            table.clear()

    def _insert_injections(self) -> None:
        if not self.injected:
            return
        options = self.options
        linted = lint_rows(
            [record for _original, _modified, record in self.injected], project=self.project
        )
        for (original_id, modified_id, record), lints in zip(self.injected, linted, strict=True):
            injection = record.injection
            if injection is None:
                continue
            self.rows.injections.append(
                (
                    *(self.project.pk, original_id, modified_id, injection.error_type[:60]),
                    list(injection.claimed_error_positions),
                    list(injection.claimed_changed_positions),
                    injection.reason,
                    injection.original_problem != record.problem.text,
                    options.producer[:120],
                    options.is_scripted,
                    {"source": self.source.name, **options.provenance},
                    {},
                    lints,
                    sum(lint["severity"] == "block" for lint in lints),
                    {"extra": dict(injection.extra)} if injection.extra else {},
                    self.now,
                )
            )
        insert_rows(Injection, INJECTION_COLUMNS, self.rows.injections)
        insert_links(
            build_links(
                [(original, modified) for original, modified, _record in self.injected],
            )
        )

    def _enqueue(self) -> None:
        if not self.places:
            return
        project = self.project
        first = project.next_queue_order
        overlap = project.overlap
        insert_rows(
            ReviewItem,
            ITEM_COLUMNS,
            [
                (
                    *(project.pk, solution_id, task, overlap, overlap, first + index),
                    *(ReviewItem.State.WAITING.value, self.now),
                )
                for index, (solution_id, _n_steps, task) in enumerate(self.places)
            ],
        )
        Project.objects.filter(pk=project.pk).update(
            next_queue_order=F("next_queue_order") + len(self.places)
        )
        if self.injected:
            originals = {original for original, _modified, _record in self.injected}
            hold_back(project=project, original_ids=originals)


# Keys


def identify_problem(problem: records.Problem) -> Identity:
    """The problem's own id in its source, else its content, and the hash of its content."""
    content_hash = hash_problem(problem)
    key = problem.source_id or "~" + content_hash
    return Identity(key if len(key) <= 200 else "~" + hash_texts(key), content_hash)


def family_key(source: Source, problem: records.Problem) -> str:
    """The family's key in the project: the source's own where it names one, else by text."""
    own = problem.family or problem.source_id
    key = f"{source.name}/{own}" if own else "~" + hash_texts(" ".join(problem.text.split()))
    return key if len(key) <= 200 else "~" + hash_texts(key)


def original_problem(record: records.Solution) -> records.Problem | None:
    """The problem that an injection's original solution solves; its own row if it differs."""
    injection = record.injection
    if injection is None:
        return None
    if injection.original_problem == record.problem.text:
        return record.problem
    return records.Problem(
        text=injection.original_problem,
        source_id=record.problem.source_id,
        reference_answer=record.problem.reference_answer,
        family=record.problem.family,
        domain=record.problem.domain,
        language=record.problem.language,
    )


def original_solution(record: records.Solution) -> records.Solution | None:
    injection, problem = record.injection, original_problem(record)
    if injection is None or problem is None:
        return None
    return records.Solution(
        problem=problem, steps=tuple(records.Step(text) for text in injection.original_steps)
    )


def key_original(record: records.Solution, key: str) -> Keyed | None:
    """The original solution of an injection that is called `key`, or None where there is none."""
    original = original_solution(record)
    if original is None:
        return None
    problem = record.problem
    original_key = (ORIGINAL_PREFIX + (problem.family or problem.source_id or key))[:200]
    return Keyed(
        record=original,
        identity=Identity(original_key, hash_solution(original)),
        problem=identify_problem(original.problem),
    )


def hash_label_set(label_set: records.LabelSet) -> str:
    return hash_texts(
        label_set.author,
        label_set.rater,
        label_set.method,
        label_set.outcome,
        label_set.created_at,
        str(label_set.first_error),
        str(pack_labels(label_set.labels)),
    )


def hash_labels(record: records.Solution) -> str:
    """Identity of the labels a record came with; empty where it came with none."""
    verdicts = record.injection.verdicts if record.injection else ()
    if not record.label_sets and not verdicts:
        return ""
    return hash_texts(
        *[hash_label_set(label_set) for label_set in record.label_sets],
        *[f"{v.value}|{v.rater}|{v.note}|{dict(v.answers)}" for v in verdicts],
    )
