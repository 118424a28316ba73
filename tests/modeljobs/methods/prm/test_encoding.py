from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from modeljobs.engines.base import EnginePermanent, Piece
from modeljobs.methods.prm.encoding import Bench, Laid
from tests.modeljobs.methods.prm.fakes import SINGLES, decode, encode

T = TypeVar("T")
TAG = "<extra_0>"
TAG_ID = -1 - SINGLES.index(TAG)


async def _encode(text: str) -> tuple[int, ...] | None:
    return encode(text)


async def _encode_with_space(text: str) -> tuple[int, ...] | None:
    """As SentencePiece does: a space before whatever is given."""
    return encode(f"▁{text}")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_a_tag_is_one_token() -> None:
    assert run(Bench(_encode).token(TAG)) == TAG_ID


def test_the_first_spelling_that_is_one_token_counts() -> None:
    assert run(Bench(_encode).token("none", " +", "+")) == -1 - SINGLES.index(" +")


def test_a_tag_of_several_tokens_means_another_model() -> None:
    with pytest.raises(EnginePermanent, match="'<none>' is 6 tokens") as caught:
        run(Bench(_encode).token("<none>"))
    assert caught.value.code == "unsupported_model"


def test_a_tag_behind_a_word_may_have_its_space_before_it() -> None:
    assert run(Bench(_encode).tag("ки")) == (ord(" "), encode("ки")[0])


def test_a_tag_may_hold_its_space() -> None:
    async def merge(text: str) -> tuple[int, ...]:
        return tuple(map(ord, text.replace(" ки", "K")))

    assert run(Bench(merge).tag("ки")) == (ord("K"),)


def test_a_tag_of_several_letters_means_another_model() -> None:
    with pytest.raises(EnginePermanent, match="'tag' is 4 tokens") as caught:
        run(Bench(_encode).tag("tag"))
    assert caught.value.code == "unsupported_model"


def test_an_engine_that_does_not_encode_is_refused() -> None:
    async def none(text: str) -> None:
        return None

    with pytest.raises(EnginePermanent, match="/tokenize") as caught:
        run(Bench(none).plain("a"))
    assert caught.value.code == "no_pooling"


@pytest.mark.parametrize("text", [f"a {TAG} b", TAG, f"{TAG}{TAG}", f"<<s>>{TAG}x"])
def test_a_spelled_special_token_stays_text(text: str) -> None:
    ids = run(Bench(_encode).free(text))
    assert all(one >= 0 for one in ids)
    assert decode(ids) == text


def test_what_only_looks_like_a_special_token_is_encoded_as_it_is() -> None:
    assert run(Bench(_encode).free("a <b> c")) == encode("a <b> c")


@pytest.mark.parametrize("text", ["руки", "кики", "к и ки"])
def test_a_tag_of_letters_is_halved(text: str) -> None:
    tag_id = encode("ки")[0]
    ids = run(Bench(_encode).free(text, tag="ки", tag_id=tag_id))
    assert tag_id not in ids
    assert decode(ids) == text


def test_our_own_words_before_a_text_are_encoded_with_it() -> None:
    ids = run(Bench(_encode).free(f"{TAG}?", before="user\n"))
    assert decode(ids) == f"user\n{TAG}?"
    assert TAG_ID not in ids


def test_a_text_behind_another_has_no_space_put_before_it() -> None:
    bench = Bench(_encode_with_space)
    assert decode(run(bench.plain("Step"))) == "▁Step"
    assert decode(run(bench.follow("Step"))) == "Step"
    assert decode(run(bench.free(f"a{TAG}b", follows=True))) == f"a{TAG}b"


def test_a_text_that_merges_with_the_line_end_is_taken_by_itself() -> None:
    async def merge(text: str) -> tuple[int, ...]:
        return (7,) if text.startswith("\n\n") else encode(text)

    assert run(Bench(merge).follow("\n!")) == encode("\n!")


def test_an_empty_text_has_no_tokens() -> None:
    assert run(Bench(_encode).free("")) == ()


def test_ids_are_counted_over_all_pieces() -> None:
    laid = Laid((Piece("ab", (1, 2)), Piece("c", (3,))), (2, None))
    assert laid.ids == (1, 2, 3)
    assert laid.scored == (2,)
