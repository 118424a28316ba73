from __future__ import annotations

import pytest

from labeling.guidance_texts import Told, choose_language, matches, split_blocks, tell

TEXTS = {"en": "Be exact.", "zh-hans": "要严谨。"}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("en", Told("Be exact.", "en")),
        ("zh-hans", Told("要严谨。", "zh-hans")),
        # Near enough to be read by the same people.
        ("zh-hant", Told("要严谨。", "zh-hans")),
        ("en-gb", Told("Be exact.", "en")),
        ("fr", Told("Be exact.", "en", is_fallback=True)),
    ],
)
def test_a_reader_gets_the_nearest_language(wanted: str, told: Told) -> None:
    assert tell(TEXTS, wanted, own="en") == told


def test_any_text_is_better_than_none() -> None:
    only = {"en": "  ", "zh-hans": "要严谨。"}
    assert tell(only, "en", own="en") == Told("要严谨。", "zh-hans", is_fallback=True)
    assert tell({"en": ""}, "en", own="en") == Told("")
    assert choose_language({}, "en", "en") is None


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("ROUND", True),
        ("tenths round", True),
        ("ｒound", True),
        ("round hundredths", False),
        ("", True),
    ],
)
def test_every_word_has_to_be_there(query: str, is_found: bool) -> None:
    assert matches("Round to tenths.", query) is is_found


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        ("One\nline.\n\nAnother.", ["One line.", "Another."]),
        ("# Title\nText.", ["Title", "Text."]),
        ("- one\n- two\n  goes on", ["• one", "• two goes on"]),
        ("1. one\n2) two", ["1. one", "2) two"]),
        ("**Bold** and *slanted* `code`.", ["Bold and slanted code."]),
        # The stars of a formula are no marks.
        ("**So $a*b*c$**", ["So $a*b*c$"]),
        ("One.\r\n\r\nTwo.", ["One.", "Two."]),
        ("a\ue000b", ["ab"]),
    ],
)
def test_what_is_compared_is_words(text: str, blocks: list[str]) -> None:
    assert split_blocks(text) == blocks
