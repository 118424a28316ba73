from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from labeling.models import ImportBatch, Problem, Project, Source
from labeling.services.transfers import import_folder
from tests.labeling.web.helpers import words_of

ROWS = [
    {"question": "What is $1+1$?", "answer": "It is two.\n#### 2"},
    {"question": "What is $2+2$?", "answer": "It is four.\n#### 4"},
]
FILE = b"".join(orjson.dumps(row) + b"\n" for row in ROWS)


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:imports", args=[project.slug])


def form(data: bytes = FILE, name: str = "rows.jsonl", **fields: Any) -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, data), "enqueue": "on", **fields}


def test_it_works(engineer: Client, url: str, project: Project, run_on_commit: Any):
    with run_on_commit():
        response = engineer.post(
            url,
            form(
                source_name="My problems",
                url="https://example.org/data",
                revision="v2",
                licence="MIT",
                redistribution="allowed",
            ),
        )
    batch = ImportBatch.objects.get()
    assert response.headers["Location"] == reverse("labeling:import", args=[batch.pk])
    assert (batch.state, batch.format, batch.problems_added) == ("done", "problems", 2)
    source = Source.objects.get()
    assert (source.name, source.url, source.revision) == (
        "My problems",
        "https://example.org/data",
        "v2",
    )
    assert (source.licence, source.redistribution) == ("MIT", "allowed")
    text = words_of(engineer.get(response.headers["Location"]))
    assert "Problems added 2" in text
    assert "every line could be read" in text


def test_again_it_adds_nothing_and_says_so(
    engineer: Client, url: str, project: Project, run_on_commit: Any
):
    rows = [{"problem": "P", "steps": ["a", "b"], "label": -1, "id": "x-1", "generator": "g"}]
    data = orjson.dumps(rows)
    for _time in range(2):
        with run_on_commit():
            response = engineer.post(url, form(data, "p.json", format="processbench"))
    batch = ImportBatch.objects.order_by("-pk")[0]
    assert (batch.solutions_added, batch.already_there) == (0, 1)
    text = words_of(engineer.get(response.headers["Location"]))
    assert "Nothing was added: the 1 row of this file was there already." in text
    assert project.solutions.count() == 1


def test_a_compressed_file(engineer: Client, url: str, run_on_commit: Any):
    with run_on_commit():
        engineer.post(url, form(gzip.compress(FILE), "rows.jsonl.gz"))
    assert Problem.objects.count() == 2


def test_bad_lines_are_listed_and_good_ones_stored(engineer: Client, url: str, run_on_commit: Any):
    with run_on_commit():
        response = engineer.post(url, form(b'{"question": 3}\n' + FILE, format="problems"))
    assert Problem.objects.count() == 2
    text = words_of(engineer.get(response.headers["Location"]))
    assert "What was wrong with which line" in text
    assert "question" in text
    assert "skipped" in text


def refused(client: Client, url: str, data: dict[str, Any]) -> dict[str, list[str]]:
    response = client.post(url, data)
    assert response.status_code == 400
    assert not ImportBatch.objects.exists()
    errors: dict[str, list[str]] = dict(response.context["form"].errors)
    return errors


def test_a_format_that_cannot_be_told(engineer: Client, url: str):
    errors = refused(engineer, url, form(b"hello"))
    assert "Choose it from the list." in errors["format"][0]


def test_an_empty_file(engineer: Client, url: str):
    assert refused(engineer, url, form(b""))["file"] == ["The file is empty."]


def test_no_file(engineer: Client, url: str):
    assert "file" in refused(engineer, url, {"format": "problems"})


def test_a_format_that_is_none(engineer: Client, url: str):
    assert "format" in refused(engineer, url, form(format="nonsense"))


def test_an_address_that_is_none(engineer: Client, url: str):
    assert "url" in refused(engineer, url, form(url="javascript:alert(1)"))


def test_a_refused_file_is_not_kept(engineer: Client, url: str, files_folder: Path):
    refused(engineer, url, form(b"hello"))
    assert list(import_folder().iterdir()) == []


def test_a_file_that_is_too_large(engineer: Client, url: str, settings: Any):
    settings.WORKBENCH_MAX_UPLOAD_BYTES = 10
    assert "larger than 10 bytes" in refused(engineer, url, form())["file"][0]


def test_nothing_was_imported_yet(engineer: Client, url: str):
    text = words_of(engineer.get(url))
    assert "No file was imported yet" in text
    assert "PRMBench" in text


def test_no_worker_is_running(engineer: Client, url: str):
    text = words_of(engineer.get(url))
    assert "No worker is running" in text
    assert "celery --app=workbench.celery worker" in text


def test_a_worker_is_running(engineer: Client, url: str):
    from django.utils import timezone

    from modeljobs.services.workers import record_beat

    now = timezone.now()
    record_beat(name="w", queues=["io"], pid=1, started_at=now, now=now)
    assert "No worker is running" not in words_of(engineer.get(url))


def test_the_list_leads_to_the_issues(engineer: Client, url: str, run_on_commit: Any):
    with run_on_commit():
        engineer.post(url, form(b'{"question": 3}\n' + FILE, format="problems"))
    batch = ImportBatch.objects.get()
    assert f"/imports/{batch.pk}/#issues" in engineer.get(url).content.decode()
