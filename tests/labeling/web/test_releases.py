from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Injection, Project, Release, Source, User
from labeling.services.releases import release_folder
from tests.labeling.factories import enqueue, make_solution, rating
from tests.labeling.web.helpers import make_verified, submit_as, words_of


@pytest.fixture
def url(project: Project) -> str:
    return reverse("labeling:releases", args=[project.slug])


@pytest.fixture
def settled(project: Project, bob: User, erin: User) -> None:
    item = enqueue(make_solution(project, "agreed"))
    for person in (bob, erin):
        submit_as(person, item, rating("correct", "correct", "wrong"))


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "v1",
        "formats": ["trl", "native"],
        "tasks": ["rate_steps", "verify_injection"],
        "on_blocking": "stop",
        "include_scripted": "on",
        **changes,
    }


def test_it_works(engineer: Client, url: str, settled: None, run_on_commit: Any):
    with run_on_commit():
        response = engineer.post(url, form(note="For the paper."))
    release = Release.objects.get()
    assert response.headers["Location"] == reverse("labeling:release", args=[release.pk])
    assert release.state == "ready"
    text = words_of(engineer.get(response.headers["Location"]))
    assert "For the paper." in text
    assert "by agreement 1" in text
    for file in release.files.all():
        assert file.filename in text
        assert file.sha256 in text


def test_a_file_comes_as_it_was_hashed(
    engineer: Client, url: str, settled: None, run_on_commit: Any
):
    with run_on_commit():
        engineer.post(url, form())
    release = Release.objects.get()
    file = release.files.get(format="trl")
    address = reverse("labeling:release-file", args=[release.pk, file.filename])
    response: Any = engineer.get(address)
    body = b"".join(response.streaming_content)
    assert hashlib.sha256(body).hexdigest() == file.sha256
    assert len(body) == file.size == int(response["Content-Length"])
    assert response["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["ETag"] == f'"{file.sha256}"'
    [row] = [orjson.loads(line) for line in body.splitlines()]
    assert row["labels"] == [True, True, False]
    # Who has it already is told so.
    assert engineer.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_files_go_out_in_pieces(engineer: Client, url: str, settled: None, run_on_commit: Any):
    with run_on_commit():
        engineer.post(url, form())
    release = Release.objects.get()
    path = release_folder(release) / "trl.jsonl"
    path.write_bytes(b"x" * 150_000)
    response: Any = engineer.get(reverse("labeling:release-file", args=[release.pk, "trl.jsonl"]))
    sizes = [len(piece) for piece in response.streaming_content]
    # 150,000 = 2 * 65,536 + 18,928
    assert sizes == [65_536, 65_536, 18_928]


@pytest.mark.parametrize("name", ["other.jsonl", "..%2F..%2Fdb.sqlite3", "trl.jsonl%00"])
def test_no_other_file_comes(name, engineer: Client, url: str, settled: None, run_on_commit: Any):
    with run_on_commit():
        engineer.post(url, form())
    release = Release.objects.get()
    assert engineer.get(f"/releases/{release.pk}/files/{name}").status_code == 404


def test_files_of_a_release_that_is_not_ready(engineer: Client, project: Project, frank: User):
    release = Release.objects.create(project=project, name="v1", created_by=frank)
    assert engineer.get(f"/releases/{release.pk}/files/trl.jsonl").status_code == 404


def test_the_commands_that_download_by_rest(
    engineer: Client, url: str, settled: None, run_on_commit: Any
):
    with run_on_commit():
        engineer.post(url, form())
    release = Release.objects.get()
    api = reverse("api:release-file", args=[release.pk, "native.jsonl"])
    text = words_of(engineer.get(reverse("labeling:release", args=[release.pk])))
    assert f"--output native.jsonl http://testserver{api}" in text
    assert "Bearer $PRM_TOKEN" in text


def test_the_gate_says_what_must_be_mended(
    engineer: Client, url: str, project: Project, bob: User, erin: User, run_on_commit: Any
):
    injection = make_verified(project, [bob, erin])
    # Accepted, and still without any difference from its original.
    injection.modified.steps.filter(position=1).update(text="Then $2+2=4$.")
    with run_on_commit():
        response = engineer.post(url, form(formats=["prmbench"]))
    release = Release.objects.get()
    assert release.state == "failed"
    text = words_of(engineer.get(response.headers["Location"]))
    assert "This release was not built." in text
    assert "still have blocking lints" in text
    assert "See the injections with blocking lints" in text
    assert "Ask for another" in text


def test_data_that_may_not_be_passed_on(
    engineer: Client, url: str, settled: None, run_on_commit: Any
):
    Source.objects.update(redistribution="forbidden")
    with run_on_commit():
        response = engineer.post(url, form())
    assert "may not be redistributed" in words_of(engineer.get(response.headers["Location"]))


def test_nothing_was_settled(engineer: Client, url: str, run_on_commit: Any):
    with run_on_commit():
        response = engineer.post(url, form())
    assert "Nothing was settled yet" in words_of(engineer.get(response.headers["Location"]))


def refused(client: Client, url: str, data: dict[str, Any]) -> dict[str, list[str]]:
    response = client.post(url, data)
    assert response.status_code == 400
    errors: dict[str, list[str]] = dict(response.context["form"].errors)
    return errors


def test_a_name_that_is_taken(engineer: Client, url: str, project: Project, frank: User):
    Release.objects.create(project=project, name="v1", created_by=frank)
    assert "already" in refused(engineer, url, form())["name"][0]
    assert Release.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("formats", []), ("formats", ["nonsense"]), ("on_blocking", "ignore")],
)
def test_what_is_wrong_stands_at_its_field(field, value, engineer: Client, url: str):
    assert field in refused(engineer, url, form(**{field: value}))
    assert not Release.objects.exists()


def test_options_of_a_format_reach_it(engineer: Client, url: str):
    shown = engineer.get(url).context["form"]
    name, format_name, option = shown.option_names[0]
    value = shown.fields[name].choices[-1][0]
    engineer.post(url, form(formats=[format_name], **{name: value}))
    assert Release.objects.get().options["format_options"] == {format_name: {option: value}}


def test_options_of_formats_not_chosen_are_left_out(engineer: Client, url: str):
    shown = engineer.get(url).context["form"]
    name, format_name, _option = shown.option_names[0]
    other = next(value for value, _title in shown.fields["formats"].choices if value != format_name)
    engineer.post(url, form(formats=[other], **{name: shown.fields[name].choices[-1][0]}))
    assert Release.objects.get().options["format_options"] == {}


def test_progress_while_it_is_built(engineer: Client, project: Project, frank: User):
    release = Release.objects.create(
        project=project, name="v1", created_by=frank, state="building", records_done=1500
    )
    address = reverse("labeling:release", args=[release.pk])
    text = words_of(engineer.get(address))
    assert "1,500 records written so far." in text
    fragment = engineer.get(f"{address}?fragment=progress").content.decode()
    assert f'data-live="{address}?fragment=progress"' in fragment
    assert "data-live-done" not in fragment


def test_nothing_was_released_yet(engineer: Client, url: str):
    assert "Nothing was released yet" in words_of(engineer.get(url))


def test_scripted_injections_can_be_left_out(engineer: Client, url: str, project: Project):
    assert not Injection.objects.exists()
    engineer.post(url, {key: value for key, value in form().items() if key != "include_scripted"})
    assert Release.objects.get().options["include_scripted"] is False
