from __future__ import annotations

import json
import time

import pytest

from modeljobs.methods.parsing import (
    NOTE_BACKSLASHES,
    NOTE_ESCAPES,
    FoundObject,
    Unparsed,
    double_backslashes,
    find_object,
    restore_commands,
)

KEYS = frozenset({"steps"})


def find(text: str) -> FoundObject:
    found = find_object(text, keys=KEYS)
    assert isinstance(found, FoundObject), found
    return found


def refuse(text: str) -> Unparsed:
    found = find_object(text, keys=KEYS)
    assert isinstance(found, Unparsed)
    return found


def test_it_works() -> None:
    assert find('{"steps": ["a"]}') == FoundObject({"steps": ["a"]})


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"steps": ["a"]}\n```',
        '```\n{"steps": ["a"]}\n```',
        'Here it is:\n{"steps": ["a"]}\nI hope this helps {you}.',
        'The set $\\{1, 2\\}$ and $\\frac{1}{2}$ first.\n{"steps": ["a"]}',
        'First {"note": 1}, then {"steps": ["a"]}.',
        '{"reply": {"steps": ["a"]}}',
        '  \ufeff{"steps": ["a"]}',
        '{"steps": ["a"]} {"steps": ["b"]}',
    ],
)
def test_what_stands_around_the_object_is_passed_over(text: str) -> None:
    assert find(text).value == {"steps": ["a"]}


def test_line_breaks_inside_strings_are_borne() -> None:
    assert find('{"steps": ["a\nb"]}').value == {"steps": ["a\nb"]}


def test_braces_inside_strings_are_text() -> None:
    assert find('{"steps": ["$\\\\frac{1}{2}$ }{"]}').value == {"steps": ["$\\frac{1}{2}$ }{"]}


def test_single_backslashes_are_doubled_only_where_json_fails() -> None:
    good = json.dumps({"steps": [r"$\alpha \leq 2$ \\ next"]})
    assert find(good) == FoundObject({"steps": [r"$\alpha \leq 2$ \\ next"]})
    found = find(r'{"steps": ["$\alpha \leq 2$"]}')
    assert found == FoundObject({"steps": [r"$\alpha \leq 2$"]}, (NOTE_BACKSLASHES,))


@pytest.mark.parametrize(
    ("raw", "doubled"),
    [
        (r"\alpha", r"\\alpha"),
        (r"\\alpha", r"\\alpha"),
        (r"\\\\alpha", r"\\alpha"),
        (r"a \ b", r"a \\ b"),
        (r"a \\ b", r"a \\\\ b"),
        (r"a \\\\ b", r"a \\\\ b"),
        (r"say \"x\"", r"say \"x\""),
        (r"one.\nTwo", r"one.\nTwo"),
        (r"a \neq b", r"a \\neq b"),
        ("ends in \\", "ends in \\\\"),
        ("plain", "plain"),
    ],
)
def test_runs_of_backslashes(raw: str, doubled: str) -> None:
    assert double_backslashes(raw) == doubled


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        (r"\frac{1}{2}", "\frac{1}{2}"),
        (r"\boxed{3}", "\boxed{3}"),
        (r"2 \times 3", "2 \times 3"),
        (r"\theta", "\theta"),
        (r"\right)", "\right)"),
        (r"a \neq b", "a \neq b"),
    ],
)
def test_commands_that_json_took_for_control_characters(command: str, lost: str) -> None:
    assert command != lost
    assert restore_commands(lost) == command
    # As it comes about: one backslash where JSON wants two, and a valid escape.
    found = find('{"steps": ["' + command + '"]}')
    assert found == FoundObject({"steps": [command]}, (NOTE_ESCAPES,))


@pytest.mark.parametrize(
    "text", ["one\ntwo", "a\tb", "x\n\ny", "a\r\nb", "note\nnu", "\tand so on"]
)
def test_real_white_space_is_left_alone(text: str) -> None:
    assert restore_commands(text) == text


def test_restored_text_is_that_of_strings_in_lists_and_fields() -> None:
    found = find('{"steps": ["\\frac12", 3], "reason": "\\frac13", "n": 4}')
    assert found.value == {"steps": [r"\frac12", 3], "reason": r"\frac13", "n": 4}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("I cannot do that.", "no_json"),
        ("The set {1, 2}.", "no_json"),
        ("[1, 2]", "no_json"),
        ('{"steps": ["a", "b', "truncated"),
        ('{"steps": ["a"', "truncated"),
        ('{"steps":', "truncated"),
        ('{"steps": ["a" "b"]}', "bad_json"),
        ('{"steps": [1,]}', "bad_json"),
        ("{'steps': ['a']}", "no_json"),
        ('{"answer": 4}', "missing_field"),
        ('$\\sqrt{}$ {"steps": [,]}', "bad_json"),
        ('{"steps": ' + "[" * 100_000, "bad_json"),
        ('{"steps": ' + "9" * 5_000 + "}", "bad_json"),
        ("{" + " " * 2_000_000 + "}", "too_long"),
    ],
)
def test_every_reason_for_not_reading_a_reply(text: str, code: str) -> None:
    unparsed = refuse(text)
    assert unparsed.code == code
    assert unparsed.reason.endswith(".")
    assert len(unparsed.reason) < 200


def test_json_says_where_it_went_wrong() -> None:
    assert "line 1, column 16" in refuse('{"steps": ["a" "b"]}').reason


@pytest.mark.parametrize(
    "text",
    [
        "{" * 900_000,
        '{"a":' * 180_000,
        '{"' * 450_000,
        "\\" * 900_000 + "{",
        '{"steps": "' + "\\" * 900_000,
        '{"steps": "' + "\\(" * 450_000,
        "{" + " " * 900_000,
        '{"steps": "' + "{" * 900_000,
        "\t" * 900_000 + "{",
    ],
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    refuse(text)
    # Far above what is needed (0.1 s), far below what a quadratic reading would take (hours).
    assert time.process_time() - started < 10
