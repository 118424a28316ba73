"""Labels made of stored counts: rules, what they change, and files that never change."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling.formats import get_format
from labeling.models import AuditEvent, Injection, ReviewItem, Source
from labeling.records import At, LabelSet, NoError, Solution, Unknown, Validity
from modeljobs.methods.rpe_labels import Counts, LabelRule, label_counts, pack_counts
from modeljobs.models import LabelReading, ModelJob, ReferenceDoubt, StepCounts
from modeljobs.readings import (
    IS_CORRECT,
    IS_OPEN,
    IS_UNKNOWN,
    IS_WRONG,
    NO_ERROR,
    NOT_KNOWN,
    bin_progress,
    bin_starts,
    count_flips,
    find_first_errors,
    find_rule,
    find_states,
    load_counts,
    pack_rule,
    read_table,
    tally,
)
from modeljobs.services import readings as service
from modeljobs.services.doubts import decide, reopen
from tests.labeling.factories import make_injection_item
from tests.modeljobs import writing_now
from tests.modeljobs.counting import (
    BROKEN,
    SOUND,
    UNSURE,
    add_doubt,
    count_job,
    make_rpe_job,
)
from tests.modeljobs.web.rows import NOON
from tests.modeljobs.worlds import World, make_world
from workbench.errors import Conflict, InvalidInput, NotFound

STRICT = LabelRule(epsilon=0.95)
HARD = LabelRule(kind="hard")
SOFT = LabelRule(kind="soft")


@pytest.fixture
def job(world: World) -> ModelJob:
    """A sound solution, a broken one, and one that nobody can be sure of."""
    return count_job(world.project, world.alice, world.solutions, [SOUND, BROKEN, UNSURE])


def freeze(job: ModelJob, rule: LabelRule | None = None, **more: Any) -> LabelReading:
    return writing_now.freeze(job=job, rule=rule or find_rule(job), by=job.created_by, **more)


def read_back(reading: LabelReading) -> list[Solution]:
    """The frozen file, read by the format's own reader."""
    data = service.open_file(reading).read_bytes()
    found = list(get_format("native").read(io.BytesIO(data)))
    assert all(isinstance(one, Solution) for one in found)
    return [one for one in found if isinstance(one, Solution)]


def label_set(solution: Solution) -> LabelSet:
    [found] = solution.label_sets
    return found


# --- Counts out of the database -------------------------------------------------------------------


def test_counts_come_out_as_they_were_stored(job):
    counts = load_counts(job)
    # Three solutions of two steps: start and steps apart, in the order of the items.
    assert counts.table.offsets.tolist() == [0, 2, 4, 6]
    assert counts.table.starts[:, :2].tolist() == [[48, 16], [48, 16], [12, 4]]
    assert counts.table.steps[:, :2].tolist() == [
        *([48, 16], [1, 0]),
        *([4, 60], [0, 1]),
        *([9, 7], [1, 0]),
    ]
    assert counts.table.is_exact.tolist() == [False, True] * 3
    assert counts.item_ids.tolist() == list(job.items.order_by("pk").values_list("pk", flat=True))


def test_the_bulk_path_labels_as_one_solution_at_a_time_does(job):
    labels = label_counts(load_counts(job).table, LabelRule())
    for at, pairs in enumerate((SOUND, BROKEN, UNSURE)):
        alone = pack_counts([(Counts(*pairs[0]), [Counts(*pair) for pair in pairs[1:]])])
        expected = label_counts(alone, LabelRule())
        assert labels.verdicts[2 * at : 2 * at + 2].tolist() == expected.verdicts.tolist()
        assert labels.progress[2 * at : 2 * at + 2] == pytest.approx(expected.progress)


def test_all_six_counts_are_told_apart(world):
    job = make_rpe_job(world.project, world.alice, world.solutions[:1])
    StepCounts.objects.create(
        item=job.items.get(),
        position=0,
        correct=1,
        wrong=2,
        unparsable=3,
        truncated=4,
        undecided=5,
        failed=6,
    )
    assert load_counts(job).table.steps[0].tolist() == [1, 2, 3, 4, 5, 6]


def test_items_that_are_not_done_are_left_out_and_counted(job):
    first = job.items.order_by("pk")[0]
    first.state = "failed"
    first.save()
    counts = load_counts(job)
    assert len(counts.item_ids) == 2
    assert counts.unfinished == 1
    assert counts.table.steps[0, :2].tolist() == [4, 60]


def test_a_step_without_a_row_is_unknown(job):
    StepCounts.objects.filter(item=job.items.order_by("pk")[0], position=0).delete()
    reading = read_table(load_counts(job).table, LabelRule())
    states = find_states(reading, LabelRule())
    assert states[0] == IS_UNKNOWN


def test_another_jobs_counts_are_not_among_them(world, job):
    other = count_job(world.project, world.alice, world.solutions[:1], [BROKEN])
    assert len(load_counts(other).table.steps) == 2
    assert len(load_counts(job).table.steps) == 6


def test_a_job_without_items_has_no_counts(world):
    counts = load_counts(make_rpe_job(world.project, world.alice, []))
    assert counts.table.offsets.tolist() == [0]
    assert tally(find_states(read_table(counts.table, HARD), HARD), counts.table.offsets).steps == 0


def test_the_number_of_queries_does_not_grow(world):
    def count(n: int) -> int:
        job = count_job(world.project, world.alice, world.solutions[:n], [SOUND] * n)
        with CaptureQueriesContext(connection) as captured:
            service.preview(job, STRICT)
        return len(captured)

    assert count(3) == count(1) > 0


def test_both_databases_give_the_same(any_database, texts_folder):
    world = make_world()
    job = count_job(world.project, world.alice, world.solutions, [SOUND, BROKEN, UNSURE])
    assert load_counts(job).table.steps[:, :2].tolist() == [
        *([48, 16], [1, 0]),
        *([4, 60], [0, 1]),
        *([9, 7], [1, 0]),
    ]
    shown = service.preview(service.set_rule(job=job, rule=STRICT, by=world.alice), HARD)
    assert shown.in_force == STRICT
    frozen = read_back(freeze(job, LabelRule()))
    assert [one.source_id for one in frozen] == ["s2", "s3", "s4"]
    assert [label_set(one).first_error for one in frozen][:2] == [NoError(), At(0)]
    decided = decide(
        doubt=add_doubt(world.solutions[0].problem, job.items.order_by("pk")[0]),
        state="wrong",
        by=world.alice,
    )
    assert load_counts(job).mistaken == 1
    reopen(doubt=decided, by=world.alice)
    assert load_counts(job).mistaken == 0


def test_counts_against_a_reference_found_wrong_are_left_out(job, world):
    problem = world.solutions[0].problem
    doubt = add_doubt(problem, state="wrong", decided_at=NOON + timedelta(hours=1))
    counts = load_counts(job)
    assert counts.mistaken == 1
    assert world.solutions[0].pk not in counts.solution_ids
    # A run after the decision compares with what is right.
    job.items.filter(solution=world.solutions[0]).update(finished_at=NOON + timedelta(hours=2))
    assert load_counts(job).mistaken == 0
    doubt.state = ReferenceDoubt.State.STANDS
    doubt.save()
    assert load_counts(job).mistaken == 0


# --- Figures --------------------------------------------------------------------------------------


def test_what_a_rule_makes_of_a_job(job):
    shown = service.preview(job, LabelRule())
    # Sound: 1.0 and 1/0.75. Broken: 0.083 and 0 after it. Unsure: 0.5625/0.75 = 0.75, open.
    assert shown.tally.states == {
        "correct": 3,
        "wrong": 2,
        "open": 1,
        "unknown": 0,
        "scored": 0,
    }
    assert (shown.tally.with_error, shown.tally.without_error) == (1, 1)
    assert shown.tally.first_error_unknown == 1
    assert shown.tally.whole == 2
    # Two steps of the sound one, two of the broken one, none before the open first step.
    assert shown.tally.settled_steps == 4
    assert [one.solution_id for one in shown.open_items] == [
        job.items.order_by("-pk")[0].solution_id
    ]
    assert shown.is_in_force
    assert shown.flips == ()


def test_what_would_change(job):
    shown = service.preview(job, HARD)
    # MC > 0 passes the broken first step and settles the open one; its last stays wrong.
    assert {(flip.before, flip.after): flip.steps for flip in shown.flips} == {
        ("wrong", "correct"): 1,
        ("open", "correct"): 1,
    }
    assert shown.flipped == 2
    assert not shown.is_in_force


def test_the_soft_rule_gives_numbers_and_no_verdict(job):
    shown = service.preview(job, SOFT)
    assert shown.tally.states["scored"] == 6
    assert shown.tally.labelled == 6
    assert shown.tally.whole == 3


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([IS_CORRECT, IS_WRONG, IS_CORRECT], 1),
        ([IS_CORRECT, IS_CORRECT, IS_CORRECT], NO_ERROR),
        ([IS_OPEN, IS_WRONG, IS_WRONG], NOT_KNOWN),
        ([IS_CORRECT, IS_UNKNOWN, IS_WRONG], NOT_KNOWN),
        ([IS_WRONG, IS_OPEN, IS_UNKNOWN], 0),
        ([], NOT_KNOWN),
    ],
)
def test_the_first_error(states, expected):
    """Beside neighbours that would catch a look past the solution's own end."""
    rows = [[IS_WRONG], states, [IS_WRONG]]
    flat = np.asarray([state for row in rows for state in row], dtype=np.int8)
    offsets = np.cumsum([0, *map(len, rows)])
    assert find_first_errors(flat, offsets)[1] == expected


def test_flips_are_counted_by_kind():
    before = np.asarray([IS_CORRECT, IS_CORRECT, IS_WRONG, IS_OPEN], dtype=np.int8)
    after = np.asarray([IS_CORRECT, IS_WRONG, IS_WRONG, IS_WRONG], dtype=np.int8)
    flips = {(flip.before, flip.after): flip.steps for flip in count_flips(before, after)}
    assert flips == {("correct", "wrong"): 1, ("open", "wrong"): 1}


def test_numbers_stand_in_the_bar_of_their_range(job):
    reading = read_table(load_counts(job).table, LabelRule())
    filled = {
        (bar.low, bar.high): bar.steps for bar in bin_progress(reading, LabelRule()) if bar.steps
    }
    # 1.0, 1.333; 0.0833, 0; 0.75, 1 / 0.5625 = 1.778.
    assert filled == {
        (0.0, 0.1): 2,
        (0.7, 0.8): 1,
        (1.0, 1.1): 1,
        (1.3, 1.4): 1,
        (1.7, 1.8): 1,
    }
    assert sum(bar.steps for bar in bin_progress(reading, LabelRule())) == 6


def test_how_hard_the_problems_are(job):
    bars, unknown = bin_starts(load_counts(job).table, LabelRule())
    assert {bar.low: bar.steps for bar in bars if bar.steps} == {0.7: 3}
    assert unknown == 0


# --- The rule in force ----------------------------------------------------------------------------


def test_a_job_begins_with_its_own_rule(job):
    job.parameters["epsilon"] = 0.5
    assert find_rule(job).epsilon == 0.5


def test_another_rule_is_in_force_at_once_and_noted(job):
    stored = list(StepCounts.objects.order_by("pk").values())
    service.set_rule(job=job, rule=STRICT, by=job.created_by)
    again = ModelJob.objects.get(pk=job.pk)
    assert find_rule(again) == STRICT
    assert service.preview(again, STRICT).is_in_force
    # Not one count was touched.
    assert list(StepCounts.objects.order_by("pk").values()) == stored
    event = AuditEvent.objects.get(verb="job.rule_set")
    assert event.actor == job.created_by
    assert event.detail["rule"]["epsilon"] == 0.95


def test_the_same_rule_again_is_not_noted_again(job):
    for _ in range(2):
        service.set_rule(job=job, rule=STRICT, by=job.created_by)
    assert AuditEvent.objects.filter(verb="job.rule_set").count() == 1


def test_the_jobs_own_rule_comes_back(job):
    service.set_rule(job=job, rule=STRICT, by=job.created_by)
    service.set_rule(job=job, rule=None, by=job.created_by)
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}
    assert find_rule(job) == LabelRule()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epsilon": 0}, "at least 0.01"),
        ({"rule": "harsh"}, "must be one of"),
        ({"epsilom": 0.5}, "no setting 'epsilom'"),
        ({"band_low": 0.9, "band_high": 0.1}, "band_low <= band_high"),
    ],
)
def test_a_rule_that_is_none_is_refused(given, words):
    with pytest.raises(InvalidInput, match=words):
        service.parse_rule(given)


def test_a_rule_comes_back_as_it_was_packed():
    rule = LabelRule(kind="difference", threshold=-0.1, truncated="leave_out", prior="uniform")
    assert service.parse_rule(pack_rule(rule)) == rule


def test_jobs_of_other_methods_have_no_labels(world):
    with pytest.raises(NotFound, match="no labels by rollouts"):
        service.preview(world.draft_job(), HARD)


def test_settings_that_make_no_rule_are_said(job):
    job.parameters["epsilon"] = "much"
    with pytest.raises(Conflict, match="make no rule"):
        find_rule(job)


# --- Frozen files ---------------------------------------------------------------------------------


def test_a_frozen_file_holds_labels_and_counts(job):
    reading = freeze(job, note="For the first training run.")
    data = service.open_file(reading).read_bytes()
    assert reading.sha256 == hashlib.sha256(data).hexdigest()
    assert reading.size == len(data)
    assert (reading.number, reading.note) == (1, "For the first training run.")
    assert reading.counts["states"] == {
        "correct": 3,
        "wrong": 2,
        "open": 1,
        "unknown": 0,
        "scored": 0,
    }
    sound, broken, unsure = sorted(read_back(reading), key=lambda one: one.source_id)
    assert label_set(sound).first_error == NoError()
    assert label_set(broken).first_error == At(0)
    assert isinstance(label_set(unsure).first_error, Unknown)
    labels = label_set(broken).labels
    assert [label.validity for label in labels if label] == [Validity.WRONG, Validity.WRONG]
    assert labels[0] is not None
    assert labels[0].score is not None
    assert labels[0].score.rule == "ratio >= 0.8"
    # Labels are never alone.
    extra = label_set(unsure).extra
    assert extra["rpe.start"] == [12, 4, 0, 0, 0, 0]
    assert extra["rpe.counts"] == [[9, 7, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert extra["rpe.by_answer"] == [1]
    assert extra["rpe.start_of"] == "completer"


def test_the_same_counts_and_rule_give_the_same_bytes(world, job):
    first, second = freeze(job), freeze(job)
    assert (first.number, second.number) == (1, 2)
    assert first.sha256 == second.sha256
    # And so does another job with the same counts: nothing in the file names the run.
    other = count_job(world.project, world.alice, world.solutions, [SOUND, BROKEN, UNSURE])
    assert freeze(other).sha256 == first.sha256


def test_another_rule_gives_another_file(job):
    assert freeze(job).sha256 != freeze(job, HARD).sha256


def test_a_reading_says_where_its_counts_came_from(job):
    told = freeze(job).counts["provenance"]
    assert told["job"] == job.pk
    assert told["mc_s1_of"] == "completer"
    assert told["engine"] == "scripted engine"
    assert told["is_scripted"] is True
    assert told["parameters"]["plan"] == "published"
    event = AuditEvent.objects.get(verb="job.labels_frozen")
    assert event.detail["number"] == 1


def test_what_changes_later_does_not_change_the_file(job):
    reading = freeze(job)
    before = service.open_file(reading).read_bytes()
    service.set_rule(job=job, rule=HARD, by=job.created_by)
    StepCounts.objects.all().update(correct=0)
    assert service.open_file(reading).read_bytes() == before
    assert reading.rule == pack_rule(LabelRule())


def rows_of(reading: LabelReading, name: str, **options: str) -> list[Mapping[str, Any]]:
    data = b"".join(service.write_as(reading, name, **options))
    return [orjson.loads(line) for line in data.splitlines()]


def test_trl_gets_hard_labels(job):
    rows = rows_of(freeze(job), "trl")
    assert sorted(row["labels"] for row in rows) == [[False, False], [True, True]]
    assert rows[0]["prompt"].startswith("What is")
    assert len(rows[0]["completions"]) == 2


def test_a_solution_is_cut_before_its_open_step_or_left_out(world):
    later = ((48, 16), (44, 20), (1, 0))
    job = count_job(world.project, world.alice, world.solutions[:2], [later, SOUND])
    # 0.6875 / 0.75 = 0.917: too close to 0.95.
    reading = freeze(job, LabelRule(epsilon=0.95))
    assert reading.counts["states"]["open"] >= 1
    whole = rows_of(reading, "trl", unjudged="skip")
    assert len(whole) == reading.counts["whole"]
    assert len(rows_of(reading, "trl")) >= len(whole)


def test_trl_gets_numbers_under_the_soft_rule(job):
    rows = rows_of(freeze(job, SOFT), "trl")
    assert [0.75, 1.0] in [row["labels"] for row in rows]


def test_an_open_step_never_becomes_a_number_among_hard_labels(world):
    """A solution of open steps alone has scores and no verdict, as soft labels do."""
    job = count_job(world.project, world.alice, world.solutions[:1], [((8, 8), (6, 10), (1, 0))])
    reading = freeze(job, LabelRule(band_low=0.0, band_high=1.0))
    assert reading.counts["states"]["open"] == 2
    assert rows_of(reading, "trl") == []


@pytest.mark.parametrize("name", ["math_shepherd", "processbench"])
def test_formats_of_verdicts_take_no_soft_labels(name, job):
    reading = freeze(job, SOFT)
    with pytest.raises(InvalidInput, match="the soft rule gives none"):
        service.write_as(reading, name)
    assert name not in dict(service.list_formats_for(SOFT))


def test_processbench_gets_known_first_errors_alone(job):
    data = b"".join(service.write_as(freeze(job), "processbench"))
    rows = orjson.loads(data) if data.startswith(b"[") else [*map(orjson.loads, data.splitlines())]
    assert sorted(row["label"] for row in rows) == [-1, 0]


def test_math_shepherd_gets_signs(job):
    rows = rows_of(freeze(job), "math_shepherd")
    assert sum(row["label"].count("+") for row in rows) >= 2
    assert all(row["input"].count("ки") >= 1 for row in rows)


def test_native_is_the_frozen_file_itself(job):
    reading = freeze(job)
    assert b"".join(service.write_as(reading, "native")) == service.open_file(reading).read_bytes()


def test_an_unknown_format_is_refused(job):
    with pytest.raises(InvalidInput, match="not 'prm800k'"):
        service.write_as(freeze(job), "prm800k")


def test_a_file_that_is_gone_is_said_so(job):
    reading = freeze(job)
    service.open_file(reading).unlink()
    with pytest.raises(NotFound, match="makes it again"):
        service.write_as(reading, "trl")
    assert freeze(job).sha256 == reading.sha256
    assert service.open_file(reading).is_file()


def test_nothing_done_is_nothing_to_freeze(world):
    job = make_rpe_job(world.project, world.alice, world.solutions, item_state="pending")
    with pytest.raises(Conflict, match="nothing to freeze"):
        freeze(job)


def test_a_corrected_reference_goes_out_with_its_labels(job, world):
    add_doubt(world.solutions[0].problem, state="wrong", corrected_answer="7", decided_at=NOON)
    job.items.update(finished_at=NOON + timedelta(hours=1))
    answers = {one.problem.reference_answer for one in read_back(freeze(job))}
    assert "7" in answers


# --- What may not go out --------------------------------------------------------------------------


def test_a_source_that_may_not_be_passed_on_stops_it(job, world):
    Source.objects.filter(project=world.project).update(redistribution="forbidden")
    with pytest.raises(Conflict, match="may not be redistributed"):
        freeze(job)
    assert not LabelReading.objects.exists()


def test_an_engine_whose_output_may_not_train_stops_it(job):
    job.engine_snapshot["output_may_train"] = False
    job.save()
    with pytest.raises(Conflict, match="do not allow training"):
        freeze(job)
    # Terms that were corrected since count.
    job.engine.output_may_train = True
    job.engine.save()
    assert freeze(job).number == 1


def test_injections_that_may_not_train_stop_it(world):
    item = make_injection_item(world.project)
    Injection.objects.filter(modified=item.solution).update(
        provenance={"output_may_train": False}, producer="somebody's model"
    )
    n = item.solution.n_steps
    job = count_job(
        world.project, world.alice, [item.solution], [((8, 8), *[(8, 8)] * (n - 1), (1, 0))]
    )
    with pytest.raises(Conflict, match="somebody's model"):
        freeze(job)


# --- Open steps to people -------------------------------------------------------------------------


def test_open_steps_go_to_people(job, world):
    routed = service.send_open_steps(job=job, rule=LabelRule(), by=world.alice)
    assert routed.queued == 1
    assert ReviewItem.objects.get(solution=world.solutions[2]).task == "rate_steps"
    assert not ReviewItem.objects.filter(solution=world.solutions[0]).exists()


def test_nothing_open_is_nothing_to_send(job, world):
    with pytest.raises(Conflict, match="No step is left open"):
        service.send_open_steps(job=job, rule=HARD, by=world.alice)
