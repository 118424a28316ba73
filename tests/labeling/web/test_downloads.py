from __future__ import annotations

import pytest

from labeling.web.downloads import clean_cell, stream_csv
from tests.labeling.web.helpers import read_stream


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run(start):
    assert clean_cell(f"{start}cmd") == f"'{start}cmd"


@pytest.mark.parametrize("value", ["plain", "-1.5", "+3", 7, -2.5, ""])
def test_what_is_left_alone(value):
    assert clean_cell(value) == value


def test_nothing_is_an_empty_cell():
    assert clean_cell(None) == ""


def test_rows_are_read_as_they_are_sent():
    asked = []

    def rows():
        for number in range(3):
            asked.append(number)
            yield (number, f"a,{number}")

    response = stream_csv("table.csv", ("n", "text"), rows())
    assert asked == []
    assert read_stream(response).splitlines() == ["n,text", '0,"a,0"', '1,"a,1"', '2,"a,2"']
    assert response["Content-Disposition"] == 'attachment; filename="table.csv"'


def test_a_name_with_any_sign_in_it():
    response = stream_csv('a"b\n中.csv', ("n",), [])
    assert "\n" not in response["Content-Disposition"]
