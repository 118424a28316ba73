"""`export` and `export_memory`: a release of agreed labels, beside a bare read of the same."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.figures import Figure, compare, read_memory, read_peak
from tests.benchmarks.places import Scale, start_django

MEASURED = "trl"
OTHERS = ("native", "prm800k", "processbench", "math_shepherd")
# What the file is made of, in the order of the file: a row for each label with the question, the
# step's text and the packed content that says the label.
RAW_READ = """
    SELECT problem.text, step.text, step.position, revision.content
    FROM labeling_reviewitem item
    JOIN labeling_solution solution ON solution.id = item.solution_id
    JOIN labeling_problem problem ON problem.id = solution.problem_id
    JOIN labeling_annotationrevision revision ON revision.id = item.agreed_revision_id
    JOIN labeling_step step ON step.solution_id = solution.id
    WHERE item.project_id = %s
    ORDER BY solution.source_key, solution.content_hash, step.position
"""


def measure(scale: Scale) -> Iterator[Figure]:
    """Step labels a second: chosen, checked, written and hashed into a release's file."""
    start_django()
    from labeling.models import StepRating
    from tests.benchmarks.people import judge_items, open_desk

    desk = open_desk(scale.solutions, annotators=2)
    judge_items(desk, desk.annotators, items=scale.solutions)
    n_labels = StepRating.objects.count() // len(desk.annotators)

    times = compare(
        lambda: build(desk.project, MEASURED),
        lambda: read_raw(desk.project, n_labels),
        repeat=scale.repeat,
    )
    raw = n_labels / times.raw
    yield Figure("export", n_labels / times.ours, "labels/s", raw=raw)
    for name in OTHERS:
        yield Figure(f"export_{name}", n_labels / build(desk.project, name), "labels/s", raw=raw)
    yield Figure("export_memory", measure_memory(create(desk.project, MEASURED)), "MB")


def create(project: Any, format_name: str) -> int:
    """A release that waits to be built; its id."""
    from labeling.models import Release
    from labeling.services.releases import create_release

    lead = project.memberships.get(role="lead").user
    name = f"{format_name} {Release.objects.count()}"
    release = create_release(
        project=project, name=name, by=lead, options={"formats": [format_name]}
    )
    return release.pk


def build(project: Any, format_name: str) -> float:
    """Seconds to build a release of all items in one format."""
    from labeling.services.releases import build_release

    pk = create(project, format_name)
    start = time.perf_counter()
    release = build_release(pk)
    seconds = time.perf_counter() - start
    written = sum(file.records for file in release.files.all())
    if written != project.review_items.count():
        raise AssertionError(f"{written} rows were written: {release.state} {release.error}")
    return seconds


def read_raw(project: Any, n_labels: int) -> float:
    """Seconds to read every label with its step's text by a bare cursor."""
    from tests.benchmarks.bare import read_bare

    start = time.perf_counter()
    count = read_bare(RAW_READ, [project.pk])
    seconds = time.perf_counter() - start
    if count != n_labels:
        raise AssertionError(f"{count} labels were read, not {n_labels}")
    return seconds


def measure_memory(release_id: int) -> float:
    """Megabytes that building takes above an idle process, at most, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(release_id)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["mb"])


def _build_alone(release_id: int) -> None:
    import django

    django.setup()
    from labeling.models import Release
    from labeling.services.releases import build_release

    # As a worker that has nothing to do: everything is loaded and the database was asked once.
    Release.objects.get(pk=release_id)
    gc.collect()
    idle = read_memory(["self"]).rss
    release = build_release(release_id)
    if release.state != Release.State.READY:
        raise AssertionError(release.error)
    print(json.dumps({"mb": read_peak("self") - idle}))


if __name__ == "__main__":
    _build_alone(int(sys.argv[1]))
