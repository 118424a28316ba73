"""Labels made of a job's counts: the rule in force, readings frozen as files, and what goes on.

Setting a rule writes one row. A frozen reading is a file that never changes: the workbench's own
format, in an order that depends on nothing but content, without a clock, so that the same counts
under the same rule have the same bytes. Other formats are written from that file. A worker writes
it, since that takes longer than a page should wait (see `writings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling import records
from labeling.access import Capability, require
from labeling.formats import WriteOptions, get_format
from labeling.models import Injection, Solution, Source, Suggestion, User
from labeling.selectors.truth import load_steps
from labeling.services.audit import record_event
from labeling.services.routing import Routed, send_to_people
from modeljobs.engines.options import InvalidOptions, validate_options
from modeljobs.methods.rpe_labels import Counts, LabelRule, read_rule
from modeljobs.methods.rpe_options import LABEL_OPTIONS
from modeljobs.methods.rpe_reading import Reading, build_labels, find_first_error
from modeljobs.methods.rpe_work import METHOD
from modeljobs.models import JobItem, LabelReading, ModelJob, ReferenceDoubt
from modeljobs.readings import (
    Bar,
    Flip,
    JobCounts,
    OpenItem,
    Tally,
    bin_progress,
    count_flips,
    find_mistaken,
    find_open_items,
    find_rule,
    find_states,
    load_counts,
    pack_rule,
    read_table,
    require_counts,
    tally,
)
from modeljobs.services.writings import Asked, Pen, read_request, request_writing
from workbench.errors import Conflict, InvalidInput, NotFound

NATIVE: Final = "native"
# In the order in which they are offered.
FORMATS: Final = (NATIVE, "trl", "math_shepherd", "processbench")
# Those that hold verdicts alone, of which the soft rule gives none.
VERDICT_FORMATS: Final = frozenset({"math_shepherd", "processbench"})
# What becomes of a solution with a step without a verdict, where a format knows no such step.
UNJUDGED: Final = ("truncate", "skip")
# Solutions in memory at a time.
CHUNK: Final = 1000
# What a person may write beside a reading.
MAX_NOTE: Final = 2000


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would make of a job's counts, beside what the rule in force makes of them."""

    rule: LabelRule
    in_force: LabelRule
    tally: Tally
    tally_in_force: Tally
    flips: tuple[Flip, ...]
    bars: tuple[Bar, ...]
    open_items: tuple[OpenItem, ...]
    unfinished: int
    mistaken: int

    @property
    def is_in_force(self) -> bool:
        return self.rule == self.in_force

    @property
    def flipped(self) -> int:
        """How many steps are something else."""
        return sum(flip.steps for flip in self.flips)


# --- Rules ----------------------------------------------------------------------------------------


def parse_rule(data: Mapping[str, Any]) -> LabelRule:
    """The rule that settings describe, those left out at their defaults; InvalidInput with the
    field at fault.
    """
    try:
        return read_rule(validate_options(LABEL_OPTIONS, data))
    except InvalidOptions as error:
        raise InvalidInput(str(error), problems=dict(error.problems)) from None
    except ValueError as error:
        raise InvalidInput(str(error)) from None


@transaction.atomic
def set_rule(*, job: ModelJob, rule: LabelRule | None, by: User) -> ModelJob:
    """Read the job's labels by this rule from now on, or with None by its own parameters again.

    No count is touched. The same rule again does nothing.
    """
    require_counts(job)
    held = ModelJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    packed = {} if rule is None else pack_rule(rule)
    if held.label_rule != packed:
        before = held.label_rule
        held.label_rule = packed
        held.save(update_fields=["label_rule"])
        record_event(
            project=held.project,
            actor=by,
            verb="job.rule_set",
            target=held,
            rule=packed,
            before=before,
            note=find_rule(held).sentence,
        )
    job.label_rule = packed
    return job


def preview(job: ModelJob, rule: LabelRule) -> Preview:
    """Figures of the job's labels under a rule, and what changes against the rule in force."""
    require_counts(job)
    counts = load_counts(job)
    in_force = find_rule(job)
    reading = read_table(counts.table, rule)
    states = find_states(reading, rule)
    states_in_force = (
        states if rule == in_force else find_states(read_table(counts.table, in_force), in_force)
    )
    return Preview(
        rule=rule,
        in_force=in_force,
        tally=tally(states, counts.table.offsets),
        tally_in_force=tally(states_in_force, counts.table.offsets),
        flips=tuple(count_flips(states_in_force, states)),
        bars=tuple(bin_progress(reading, rule)),
        open_items=tuple(find_open_items(counts, states)),
        unfinished=counts.unfinished,
        mistaken=counts.mistaken,
    )


def send_open_steps(*, job: ModelJob, rule: LabelRule, by: User) -> Routed:
    """Put the solutions with steps that the rule leaves open before people, those with the most
    such steps first.
    """
    require_counts(job)
    counts = load_counts(job)
    states = find_states(read_table(counts.table, rule), rule)
    chosen = [one.solution_id for one in find_open_items(counts, states)]
    if not chosen:
        raise Conflict("No step is left open under this rule.")
    reason = f"The rollouts of job {job.pk} leave steps open ({rule.sentence})."
    return send_to_people(project=job.project, solution_ids=chosen, by=by, reason=reason)


# --- Freezing -------------------------------------------------------------------------------------


def request_labels(*, job: ModelJob, rule: LabelRule, by: User, note: str = "") -> Asked:
    """Have a worker write the labels of all finished items under a rule into a file that never
    changes; the same again while it is at it is the same writing.

    Refused with a sentence where a source may not be passed on, where an engine's output may not
    train models, where nothing is finished, and while other labels of the job are written.
    """
    require_counts(job)
    if len(note) > MAX_NOTE:
        raise InvalidInput(f"A note has at most {MAX_NOTE:,} characters.", field="note")
    total = _check_labels(job)
    request = {"rule": pack_rule(rule), "note": note.strip()}
    asked = request_writing(of=job, request=request, total=total, by=by)
    if not asked.is_new and read_request(asked.writing) != request:
        raise Conflict(
            "Labels of this job are being written already, under another rule or with another "
            "note. Wait until they are, then freeze these.",
            writing=asked.writing.pk,
        )
    return asked


def _check_labels(job: ModelJob) -> int:
    """How many solutions a file would hold. Conflict where it may not be, or would be empty."""
    if obstacles := find_obstacles(job):
        raise Conflict(" ".join(obstacles), obstacles=obstacles)
    done = JobItem.objects.filter(job=job, state=JobItem.State.DONE).count()
    total = done - len(find_mistaken(job))
    if not total:
        raise Conflict("No item of this job is done yet, so there is nothing to freeze.")
    return total


def write_labels(pen: Pen) -> None:
    """Write the labels that a writing asks for, and keep them as the job's next reading.

    Terms may have changed since it was asked for, so the gate is asked again.
    """
    job, asked_for = pen.writing.job, read_request(pen.writing)
    if job is None:
        raise ValueError(f"Writing {pen.writing.pk} is of no job.")
    _check_labels(job)
    rule = read_rule(asked_for["rule"])
    counts = load_counts(job)
    pen.report(0, len(counts.item_ids))
    reading = read_table(counts.table, rule)
    figures = tally(find_states(reading, rule), counts.table.offsets)
    rows = _write_rows(job, counts, reading, rule, pen)
    stored = pen.store(rows, folder=reading_folder(), what="The labels")
    with pen.finish() as held:
        # Numbers follow each other: whoever else adds one waits here.
        ModelJob.objects.select_for_update(no_key=True).get(pk=job.pk)
        last = LabelReading.objects.filter(job=job).order_by("-number").first()
        held.reading = LabelReading.objects.create(
            job=job,
            number=last.number + 1 if last else 1,
            rule=asked_for["rule"],
            note=asked_for["note"],
            counts={
                **figures.as_dict(),
                "unfinished": counts.unfinished,
                "mistaken": counts.mistaken,
                "provenance": describe_provenance(job),
            },
            sha256=stored.sha256,
            size=stored.size,
            created_by=held.requested_by,
            created_at=timezone.now(),
        )
        record_event(
            project=job.project,
            actor=held.requested_by,
            verb="job.labels_frozen",
            target=job,
            note=f"{rule.sentence or rule.kind}, {stored.sha256[:12]}",
            number=held.reading.number,
            sha256=stored.sha256,
        )


def find_obstacles(job: ModelJob) -> list[str]:
    """Why the labels of a job may not go out: the terms that a release's gate reads, too."""
    solutions = JobItem.objects.filter(job=job, state=JobItem.State.DONE).values("solution")
    sources = Source.objects.filter(
        solutions__in=solutions, redistribution=Source.Redistribution.FORBIDDEN
    )
    problems = [
        f"The source {name!r} may not be redistributed. Correct its terms, or label others."
        for name in sorted(set(sources.values_list("name", flat=True)))
    ]
    # What is noted with the engine today goes before what was when the job started.
    noted = job.engine.output_may_train
    if noted is None:
        noted = job.engine_snapshot.get("output_may_train")
    if noted is False:
        problems.append(
            f"The terms of {job.engine.name!r} do not allow training on what it wrote. Correct the "
            "engine's terms, or take another one."
        )
    made = Injection.objects.filter(
        modified__in=solutions, provenance__output_may_train=False
    ).values_list("producer", flat=True)
    problems += [
        f"The terms of {producer!r} do not allow training on what it wrote, and solutions of this "
        "job are its injections."
        for producer in sorted(set(made))
    ]
    return problems


def describe_provenance(job: ModelJob) -> dict[str, Any]:
    """How the counts came about: who sampled, with what, from which settings, and whose MC(s1) is.

    What the method said of itself with its first result stands under `run`: the engine with its
    revision, the model that was served, prompt, sampler, plan, checker, seed.
    """
    said = _find_said(job)
    told = ("engine", "served_model", "prompt", "plan", "sampler", "checker", "extraction", "seed")
    return {
        "job": job.pk,
        "project": job.project.slug,
        "method": job.method,
        "method_version": said.get("method_version", ""),
        "prompt_version": job.prompt_version,
        "engine": str(job.engine_snapshot.get("name", "")),
        "engine_kind": str(job.engine_snapshot.get("kind", "")),
        "model": str((job.engine_snapshot.get("settings") or {}).get("model") or ""),
        "is_scripted": job.is_scripted,
        "mc_s1_of": "completer",
        "parameters": job.parameters,
        "seed": job.seed,
        "selection": job.selection,
        "code_version": job.code_version,
        "run": {name: said[name] for name in told if name in said},
    }


def _find_said(job: ModelJob) -> Mapping[str, Any]:
    """The provenance of the job's first suggestion; empty where it left none."""
    items = JobItem.objects.filter(job=job, state=JobItem.State.DONE).order_by("pk")
    for result in items.values_list("result", flat=True)[:20]:
        for product in result.get("products", ()):
            if product.get("kind") == "suggestion" and product.get("id") is not None:
                found = Suggestion.objects.filter(pk=product["id"]).first()
                if found is not None:
                    provenance: Mapping[str, Any] = found.provenance
                    return provenance
    return {}


def get_reading(user: User, job_id: int, number: int) -> LabelReading:
    """A frozen reading of a job, for those who may take data out of its project."""
    missing = f"There is no reading {number} of job {job_id} that you may see."
    found = (
        LabelReading.objects.select_related("job__project", "job__engine", "created_by")
        .filter(job=job_id, number=number)
        .first()
    )
    if found is None:
        raise NotFound(missing)
    require(user, found.job.project, Capability.EXPORT, missing=missing)
    return found


def _write_rows(
    job: ModelJob, counts: JobCounts, reading: Reading, rule: LabelRule, pen: Pen
) -> Iterator[bytes]:
    """The file: a line for each solution, by source, key and content."""
    labels = build_labels(reading, rule)
    rater = str(job.engine_snapshot.get("name", ""))
    place_of = {int(pk): place for place, pk in enumerate(counts.solution_ids)}
    order = _sort_solutions(job, place_of)

    def build(chunk: Sequence[int]) -> Iterator[records.Solution]:
        rows = Solution.objects.filter(pk__in=chunk).select_related("problem").in_bulk()
        steps = load_steps(chunk)
        corrected = dict(
            ReferenceDoubt.objects.filter(
                problem__solutions__in=chunk, state=ReferenceDoubt.State.WRONG
            ).values_list("problem_id", "corrected_answer")
        )
        for pk in chunk:
            place = place_of[pk]
            start, end = (int(bound) for bound in counts.table.offsets[place : place + 2])
            label_set = records.LabelSet(
                author=records.Author.MACHINE,
                labels=labels[start:end],
                first_error=find_first_error(labels[start:end]),
                rater=rater,
                method=METHOD,
                # Labels are never alone: what they were made of stands beside them.
                extra={
                    "rpe.count_names": list(Counts._fields),
                    "rpe.start": counts.table.starts[place].tolist(),
                    "rpe.start_of": "completer",
                    "rpe.counts": counts.table.steps[start:end].tolist(),
                    "rpe.by_answer": [
                        at for at in range(end - start) if counts.table.is_exact[start + at]
                    ],
                },
            )
            reference = corrected.get(rows[pk].problem_id, rows[pk].problem.reference_answer)
            yield _build_record(rows[pk], steps[pk], label_set, reference)

    for begin in range(0, len(order), CHUNK):
        yield from get_format(NATIVE).write(build(order[begin : begin + CHUNK]))
        pen.report(min(begin + CHUNK, len(order)), len(order))


def _sort_solutions(job: ModelJob, place_of: Mapping[int, int]) -> list[int]:
    """The solutions in an order that is the same on every database."""
    rows = Solution.objects.filter(
        pk__in=JobItem.objects.filter(job=job, state=JobItem.State.DONE).values("solution")
    ).values_list("source__name", "source_key", "content_hash", "version", "pk")
    return [row[-1] for row in sorted(rows) if row[-1] in place_of]


def _build_record(
    row: Solution,
    steps: Sequence[records.Step],
    label_set: records.LabelSet,
    reference: str | None,
) -> records.Solution:
    """What was rolled out, with its labels and no others: the texts, without what formats left.
    `reference` is the answer that the rollouts were compared with.
    """
    problem = row.problem
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=str(problem.extra.get("source_id", "")),
            reference_answer=reference,
            reference_solution=problem.reference_solution,
            domain=problem.domain,
            language=problem.language,
        ),
        steps=tuple(records.Step(step.text, step.kind) for step in steps),
        source_id=str(row.extra.get("source_id") or row.source_key),
        generator=row.generator,
        final_answer=row.final_answer,
        final_answer_correct=row.final_answer_correct,
        label_sets=(label_set,),
    )


def reading_folder() -> Path:
    """Where frozen readings lie: `files/readings` in the data folder, by their hash."""
    return Path(settings.MEDIA_ROOT) / "readings"


# --- Files ----------------------------------------------------------------------------------------


def open_file(reading: LabelReading) -> Path:
    """Where the file of a reading lies, or NotFound."""
    path = reading_folder() / f"{reading.sha256}.jsonl"
    if not path.is_file():
        raise NotFound(
            f"The file of reading {reading.number} is missing from the data folder; freezing the "
            "same counts under the same rule makes it again."
        )
    return path


def write_as(
    reading: LabelReading, format_name: str, *, unjudged: str = "truncate"
) -> Iterator[bytes]:
    """The frozen labels in another format, made from the frozen file in pieces of a row.

    A solution with a step that has no verdict is written up to that step, or with
    `unjudged="skip"` not at all. InvalidInput for a format that cannot say what the rule says.
    """
    if format_name not in FORMATS:
        raise InvalidInput(
            f"Labels are written as {', '.join(FORMATS)}, not {format_name!r}.", field="format"
        )
    if unjudged not in UNJUDGED:
        raise InvalidInput(
            f"Steps without a verdict: {' or '.join(UNJUDGED)}, not {unjudged!r}.", field="unjudged"
        )
    is_soft = read_rule(reading.rule).kind == "soft"
    if is_soft and format_name in VERDICT_FORMATS:
        title = get_format(format_name).info.title
        raise InvalidInput(
            f"{title} holds verdicts, and the soft rule gives none: take TRL, or another rule.",
            field="format",
        )
    path = open_file(reading)
    given = {"unjudged": unjudged, "labels": "soft" if is_soft else "hard"}
    known = {option.name for option in get_format(format_name).info.write_options}
    options = WriteOptions({name: value for name, value in given.items() if name in known})
    return _write_from(path, format_name, options)


def _write_from(path: Path, format_name: str, options: WriteOptions) -> Iterator[bytes]:
    with path.open("rb") as file:
        if format_name == NATIVE:
            yield from iter(lambda: file.read(64 * 1024), b"")
            return
        yield from get_format(format_name).write(_read_back(file), options=options)


def _read_back(file: Any) -> Iterator[records.Solution]:
    for found in get_format(NATIVE).read(file):
        if isinstance(found, records.ReadIssue):
            raise NotFound(f"The frozen file is damaged in line {found.line}: {found.message}")
        yield found


def list_formats_for(rule: LabelRule) -> list[tuple[str, str]]:
    """(name, title) of the formats that can say what the rule says."""
    return [
        (name, get_format(name).info.title)
        for name in FORMATS
        if rule.kind != "soft" or name not in VERDICT_FORMATS
    ]
