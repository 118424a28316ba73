"""`import`: a file through the upload's own path, beside a bare insert of the same rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.figures import Figure, compare, time_call
from tests.benchmarks.places import Scale, start_django

UPLOAD_CHUNK = 64 * 1024


def measure(scale: Scale) -> Iterator[Figure]:
    """Steps a second: file kept, read, checked, hashed, stored, and put into the review queue."""
    start_django()
    from tests.benchmarks.bare import bare_tables, build_rows, insert_bare
    from tests.benchmarks.workload import generate, to_native_lines, to_trl_lines

    samples = list(generate(scale.solutions))
    n_steps = sum(len(sample.steps) for sample in samples)
    rows = build_rows(samples)
    native = b"".join(to_native_lines(samples))
    trl = b"".join(to_trl_lines(samples))
    del samples

    def insert_raw(*, keyed: bool) -> float:
        with bare_tables(keyed=keyed):
            return time_call(lambda: insert_bare(rows))

    importer = _Importer(native, "native", n_steps=n_steps)
    times = compare(importer.run, partial(insert_raw, keyed=True), repeat=scale.repeat)
    yield Figure("import", n_steps / times.ours, "steps/s", raw=n_steps / times.raw)
    # The same figure beside tables without any key but the primary one.
    keyless = statistics.median(insert_raw(keyed=False) for _ in range(scale.repeat))
    yield Figure("import_keyless", n_steps / times.ours, "steps/s", raw=n_steps / keyless)
    # With a label on each step there are twice as many rows to store.
    importer = _Importer(trl, "trl", n_steps=n_steps)
    times = compare(importer.run, partial(insert_raw, keyed=True), repeat=scale.repeat)
    yield Figure("import_labelled", n_steps / times.ours, "steps/s", raw=n_steps / times.raw)


class _Importer:
    """Imports the same file again and again, each time into a new project."""

    def __init__(self, data: bytes, format_name: str, *, n_steps: int) -> None:
        from labeling.models import User

        self.chunks = [
            data[start : start + UPLOAD_CHUNK] for start in range(0, len(data), UPLOAD_CHUNK)
        ]
        self.format_name = format_name
        self.n_steps = n_steps
        self.lead, _ = User.objects.get_or_create(username="lead")
        self.count = 0

    def run(self) -> float:
        """The seconds of one import; one that left something out would be worth nothing."""
        from labeling.services.projects import create_project
        from labeling.services.transfers import create_import, run_import

        self.count += 1
        slug = f"{self.format_name}-{self.count}"
        project = create_project(name=slug, slug=slug, by=self.lead)
        start = time.perf_counter()
        batch = create_import(
            project=project,
            by=self.lead,
            chunks=self.chunks,
            filename="workload.jsonl",
            format_name=self.format_name,
            send=False,
        )
        batch = run_import(batch.pk)
        seconds = time.perf_counter() - start
        if batch.steps_added != self.n_steps:
            raise AssertionError(
                f"{batch.steps_added} of {self.n_steps} steps came in: {batch.error}"
            )
        return seconds
