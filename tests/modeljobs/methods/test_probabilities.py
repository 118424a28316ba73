from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeljobs.engines.base import Completion, EngineReply, TokenLogprob
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import (
    YesProbability,
    read_probability,
    trim_logprobs,
    trim_reply,
)

TEXT = "<output>\n**Judgement**: $\\boxed{Yes}$\n"
START = TEXT.index("Yes")


def tokenise(text: str, tops: dict[str, dict[str, float]]) -> tuple[TokenLogprob, ...]:
    """Tokens of one character, but for the words in `tops`, whose values are probabilities."""
    pattern = "|".join([*map(re.escape, tops), "."])
    entries = []
    for token in re.findall(pattern, text, re.DOTALL):
        top = {name: math.log(p) if p else -math.inf for name, p in tops.get(token, {}).items()}
        entries.append(TokenLogprob(token, top.get(token, -1.0), top))
    return tuple(entries)


def read(tops: dict[str, dict[str, float]], text: str = TEXT, start: int = START) -> YesProbability:
    return find(tokenise(text, tops), text, start)


def find(entries: Sequence[TokenLogprob], text: str, start: int) -> YesProbability:
    found = read_probability(entries, text=text, start=start)
    assert isinstance(found, YesProbability), found
    return found


def test_it_works() -> None:
    # 0.6 / (0.6 + 0.2) = 0.75
    found = read({"Yes": {"Yes": 0.6, "No": 0.2}})
    assert found.value == pytest.approx(0.75)
    assert found.bound == "exact"


def test_a_verdict_of_no_has_the_probability_of_yes_as_well() -> None:
    text = TEXT.replace("Yes", "No")
    found = read({"No": {"Yes": 0.1, "No": 0.8}}, text)
    assert found.value == pytest.approx(1 / 9)


@pytest.mark.parametrize("token", ["Yes", " Yes", "{Yes", "{ Yes", "Yes}", "YES", "ĠYes", "▁yes"])
def test_a_token_may_carry_more_than_the_word(token: str) -> None:
    text = f"<output>\\boxed{token}"
    start = text.lower().index("yes")
    other = token.lower().replace("yes", "No")
    found = read({token: {token: 0.3, other: 0.1}}, text, start)
    assert found.value == pytest.approx(0.75)


def test_all_spellings_of_a_word_count() -> None:
    # (0.5 + 0.1) / (0.5 + 0.1 + 0.2)
    assert read({"Yes": {"Yes": 0.5, "yes": 0.1, "No": 0.2}}).value == pytest.approx(0.75)


def test_a_missing_no_gives_a_lower_bound() -> None:
    # No has at most what the least likely one has: 0.9 / (0.9 + 0.05).
    found = read({"Yes": {"Yes": 0.9, "Maybe": 0.05, "True": 0.05}})
    assert found.value == pytest.approx(0.9 / 0.95)
    assert found.bound == "at_least"


def test_a_missing_yes_gives_an_upper_bound() -> None:
    found = read({"No": {"No": 0.9, "Maybe": 0.04}}, TEXT.replace("Yes", "No"))
    assert found.value == pytest.approx(0.04 / 0.94)
    assert found.bound == "at_most"


def test_a_sampled_token_out_of_the_list_does_not_lower_the_bound() -> None:
    # Yes was sampled though unlikely; No may still be as likely as the least of the others.
    found = read({"Yes": {"A": 0.5, "B": 0.3, "Yes": 0.001}})
    assert found.value == pytest.approx(0.001 / 0.301)
    assert found.bound == "at_least"


def test_a_token_without_alternatives_leaves_the_rest_to_the_other_word() -> None:
    token = TokenLogprob("Yes", math.log(0.8))
    found = find([token], "Yes", 0)
    assert found.value == pytest.approx(0.8)
    assert found.bound == "at_least"


def test_only_the_token_of_the_verdict_counts() -> None:
    text = "Yes, I say. <output>\\boxed{Yes}"
    entries = list(tokenise(text, {"Yes": {"Yes": 0.9, "No": 0.1}}))
    entries[0] = TokenLogprob("Yes", -5.0, {"Yes": -5.0, "No": -0.1})
    found = find(entries, text, text.rindex("Yes"))
    assert found.value == pytest.approx(0.9)
    assert found.bound == "exact"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (None, "no_logprobs"),
        ((), "no_logprobs"),
        ([TokenLogprob("Y", -0.1), TokenLogprob("es", -0.1)], "no_token"),
        ([TokenLogprob("token_id:7", -0.1)], "no_token"),
        ([TokenLogprob("Yes", -math.inf, {"Yes": -math.inf, "No": -math.inf})], "no_mass"),
    ],
)
def test_every_reason_for_no_probability(entries: list[TokenLogprob] | None, code: str) -> None:
    found = read_probability(entries, text="Yes", start=0)
    assert isinstance(found, Unparsed)
    assert found.code == code


def test_marks_of_a_tokenizer_do_not_hide_a_single_word() -> None:
    entries = [TokenLogprob("Ċ{", -0.1), TokenLogprob("Yes", math.log(0.6), {"No": math.log(0.2)})]
    assert find(entries, "\n{Yes", 2).value == pytest.approx(0.75)


def test_the_stop_strings_tokens_may_stand_behind_the_text() -> None:
    entries = tokenise(TEXT + "</output>\n", {"Yes": {"Yes": 0.6, "No": 0.2}})
    found = find(entries, TEXT, START)
    assert found.value == pytest.approx(0.75)
    assert found.bound == "exact"


@given(
    st.dictionaries(st.sampled_from(["Yes", "No", "yes", " No", "A", ""]), st.floats(-40, 0.001)),
    st.floats(-40, 0.001),
    st.sampled_from(["Yes", "No"]),
)
@settings(deadline=None)
def test_a_probability_is_one(top: dict[str, float], logprob: float, word: str) -> None:
    found = read_probability([TokenLogprob(word, logprob, top)], text=word, start=0)
    assert isinstance(found, Unparsed) or 0 <= found.value <= 1


@given(st.floats(0.01, 0.98), st.floats(0.001, 0.5), st.floats(0.0001, 0.0009))
@settings(deadline=None)
def test_a_bound_holds_whatever_the_missing_word_has(yes: float, other: float, no: float) -> None:
    # `no` is less likely than anything named.
    found = read({"Yes": {"Yes": yes, "A": other, "B": 0.001}})
    assert found.bound == "at_least"
    assert found.value <= yes / (yes + no)


def test_trimming_keeps_what_the_verdict_needs_and_little_else() -> None:
    text = "Some words. " * 20 + TEXT
    entries = tokenise(text, {"Yes": {"Yes": 0.6, "No": 0.2}})
    kept = trim_logprobs(entries, "<output>")
    assert kept is not None
    assert "".join(entry.token for entry in kept) == TEXT
    assert find(kept, text, text.index("Yes")).value == pytest.approx(0.75)


def test_without_the_marker_the_last_few_are_kept() -> None:
    entries = tokenise("x" * 100, {})
    kept = trim_logprobs(entries, "<output>")
    assert kept is not None
    assert len(kept) == 32
    assert trim_logprobs(entries, None) == entries
    assert trim_logprobs(None, "<output>") is None


@given(st.lists(st.sampled_from(["", "a", "bcd", "<output>", "<out", "put>", "é\n"]), max_size=60))
@settings(deadline=None)
def test_trimming_twice_changes_nothing(tokens: list[str]) -> None:
    entries = tuple(TokenLogprob(token, -1.0) for token in tokens)
    once = trim_logprobs(entries, "<output>")
    assert trim_logprobs(once, "<output>") == once
    assert once is not None
    assert entries[len(entries) - len(once) :] == once


def test_a_trimmed_reply_keeps_everything_else() -> None:
    entries = tokenise("x" * 100, {})
    reply = EngineReply((Completion("x" * 100, "stop", 3, 100, entries),), model="m", latency_ms=5)
    trimmed = trim_reply(reply, "<output>")
    assert trimmed.completions[0].text == "x" * 100
    assert (trimmed.model, trimmed.latency_ms, trimmed.completions[0].completion_tokens) == (
        "m",
        5,
        100,
    )
    assert len(trimmed.completions[0].logprobs or ()) == 32
