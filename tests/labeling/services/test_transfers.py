from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from labeling.models import (
    Annotation,
    ImportBatch,
    Problem,
    Project,
    ReviewItem,
    Solution,
    Step,
    StepRating,
    Suggestion,
    User,
)
from labeling.services.consistency import find_inconsistencies
from labeling.services.transfers import create_import, import_folder, run_import
from workbench.errors import InvalidInput


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def trl(prompt: str, *labels: bool) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "completions": [f"step {index}" for index, _label in enumerate(labels)],
        "labels": list(labels),
    }


def as_lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def bring_in(
    project: Project, data: bytes, filename: str = "data.jsonl", **kwargs: Any
) -> ImportBatch:
    pieces = [data[start : start + 7] for start in range(0, len(data), 7)]
    batch = create_import(
        project=project, by=None, chunks=pieces, filename=filename, send=False, **kwargs
    )
    return run_import(batch.pk)


def test_it_works(project: Project) -> None:
    batch = bring_in(project, as_lines(trl("Q1", True, False), trl("Q2", True)))
    assert (batch.state, batch.format) == ("done", "trl")
    assert (batch.records_read, batch.solutions_added, batch.steps_added) == (2, 2, 3)
    assert batch.labels_added == 3
    assert ReviewItem.objects.filter(project=project, free_slots=2).count() == 2
    assert list(Step.objects.order_by("pk").values_list("text", flat=True)) == [
        "step 0",
        "step 1",
        "step 0",
    ]


def test_what_bulk_wrote_is_consistent_with_the_service_path(project: Project) -> None:
    # The same checks that guard rows written one by one find nothing to mend.
    bring_in(project, as_lines(trl("Q1", True, False), trl("Q2", True)))
    assert list(find_inconsistencies()) == []
    solution = Solution.objects.first()
    assert solution is not None
    solution.full_clean(validate_unique=True, exclude=["final_answer"])
    assert solution.created_at.tzinfo is not None
    assert (
        Annotation.objects.filter(kind="imported").count()
        == StepRating.objects.values("annotation").distinct().count()
    )


def test_the_same_file_again_adds_nothing(project: Project) -> None:
    data = as_lines(trl("Q1", True, False), trl("Q1", True, False), trl("Q2", True))
    first = bring_in(project, data)
    counts = [model.objects.count() for model in (Problem, Solution, Step, Annotation, ReviewItem)]
    again = bring_in(project, data)
    assert again.already_there == first.records_read == 3
    assert (again.solutions_added, again.labels_added) == (0, 0)
    assert counts == [
        model.objects.count() for model in (Problem, Solution, Step, Annotation, ReviewItem)
    ]


def test_other_labels_for_a_known_solution_are_kept_beside_the_first(project: Project) -> None:
    bring_in(project, as_lines(trl("Q1", True, False)), source_name="s")
    changed = bring_in(project, as_lines(trl("Q1", True, True)), source_name="s")
    assert (changed.solutions_added, changed.labels_added) == (0, 2)
    assert Solution.objects.count() == 1
    words = Annotation.objects.count() + Suggestion.objects.count()
    assert words == 2
    bring_in(project, as_lines(trl("Q1", True, True)), source_name="s")
    assert Annotation.objects.count() + Suggestion.objects.count() == 2


def test_defects_are_named_and_good_lines_load(project: Project) -> None:
    data = as_lines(trl("Q1", True)) + b"{broken\n" + as_lines({"prompt": 7}, trl("Q2", False))
    batch = bring_in(project, data, format_name="trl")
    assert (batch.state, batch.solutions_added) == ("done", 2)
    issues = list(batch.issues.values_list("line", flat=True))
    assert issues == [2, 3]
    assert batch.issues_count == 2


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_compressed_files_are_opened(project: Project, pack: str) -> None:
    data = as_lines(trl("Q1", True))
    if pack == "gzip":
        packed = gzip.compress(data)
    else:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("data.jsonl", data)
        packed = buffer.getvalue()
    assert bring_in(project, packed, f"data.{pack}").solutions_added == 1


def test_a_bomb_is_refused_with_a_sentence(project: Project) -> None:
    bomb = gzip.compress(b"0" * (80 * 1024 * 1024), compresslevel=9)
    batch = bring_in(project, bomb, format_name="trl")
    assert "expands to more than 250 times" in batch.issues.get().message
    assert not Solution.objects.exists()


def test_a_very_long_line_is_an_issue_and_the_next_line_loads(project: Project) -> None:
    long_line = b'{"prompt": "' + b"x" * (17 * 1024 * 1024) + b'"}\n'
    batch = create_import(
        project=project,
        by=None,
        chunks=[long_line, as_lines(trl("Q", True))],
        filename="long.jsonl",
        format_name="trl",
        send=False,
    )
    batch = run_import(batch.pk)
    assert (batch.state, batch.solutions_added, batch.issues_count) == ("done", 1, 1)


def test_an_empty_file_is_refused_and_not_kept(project: Project) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        bring_in(project, b"")
    assert list(import_folder().iterdir()) == []


def test_an_unknown_format_asks_to_choose(project: Project) -> None:
    with pytest.raises(InvalidInput, match="Choose it"):
        bring_in(project, b'{"apples": 3}\n')
    with pytest.raises(InvalidInput, match="parchment"):
        bring_in(project, b"x", format_name="parchment")
    assert not ImportBatch.objects.exists()


def test_a_file_above_the_limit_is_refused(project: Project, settings: Any) -> None:
    settings.WORKBENCH_MAX_UPLOAD_BYTES = 100
    with pytest.raises(InvalidInput, match="larger than 100 bytes"):
        bring_in(project, b"x" * 101)
    assert list(import_folder().iterdir()) == []


def test_an_interrupted_import_goes_on_without_doubling(project: Project) -> None:
    data = as_lines(*[trl(f"Q{index}", True) for index in range(3)])
    batch = bring_in(project, data)
    # As if the worker had died after storing everything but the last word.
    long_ago = timezone.now() - timedelta(hours=1)
    ImportBatch.objects.filter(pk=batch.pk).update(state="running", heartbeat_at=long_ago)
    again = run_import(batch.pk)
    assert (again.state, again.already_there, again.solutions_added) == ("done", 3, 0)
    assert Solution.objects.count() == 3


def test_a_batch_that_runs_is_not_run_twice(project: Project) -> None:
    batch = bring_in(project, as_lines(trl("Q", True)))
    ImportBatch.objects.filter(pk=batch.pk).update(state="running", heartbeat_at=timezone.now())
    assert run_import(batch.pk).state == "running"


def test_hostile_file_names_stay_in_the_folder(project: Project, alice: User) -> None:
    batch = bring_in(project, as_lines(trl("Q", True)), "..\\..\\etc/passwd.jsonl")
    assert batch.filename == "passwd.jsonl"
    assert (import_folder() / batch.stored_as).is_file()


def test_hostile_text_is_stored_as_it_is(project: Project) -> None:
    hostile = "<script>alert(1)</script> \u202e $1.24 … $1.82 \\frac{"
    bring_in(project, as_lines(trl(hostile, True)))
    assert Problem.objects.get().text == hostile
