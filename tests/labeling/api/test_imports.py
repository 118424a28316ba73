"""Files coming in over REST: as the body, or as a part of a form; their progress and defects."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.api.views.imports import LengthRequired, check_length, disarm
from labeling.models import ImportBatch, ImportIssue, ReviewItem, Solution, Source
from labeling.services.transfers import import_folder
from tests.labeling.api.helpers import API, GSM_FILE, read_error, sign_in, with_token

PRM = b"".join(
    json.dumps(
        {
            "prompt": f"What is {n}+{n}?",
            "completions": [f"{n}+{n}", "done"],
            "labels": [True, False],
        }
    ).encode()
    + b"\n"
    for n in range(3)
)


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/imports/"


def send(client, url, data=GSM_FILE, query="?filename=gsm.jsonl", content_type=None):
    return client.post(
        url + query, data=data, content_type=content_type or "application/octet-stream"
    )


def test_the_file_as_the_body(url, frank, django_capture_on_commit_callbacks):
    client = with_token(frank, "import")
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(client, url)
    assert answer.status_code == 201
    assert answer.json()["state"] == "queued"
    assert answer.json()["format"] == "problems"
    assert answer.json()["filename"] == "gsm.jsonl"
    assert answer.json()["source"] == "gsm.jsonl"
    assert answer.json()["size"] == len(GSM_FILE)
    done = client.get(f"{API}/imports/{answer.json()['id']}/").json()
    assert done["state"] == "done"
    assert done["problems_added"] == 2
    assert done["issues_count"] == 1


def test_the_file_as_a_part_of_a_form(url, frank, django_capture_on_commit_callbacks):
    client = sign_in(frank)
    file = SimpleUploadedFile("C:\\data\\steps.jsonl", PRM)
    form = {"file": file, "source": "My steps", "licence": "MIT", "enqueue": "false"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(url, form, format="multipart")
    assert answer.status_code == 201, answer.content
    assert answer.json()["filename"] == "steps.jsonl"
    assert answer.json()["format"] == "trl"
    assert Source.objects.get().licence == "MIT"
    assert Solution.objects.count() == 3
    assert not ReviewItem.objects.exists()


def test_solutions_are_queued_for_review_unless_told_otherwise(
    url, frank, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        send(sign_in(frank), url, PRM, "?filename=a.jsonl&format=trl&source=s")
    assert ReviewItem.objects.count() == 3


def test_a_compressed_file(url, frank, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(sign_in(frank), url, gzip.compress(PRM), "?filename=a.jsonl.gz")
    batch = ImportBatch.objects.get(pk=answer.json()["id"])
    assert batch.solutions_added == 3


def test_the_same_file_again_adds_nothing(url, frank, django_capture_on_commit_callbacks):
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            answer = send(sign_in(frank), url, PRM, "?source=s&filename=a.jsonl")
    batch = ImportBatch.objects.get(pk=answer.json()["id"])
    assert (batch.solutions_added, batch.already_there) == (0, 3)


def test_a_session_with_csrf_streams_too(url, frank):
    client = sign_in(frank, enforce_csrf_checks=True)
    read_error(send(client, url), 403, "csrf_failed")
    assert not ImportBatch.objects.exists()


def test_what_curl_sends_if_nothing_is_said_of_the_type(url, frank):
    answer = send(
        with_token(frank, "import"), url, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 201
    assert answer.json()["size"] == len(GSM_FILE)


@pytest.mark.parametrize(
    ("data", "query", "field"),
    [
        (b"", "?filename=a", "file"),
        (b"\x00\x01\x02 nothing known", "?filename=a", "format"),
        (GSM_FILE, "?format=parquet", "format"),
        (GSM_FILE, "?enqueue=perhaps", "enqueue"),
        (GSM_FILE, "?formt=problems", "formt"),
        (GSM_FILE, "?format=problems&format_options=x", "format_options"),
        (GSM_FILE, "?format=problems&format_options=[1]", "format_options"),
        (GSM_FILE, '?format=problems&format_options={"a":1}', "format_options"),
        (GSM_FILE, '?format=problems&format_options={"colour":"red"}', "format_options"),
        (GSM_FILE, "?redistribution=perhaps", "redistribution"),
        (GSM_FILE, f"?source={'x' * 121}", "source"),
    ],
)
def test_uploads_that_are_refused_leave_nothing(url, frank, data, query, field):
    before = set(import_folder().iterdir())
    error = read_error(send(sign_in(frank), url, data, query), 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert not ImportBatch.objects.exists()
    assert set(import_folder().iterdir()) == before


def test_a_form_without_a_file(url, frank):
    answer = sign_in(frank).post(url, {"source": "x"}, format="multipart")
    error = read_error(answer, 400, "invalid_input")
    assert "`file`" in error["message"]


def test_a_form_that_is_none(url, frank):
    answer = send(sign_in(frank), url, b"no boundary", "", "multipart/form-data")
    read_error(answer, 400, "malformed")


def test_a_file_larger_than_allowed_is_refused_before_it_is_read(url, frank, settings):
    settings.WORKBENCH_MAX_UPLOAD_BYTES = 100
    error = read_error(send(sign_in(frank), url), 413, "too_large")
    assert error["detail"]["limit"] == 100
    settings.WORKBENCH_MAX_UPLOAD_BYTES = len(GSM_FILE)
    assert send(sign_in(frank), url).status_code == 201


def test_a_size_that_is_not_told(rf):
    request = rf.post("/", headers={"Transfer-Encoding": "chunked"})
    with pytest.raises(LengthRequired, match="Content-Length") as caught:
        check_length(request)
    assert caught.value.status == 411


def test_a_wrong_path_in_the_name_leads_nowhere(url, frank):
    answer = send(sign_in(frank), url, GSM_FILE, "?filename=../../etc/passwd")
    assert answer.json()["filename"] == "passwd"
    stored = ImportBatch.objects.get().stored_as
    assert (import_folder() / stored).is_file()


def test_imports_are_listed_newest_first(url, frank):
    client = sign_in(frank)
    for name in ("one", "two"):
        send(client, url, GSM_FILE, f"?filename={name}&source={name}")
    rows = client.get(url).json()["results"]
    assert [row["filename"] for row in rows] == ["two", "one"]
    assert rows[0]["created_by"] == "frank"
    assert client.get(url, {"state": "done"}).json()["results"] == []


@pytest.fixture
def batch(url, frank) -> ImportBatch:
    answer = send(sign_in(frank), url)
    batch = ImportBatch.objects.get(pk=answer.json()["id"])
    for line, message in ((3, "The line is not JSON."), (9, '=HYPERLINK("x"), said the row')):
        ImportIssue.objects.create(batch=batch, line=line, field="", message=message)
    return batch


def test_defects_are_listed_by_line(batch, frank):
    rows = sign_in(frank).get(f"{API}/imports/{batch.pk}/issues/").json()["results"]
    assert rows[0] == {"line": 3, "field": "", "message": "The line is not JSON.", "fatal": True}


def test_defects_as_a_table(batch, frank):
    answer = sign_in(frank).get(f"{API}/imports/{batch.pk}/issues.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode())))
    assert rows[0] == ["line", "field", "message", "fatal"]
    assert rows[1] == ["3", "", "The line is not JSON.", "yes"]
    # Anybody's text must not become a formula in somebody's spreadsheet.
    assert rows[2][2].startswith("'=HYPERLINK")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_disarmed(text):
    assert disarm(text) == f"'{text}"


def test_other_texts_stay_as_they_are():
    assert disarm("x = 1") == "x = 1"
    assert disarm("") == ""
