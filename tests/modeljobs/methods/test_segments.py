from __future__ import annotations

import pytest

from modeljobs.engines.base import Completion, Piece, TokenLogprob
from modeljobs.methods.segments import Segment, find_ids_tail, read_segment

FENCE, OUTPUT = "\n```\n", "</output>\n"
STOPS = (FENCE, OUTPUT)


def tokens(*texts: str) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(text, -0.1) for text in texts)


def read(completion: Completion, guess: str = "") -> Segment:
    tail = find_ids_tail(completion)
    return read_segment(completion, STOPS, lambda text: guess, ids_tail=tail)


def test_an_engine_may_include_the_stop_string() -> None:
    segment = read(Completion("x = 1\n```\n", "stop"))
    assert (segment.said, segment.stop, segment.is_cut) == ("x = 1", FENCE, False)
    assert segment.text == "x = 1\n```\n"


@pytest.mark.parametrize(
    ("rest", "stop"),
    [("\n```\n", FENCE), ("\n```\n\n", FENCE), ("</output>\n", OUTPUT), ("<|end|>", "")],
)
def test_the_tokens_behind_the_text_say_how_it_ended(rest: str, stop: str) -> None:
    completion = Completion("x = 1", "stop", logprobs=tokens("x", " = 1", rest))
    segment = read(completion, guess="a wrong guess")
    assert (segment.said, segment.stop) == ("x = 1", stop)


def test_tokens_may_be_cut_in_front() -> None:
    completion = Completion("a long text before x", "stop", logprobs=tokens(" x", "\n```\n"))
    assert read(completion).stop == FENCE


@pytest.mark.parametrize("logprobs", [None, (), tokens("x", " = 1"), tokens("Ġx", "Ċ```")])
def test_without_such_tokens_the_text_must_do(
    logprobs: tuple[TokenLogprob, ...] | None,
) -> None:
    segment = read(Completion("x = 1", "stop", logprobs=logprobs), guess=FENCE)
    assert segment.stop == FENCE


def test_an_empty_text_has_its_stop_string_as_well() -> None:
    assert read(Completion("", "stop", logprobs=tokens("</output>\n"))).stop == OUTPUT


@pytest.mark.parametrize("reason", ["length", "abort", "content_filter"])
def test_a_cut_text_has_none(reason: str) -> None:
    segment = read(Completion("x = 1", reason, logprobs=tokens("x = 1")), guess=FENCE)
    assert (segment.stop, segment.is_cut) == ("", True)


def test_token_ids_go_along_where_they_spell_the_text() -> None:
    completion = Completion(
        "x = 1", "stop", logprobs=tokens("x", " = 1", "\n```\n"), token_ids=(1, 2, 3)
    )
    assert read(completion).pieces == (Piece("x = 1\n```\n", (1, 2, 3)),)


@pytest.mark.parametrize(
    "logprobs",
    [tokens("x", " = 1"), tokens("x", " = 1", "\n```\n"), tokens("\ufffd", " = 1", FENCE)],
)
def test_token_ids_of_the_text_alone_are_followed_by_the_stop_string(
    logprobs: tuple[TokenLogprob, ...],
) -> None:
    text = "".join(entry.token for entry in logprobs[:2])
    completion = Completion(text, "stop", logprobs=logprobs, token_ids=(1, 2))
    assert read(completion, guess=FENCE).pieces == (Piece(text, (1, 2)), Piece(FENCE))


def test_a_split_character_in_the_middle_does_no_harm() -> None:
    logprobs = tokens("\ufffd", "\ufffd", " = 1", *"+2-2+2-2+2-2+2-2", FENCE)
    completion = Completion(
        "é = 1+2-2+2-2+2-2+2-2", "stop", logprobs=logprobs, token_ids=tuple(range(19))
    )
    assert read(completion).pieces == (Piece(completion.text, tuple(range(19))), Piece(FENCE))


@pytest.mark.parametrize(
    "logprobs",
    [None, tokens("= 1"), tokens("x = 1", "\n```\n\n"), tokens("x = 1", "<|end|>")],
)
def test_token_ids_that_may_spell_something_else_are_dropped(
    logprobs: tuple[TokenLogprob, ...] | None,
) -> None:
    segment = read(Completion("x = 1", "stop", logprobs=logprobs, token_ids=(1, 2)))
    assert all(piece.token_ids is None for piece in segment.pieces)
    assert "".join(piece.text for piece in segment.pieces) == segment.text
