"""Every public file comes in through the services and goes out again with equal meaning."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from labeling import records
from labeling.formats import get_format
from labeling.models import AnnotationRevision, ImportBatch, Injection, Project, Step
from labeling.selectors.imported import iterate_imported
from labeling.services.transfers import create_import, run_import
from tests.labeling.factories import make_project, make_user

pytestmark = [pytest.mark.real_data, pytest.mark.django_db]


class PublicFile(NamedTuple):
    """A file, its format, and what must come out of it."""

    path: str
    format: str
    records: int
    steps: int
    labels: int


# Steps are all that is stored: for injections the modified solutions and the distinct originals.
FILES = [
    PublicFile("processbench/gsm8k.json", "processbench", 400, 2082, 1568),
    PublicFile("processbench/olympiadbench.json", "processbench", 1000, 8819, 5822),
    PublicFile("prmbench/prmbench_subset_394.jsonl", "prmbench", 394, 10511, 0),
    PublicFile("prmbench/multi_solutions_human_verdicts_174.jsonl", "labelllm", 174, 4556, 0),
    PublicFile("prmbench/pilot_injections_106.jsonl", "prmbench_pilot", 106, 3665, 0),
    PublicFile("prm800k/samples_6.jsonl", "prm800k", 6, 45, 43),
    PublicFile("math_shepherd/samples_7.jsonl", "math_shepherd", 7, 25, 25),
    PublicFile("math_aps/samples_3.jsonl", "math_aps", 134, 314, 314),
    PublicFile("math_aps/samples_tree_3.jsonl", "math_aps", 242, 624, 624),
    PublicFile("gsm8k/test_1319.jsonl", "problems", 1319, 0, 0),
    PublicFile("gsm8k/example_model_solutions_1319x4.jsonl", "graded_solutions", 5276, 17876, 0),
]


@pytest.fixture
def project() -> Project:
    return make_project(make_user("alice"))


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            yield data


def bring_in(project: Project, path: Path, format_name: str = "") -> ImportBatch:
    batch = create_import(
        project=project,
        by=None,
        chunks=chunks(path),
        filename=path.name,
        format_name=format_name,
        source_name=path.name,
        send=False,
    )
    return run_import(batch.pk)


def read(data: bytes, format_name: str) -> list[records.Solution]:
    found = []
    for item in get_format(format_name).read(io.BytesIO(data)):
        assert isinstance(item, records.Solution), item
        found.append(item)
    return found


@pytest.mark.parametrize("public", FILES, ids=lambda public: public.path)
def test_in_and_out_again(public: PublicFile, real_data: Path, project: Project) -> None:
    path = real_data / public.path
    batch = bring_in(project, path)
    assert (batch.state, batch.error, batch.issues_count) == ("done", "", 0)
    assert batch.format == public.format
    assert batch.records_read == public.records
    original = read(path.read_bytes(), public.format)
    stored = list(iterate_imported(batch.source))
    assert stored == original
    written = b"".join(get_format(public.format).write(stored))
    assert read(written, public.format) == original
    again = bring_in(project, path)
    assert (again.solutions_added, again.problems_added, again.labels_added) == (0, 0, 0)
    assert again.already_there == public.records
    assert batch.steps_added == Step.objects.count() == public.steps
    assert batch.labels_added == public.labels


def test_the_394_are_what_the_benchmark_says(real_data: Path, project: Project) -> None:
    # 48 of each injected class and 10 multi-solutions over 150 source problems; 5,738 steps in the
    # modified solutions; 29 rows change the question (PRMBench, subset of 400).
    bring_in(project, real_data / "prmbench" / "prmbench_subset_394.jsonl")
    injections = Injection.objects.filter(project=project)
    assert injections.count() == 394
    assert Step.objects.filter(solution__injection__isnull=False).count() == 5738
    assert injections.filter(question_changed=True).count() == 29
    assert injections.values("modified__problem__family").distinct().count() == 150
    assert injections.filter(error_type="multi_solutions").count() == 10
    assert injections.filter(error_type="redundency").count() == 48
    codes = [
        {lint["code"] for lint in lints} for lints in injections.values_list("lints", flat=True)
    ]
    assert sum("E03a" in row for row in codes) == 11
    assert sum("E03b" in row for row in codes) == 26
    assert sum("W11" in row for row in codes) == 14
    assert sum("E05" in row for row in codes) == 0


def test_the_published_verdicts_become_annotations(real_data: Path, project: Project) -> None:
    # 174 candidates, of which people accepted 165 (PRMBench, multi-solution consistency).
    bring_in(project, real_data / "prmbench" / "multi_solutions_human_verdicts_174.jsonl")
    verdicts = AnnotationRevision.objects.filter(annotation__kind="imported")
    assert verdicts.count() == 174
    assert verdicts.filter(verdict="accept").count() == 165
    assert verdicts.filter(verdict="reject").count() == 9
