from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import ImportBatch, ImportIssue, Project
from labeling.services.projects import ensure_source
from tests.labeling.web.helpers import check_html, read_stream, words_of


@pytest.fixture
def batch(project: Project) -> ImportBatch:
    return ImportBatch.objects.create(
        project=project,
        source=ensure_source(project=project, name="s"),
        format="problems",
        filename="rows.jsonl",
        sha256="ab" * 32,
        size=1000,
        state="running",
        bytes_done=250,
        records_read=40,
        heartbeat_at=timezone.now(),
    )


def url(batch: ImportBatch, name: str = "import") -> str:
    return reverse(f"labeling:{name}", args=[batch.pk])


def finish(batch: ImportBatch, **changes: Any) -> None:
    ImportBatch.objects.filter(pk=batch.pk).update(
        **{"state": "done", "finished_at": timezone.now(), **changes}
    )


def test_it_works(engineer: Client, batch: ImportBatch):
    text = words_of(engineer.get(url(batch)))
    assert "25 %" in text
    assert "Rows read 40" in text
    assert "Reload the page" in text


def test_the_part_asks_for_itself_until_it_is_final(engineer: Client, batch: ImportBatch):
    html = engineer.get(url(batch)).content.decode()
    assert f'data-live="{url(batch)}?fragment=progress' in html
    assert "data-live-done" not in html
    finish(batch)
    assert "data-live-done" in engineer.get(url(batch)).content.decode()


def test_the_fragment_is_the_part_alone(engineer: Client, batch: ImportBatch):
    html = engineer.get(f"{url(batch)}?fragment=progress").content.decode()
    assert html.lstrip().startswith("<div")
    assert "<html" not in html
    check_html(html)


def test_an_import_that_stopped_says_why_and_what_to_do(engineer: Client, batch: ImportBatch):
    finish(batch, state="failed", error="Reading stopped after 40 records: bad archive.")
    text = words_of(engineer.get(url(batch)))
    assert "bad archive." in text
    assert "import it again" in text


def test_issues_come_in_pages(engineer: Client, batch: ImportBatch):
    ImportIssue.objects.bulk_create(
        ImportIssue(batch=batch, line=line, field="f", message="m") for line in range(1, 61)
    )
    finish(batch, issues_count=60)
    assert [issue.line for issue in engineer.get(url(batch)).context["page"]][-1] == 50
    second = engineer.get(url(batch), {"page": "2"}).context["page"]
    assert [issue.line for issue in second] == list(range(51, 61))


def test_more_issues_than_are_kept(engineer: Client, batch: ImportBatch):
    batch.issues.create(line=1, message="m")
    finish(batch, issues_count=12_000)
    assert "The first 1 of 12,000 are kept." in words_of(engineer.get(url(batch)))


def test_the_issues_as_a_table(engineer: Client, batch: ImportBatch):
    batch.issues.create(line=3, field="question", message='should be a text, "quoted"')
    batch.issues.create(line=9, field="", message="=HYPERLINK(1)", fatal=False)
    response = engineer.get(url(batch, "import-issues"))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="rows-{batch.pk}-issues.csv"' in response["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(read_stream(response))))
    assert rows == [
        ["line", "field", "message", "line_skipped"],
        ["3", "question", 'should be a text, "quoted"', "yes"],
        # A spreadsheet would run a cell that begins so.
        ["9", "", "'=HYPERLINK(1)", "no"],
    ]


def test_a_source_leads_to_its_solutions(engineer: Client, batch: ImportBatch, project: Project):
    html = engineer.get(url(batch)).content.decode()
    assert f'{reverse("labeling:browse", args=[project.slug])}?source=s"' in html


def test_there_is_no_such_import(engineer: Client):
    assert engineer.get("/imports/12345/").status_code == 404
