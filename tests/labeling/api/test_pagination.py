"""Pages by primary key: stable while rows come in, bounded, and closed to forged cursors."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import make_solution


@pytest.fixture
def url(project):
    for number in range(7):
        make_solution(project, key=f"s{number}")
    return f"{API}/projects/{project.slug}/solutions/"


def keys(answer):
    return [row["source_key"] for row in answer.json()["results"]]


def test_it_works(url, alice):
    client = sign_in(alice)
    first = client.get(url, {"page_size": 3})
    assert keys(first) == ["s0", "s1", "s2"]
    assert first.json()["previous"] is None
    second = client.get(first.json()["next"])
    assert keys(second) == ["s3", "s4", "s5"]
    third = client.get(second.json()["next"])
    assert keys(third) == ["s6"]
    assert third.json()["next"] is None
    assert keys(client.get(third.json()["previous"])) == ["s3", "s4", "s5"]


def test_rows_added_meanwhile_neither_repeat_nor_hide_others(url, project, alice):
    client = sign_in(alice)
    first = client.get(url, {"page_size": 3})
    make_solution(project, key="late")
    seen = keys(first)
    page = first
    while page.json()["next"]:
        page = client.get(page.json()["next"])
        seen += keys(page)
    assert seen == ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "late"]


def test_filters_stay_on_the_next_page(url, alice):
    client = sign_in(alice)
    first = client.get(f"{url}?page_size=3&source=unit+tests")
    assert "source=unit+tests" in first.json()["next"]


def test_newest_first_where_the_list_is_a_history(project, alice):
    client = sign_in(alice)
    for text in ("one", "two"):
        body = {
            "text": text,
            "version": client.get(f"{API}/projects/{project.slug}/").json()["guideline_version"],
        }
        assert client.post(f"{API}/projects/{project.slug}/guidelines/", body).status_code == 201
    answer = client.get(f"{API}/projects/{project.slug}/guidelines/", {"page_size": 2})
    assert [row["text"] for row in answer.json()["results"]] == ["two", "one"]
    rest = client.get(answer.json()["next"])
    assert [row["version"] for row in rest.json()["results"]] == [1]


def test_a_page_has_at_most_500_rows(url, alice, monkeypatch):
    # The same bound, lower: five hundred rows would prove no more.
    monkeypatch.setattr("workbench.api.pagination.MAX_PAGE_SIZE", 5)
    answer = sign_in(alice).get(url, {"page_size": 100_000})
    assert len(keys(answer)) == 5
    assert answer.json()["next"]


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "", "9" * 40, "²"])
def test_page_sizes_that_are_none(url, alice, size):
    error = read_error(sign_in(alice).get(url, {"page_size": size}), 400, "invalid_input")
    assert error["detail"]["field"] == "page_size"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        *(
            b64encode(text).decode()
            for text in (
                b"p=abc",
                b"p=1 OR 1=1",
                b"p=" + b"9" * 40,
                b"p=-1",
                b"p=\xff",
                b"o=x",
                b"r=x",
                b"o=-1",
            )
        ),
    ],
)
def test_cursors_that_were_not_made_here(url, alice, cursor):
    error = read_error(sign_in(alice).get(url, {"cursor": cursor}), 400, "invalid_input")
    assert error["detail"]["field"] == "cursor"
