"""Data going out: releases asked for, built, and downloaded in pieces."""

from __future__ import annotations

import hashlib

import pytest

from labeling.api.views.releases import Download
from labeling.models import Release, Source
from labeling.services.releases import release_folder
from tests.labeling.api.helpers import API, RIGHT, read_error, sign_in, submit_as, with_token
from tests.labeling.factories import enqueue, make_solution, rating


@pytest.fixture
def url(project, bob, erin):
    enqueue(make_solution(project))
    submit_as(bob, project, rating(*RIGHT))
    submit_as(erin, project, rating(*RIGHT))
    return f"{API}/projects/{project.slug}/releases/"


@pytest.fixture
def build(url, frank, django_capture_on_commit_callbacks):
    """Asks for a release and lets the worker build it; the release as it then is."""

    def build(**body):
        client = sign_in(frank)
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(url, {"name": "first", **body})
        assert answer.status_code == 201, answer.content
        assert answer.json()["state"] == "queued"
        return client.get(f"{API}/releases/{answer.json()['id']}/").json()

    return build


def test_it_works(build):
    release = build(options={"formats": ["native", "trl"]})
    assert release["state"] == "ready"
    assert [file["filename"] for file in release["files"]] == ["native.jsonl", "trl.jsonl"]
    assert release["files"][0]["records"] == 1
    assert release["manifest"]["files"]["native.jsonl"]["sha256"] == release["files"][0]["sha256"]


def test_a_file_is_what_its_hash_says(build, frank):
    [file] = build(options={"formats": ["native"]})["files"]
    answer = with_token(frank, "export").get(file["url"])
    body = answer.getvalue()
    assert answer.status_code == 200
    assert hashlib.sha256(body).hexdigest() == file["sha256"]
    assert len(body) == file["size"] == int(answer["Content-Length"])
    assert answer["ETag"] == f'"{file["sha256"]}"'
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"] == 'attachment; filename="native.jsonl"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "private, no-cache"


def test_asking_for_the_size_alone(build, frank):
    [file] = build(options={"formats": ["native"]})["files"]
    answer = sign_in(frank).head(file["url"])
    assert answer.content == b""
    assert int(answer["Content-Length"]) == file["size"]
    assert answer["ETag"] == f'"{file["sha256"]}"'


def test_files_go_out_in_pieces_of_64_kb():
    assert Download.block_size == 64 * 1024


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_what_one_has_already_is_not_sent_again(build, frank, tag):
    [file] = build(options={"formats": ["native"]})["files"]
    answer = sign_in(frank).get(file["url"], headers={"If-None-Match": tag.format(file["sha256"])})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer["ETag"] == f'"{file["sha256"]}"'


def test_another_tag_is_answered_with_the_file(build, frank):
    [file] = build(options={"formats": ["native"]})["files"]
    answer = sign_in(frank).get(file["url"], headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200
    answer.getvalue()


def test_the_same_labels_give_the_same_bytes(build):
    first = build(options={"formats": ["native"]})
    second = build(name="second", options={"formats": ["native"]})
    assert first["files"][0]["sha256"] == second["files"][0]["sha256"]


def test_a_gate_that_is_closed_says_why(build):
    Source.objects.update(redistribution="forbidden")
    release = build()
    assert release["state"] == "failed"
    assert "may not be redistributed" in release["error"]
    assert release["files"] == []


def test_files_of_a_release_that_is_not_ready(url, frank):
    made = sign_in(frank).post(url, {"name": "first"}).json()
    answer = sign_in(frank).get(f"{API}/releases/{made['id']}/files/native.jsonl")
    error = read_error(answer, 404, "not_found")
    assert "queued" in error["message"]


def test_a_file_that_is_not_there(build, frank):
    release = build(options={"formats": ["native"]})
    answer = sign_in(frank).get(f"{API}/releases/{release['id']}/files/trl.jsonl")
    error = read_error(answer, 404, "not_found")
    assert "native.jsonl" in error["message"]


def test_a_file_that_was_lost(build, frank):
    release = build(options={"formats": ["native"]})
    (release_folder(Release.objects.get()) / "native.jsonl").unlink()
    read_error(sign_in(frank).get(release["files"][0]["url"]), 404, "not_found")


def test_a_name_is_taken_once(build, url, frank):
    build()
    error = read_error(sign_in(frank).post(url, {"name": "first"}), 409, "conflict")
    assert error["detail"]["field"] == "name"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"formats": []}, "formats"),
        ({"formats": ["parquet"]}, "formats"),
        ({"formats": "native"}, "options.formats"),
        ({"sources": ["nowhere"]}, "sources"),
        ({"tasks": ["sleep"]}, "tasks"),
        ({"on_blocking": "shrug"}, "options.on_blocking"),
        ({"include_single": "perhaps"}, "options.include_single"),
        ({"colour": "red"}, "options.colour"),
        ({"format_options": {"trl": {"colour": "red"}}, "formats": ["trl"]}, "formats"),
        ({"format_options": {"trl": 7}}, "options.format_options.trl"),
        ({"format_options": [1]}, "options.format_options"),
    ],
)
def test_options_that_are_none(url, frank, options, field):
    answer = sign_in(frank).post(url, {"name": "first", "options": options})
    error = read_error(answer, 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert not Release.objects.exists()


def test_releases_are_listed_with_their_files(build, url, frank):
    build(options={"formats": ["native"]})
    [row] = sign_in(frank).get(url).json()["results"]
    assert row["created_by"] == "frank"
    assert row["files"][0]["url"].endswith(f"/releases/{row['id']}/files/native.jsonl")


def test_formats_describe_themselves(bob):
    rows = sign_in(bob).get(f"{API}/formats/").json()["results"]
    by_name = {row["name"]: row for row in rows}
    assert {"native", "prm800k", "prmbench", "processbench", "trl"} <= set(by_name)
    assert by_name["native"]["can_write"]
    assert by_name["prmbench"]["index_convention"]
    for row in rows:
        assert row["fields"], row["name"]
        for option in (*row["read_options"], *row["write_options"]):
            assert option["default"] == option["choices"][0]
