from __future__ import annotations

from typing import Any

import pytest

from modeljobs.engines.options import InvalidOptions, Option, validate_options

OPTIONS = (
    Option("name", "text", "Name", required=True),
    Option("count", "int", "Count", default=3, minimum=1, maximum=9),
    Option("share", "float", "Share", default=0.5, minimum=0, maximum=1),
    Option("is_on", "bool", "On", default=False),
    Option("colour", "choice", "Colour", default="red", choices=(("red", "Red"), ("blue", "Blue"))),
    Option("sizes", "choices", "Sizes", default=("s",), choices=(("s", "S"), ("m", "M"))),
    Option("more", "json", "More"),
)


def find_problem(name: str, value: Any) -> str:
    with pytest.raises(InvalidOptions) as caught:
        validate_options(OPTIONS, {"name": "x", name: value})
    assert set(caught.value.problems) == {name}
    return caught.value.problems[name]


def test_it_works() -> None:
    assert validate_options(OPTIONS, {"name": " x ", "count": 9, "more": {"a": 1}}) == {
        "name": "x",
        "count": 9,
        "share": 0.5,
        "is_on": False,
        "colour": "red",
        "sizes": ("s",),
        "more": {"a": 1},
    }


def test_words_from_a_form_are_read() -> None:
    given = {"name": "x", "count": "4", "share": "0.25", "is_on": "on", "sizes": ["m", "s", "m"]}
    values = validate_options(OPTIONS, given)
    assert (values["count"], values["share"], values["is_on"]) == (4, 0.25, True)
    # In the order of the declaration, each once.
    assert values["sizes"] == ("s", "m")


def test_an_empty_field_is_not_given() -> None:
    values = validate_options(OPTIONS, {"name": "x", "count": "", "share": None})
    assert (values["count"], values["share"]) == (3, 0.5)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(InvalidOptions) as caught:
        validate_options(OPTIONS, {"name": ""})
    assert caught.value.problems == {"name": "The setting 'name' is needed."}


def test_an_unknown_setting_is_a_fault() -> None:
    assert "There is no setting 'cuont'" in find_problem("cuont", 4)


def test_an_unknown_setting_left_empty_does_no_harm() -> None:
    assert "cuont" not in validate_options(OPTIONS, {"name": "x", "cuont": ""})


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidOptions) as caught:
        validate_options(OPTIONS, {"count": 0, "share": 2})
    assert set(caught.value.problems) == {"name", "count", "share"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("count", 0, "The setting 'count' must be at least 1, not 0."),
        ("count", 10, "The setting 'count' must be at most 9, not 10."),
        ("count", 2.5, "The setting 'count' must be a whole number, not 2.5."),
        ("count", True, "The setting 'count' must be a whole number, not True."),
        ("share", "nan", "The setting 'share' must be a number, not 'nan'."),
        ("share", "a lot", "The setting 'share' must be a number, not 'a lot'."),
        ("share", 10**400, "The setting 'share' must be a number, not 1000"),
        ("is_on", "perhaps", "The setting 'is_on' must be true or false, not 'perhaps'."),
        ("colour", "green", "The setting 'colour' must be one of red, blue, not 'green'."),
        ("sizes", ["s", "xl"], "The setting 'sizes' must be one of s, m, not ['s', 'xl']."),
        ("sizes", [], "The setting 'sizes' must name at least one choice, not []."),
        ("sizes", 4, "The setting 'sizes' must be a list, not 4."),
        ("more", [1], "The setting 'more' must be an object, not [1]."),
        ("name", 4, "The setting 'name' must be text, not 4."),
        ("name", "x" * 2001, "The setting 'name' must be at most 2000 characters, not 'xxx"),
    ],
)
def test_faults_are_sentences(name: str, value: Any, sentence: str) -> None:
    assert find_problem(name, value).startswith(sentence)


def test_a_huge_value_is_not_repeated_whole() -> None:
    assert len(find_problem("colour", "x" * 10_000)) < 200
