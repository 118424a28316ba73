from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeljobs.tiny.lessons import Mix, draw_lessons
from modeljobs.tiny.model import CHECKPOINTS, list_checkpoints
from modeljobs.tiny.tokenizer import (
    ASSISTANT,
    BEGIN,
    END,
    SPECIALS,
    USER,
    Tokenizer,
    build_tokenizer,
    encode_chat,
)

TOKENIZER = build_tokenizer()


def spell(text: str) -> list[str]:
    return [TOKENIZER.vocabulary[number] for number in TOKENIZER.encode(text)]


def draw_texts(count: int) -> list[str]:
    lessons = draw_lessons(random.Random(4), Mix())
    return ["".join([part.text for part in next(lessons)]) for _ in range(count)]


def test_it_works() -> None:
    assert spell("{Yes}$\n</output>\n") == ["{", "Yes", "}$\n", "</output>\n"]
    assert spell("s2 = 407") == ["s", "2", " = ", "40", "7"]


def test_the_vocabulary_is_small() -> None:
    assert len(TOKENIZER) <= 512


def test_a_step_of_the_protocol_is_short() -> None:
    prefix = "<verify>\nLet's use python code to find any potential error:\n```python\n"
    assert len(TOKENIZER.encode(prefix)) == 1


@given(st.text())
def test_decoding_is_exact(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize("special", SPECIALS)
def test_a_mark_in_what_people_write_stays_text(special: str) -> None:
    ids = TOKENIZER.encode(f"a{special}b", specials=False)
    assert TOKENIZER.id_of(special) not in ids
    assert TOKENIZER.decode(ids) == f"a{special}b"


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800")) == "a?"


def test_lessons_have_the_same_tokens_in_parts_and_as_a_whole() -> None:
    lessons = draw_lessons(random.Random(4), Mix())
    for _ in range(200):
        texts = [part.text for part in next(lessons)]
        assert TOKENIZER.encode_pieces(texts) == TOKENIZER.encode("".join(texts))


def test_a_chat_is_laid_out_as_the_checkpoints_know_it() -> None:
    messages = [("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V")]
    whole = f"{BEGIN}S{USER}U{ASSISTANT}A{END}{USER}V{ASSISTANT}"
    assert encode_chat(TOKENIZER, messages) == TOKENIZER.encode(whole)


def test_a_last_turn_by_the_assistant_is_left_open() -> None:
    messages = [("user", "U"), ("assistant", "A")]
    assert encode_chat(TOKENIZER, messages) == TOKENIZER.encode(f"{BEGIN}{USER}U{ASSISTANT}A")


def test_a_vocabulary_that_names_a_token_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Tokenizer(["a", "a"])


@pytest.mark.parametrize("name", list_checkpoints())
def test_checkpoints_have_this_vocabulary(name: str) -> None:
    assert Tokenizer.read(CHECKPOINTS / name).vocabulary == TOKENIZER.vocabulary


@pytest.mark.models
@pytest.mark.parametrize("name", list_checkpoints())
def test_transformers_reads_the_same_tokens(name: str) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(CHECKPOINTS / name)
    odd = ["héllo\x00 \t 你好 <｜User｜>", "<0x41>", "a\r\n  b", "🙂 Yesterday Nope", "\x7f", " "]
    for text in [*draw_texts(100), *odd]:
        assert theirs.encode(text, add_special_tokens=False) == TOKENIZER.encode(text)
        assert theirs.decode(TOKENIZER.encode(text)) == text


@pytest.mark.models
def test_transformers_lays_out_the_same_chat() -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(CHECKPOINTS / list_checkpoints()[0])
    roles = ("system", "user", "assistant", "user")
    messages = [{"role": role, "content": f"text {role}"} for role in roles]
    made = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    assert list(made["input_ids"]) == encode_chat(
        TOKENIZER, [(message["role"], message["content"]) for message in messages]
    )
