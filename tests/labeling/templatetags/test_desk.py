"""Numbers, times and words of the desk pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from labeling.metrics.intervals import wilson_interval
from labeling.templatetags import desk


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (12345, "12,345"), (None, "–")]
)
def test_count(number, text):
    assert desk.count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.7149, "0.71"),
        # Rounded, and not cut off.
        (0.8155, "0.82"),
        (0.999, "1.00"),
        (-0.25, "−0.25"),
        (-0.001, "0.00"),
        (None, "–"),
    ],
)
def test_decimal(number, text):
    assert desk.decimal(number) == text


def test_decimal_places():
    assert desk.decimal(3.14159, 3) == "3.142"
    assert desk.decimal(12.6, 0) == "13"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0.0, "0"), (0.853, "85"), (1.0, "100"), (None, "–")),
        # Only nothing is 0, only all is 100.
        *((0.001, "<1"), (0.9987, "99")),
    ],
)
def test_percent(share, text):
    assert desk.percent(share) == text


def test_share_of():
    assert desk.share_of(1, 4) == "25 %"
    assert desk.share_of(0, 0) == "–"


def test_percent_interval():
    # Wilson for 9 of 10 at 95 %: 0.596 to 0.982.
    assert desk.percent_interval(wilson_interval(9, 10)) == "60 to 98 %"
    assert desk.percent_interval(wilson_interval(0, 0)) == "Nothing has been counted yet."
    assert desk.percent_interval(None) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [
        *((0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1450, "1.4 kB"), (121_000, "121 kB")),
        *((2_500_000, "2.5 MB"), (3 * 10**12, "3000 GB"), (None, "–")),
    ],
)
def test_bytes_size(size, text):
    assert desk.bytes_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.2, "1 second"), (40, "40 seconds"), (100, "2 minutes"), (5400, "2 hours")),
        *((4 * 86_400, "4 days"), (None, "–")),
    ],
)
def test_duration(seconds, text):
    assert desk.duration(seconds) == text


def test_elapsed():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert desk.elapsed(start, start + timedelta(minutes=5)) == "5 minutes"
    assert desk.elapsed(None, start) == "–"


def test_when():
    moment = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
    assert desk.when(moment) == (
        '<time datetime="2026-11-21T14:05:00+00:00" title="UTC">21 Nov 2026, 14:05</time>'
    )
    assert desk.when(None) == "–"


def test_numbers_of_steps_count_from_one():
    assert desk.numbers([0, 2]) == "1, 3"
    assert desk.numbers([]) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(2, "first error at step 3"), ("none", "no error"), ("", "first error not known")],
)
def test_first_error_words(value, text):
    assert desk.first_error_words(value) == text


def test_a_word_that_is_not_known_stays():
    assert desk.outcome_word("strange") == "strange"
    assert desk.reject_word("strange") == "strange"
    assert desk.standing_word("strange") == "strange"
    assert desk.item_state("strange") == "strange"


def test_another_locale():
    with override("de"):
        assert desk.count(12345) == "12.345"
        assert desk.decimal(0.8155) == "0,82"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("item is disputed", "In dispute"),
        ("rejected: not_different", "Rejected: Nothing really differs"),
        ("verdict is unsure", "Unsure"),
        ("something new", "something new"),
    ],
)
def test_reasons_for_leaving_out_are_words(reason, word):
    assert desk.left_out_word(reason) == word
