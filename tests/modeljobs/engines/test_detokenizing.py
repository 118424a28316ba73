from __future__ import annotations

from collections.abc import Sequence

from modeljobs.engines.detokenizing import TextStream

# Each token is one byte of UTF-8: characters may need several.
LONGEST = "naïve 数学 ∑"


def decode_bytes(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


def spell(text: str, *, stop: Sequence[str] = (), prompt: str = "") -> TextStream:
    stream = TextStream(decode_bytes, prompt=prompt.encode(), stop=stop)
    for token in text.encode():
        if stream.push(token):
            break
    return stream


def test_it_works() -> None:
    assert spell(LONGEST).finish() == LONGEST


def test_a_character_appears_when_its_last_byte_has_come() -> None:
    stream = TextStream(decode_bytes, prompt=())
    seen = []
    for token in "数a".encode():
        stream.push(token)
        seen.append(stream.text)
    assert seen == ["", "", "数", "数a"]


def test_half_a_character_at_the_end_is_kept_as_what_it_is() -> None:
    stream = TextStream(decode_bytes, prompt=())
    stream.push("数".encode()[0])
    assert stream.finish() == "\ufffd"


def test_bytes_that_make_no_character_are_not_held_back_for_ever() -> None:
    stream = TextStream(decode_bytes, prompt=(), stop=("END",))
    for token in b"\xff" * 20:
        stream.push(token)
    assert len(stream.text) >= 16
    assert [stream.push(token) for token in b"END"] == [False, False, True]


def test_a_stop_string_ends_the_text_before_it() -> None:
    stream = spell("yes</output>\nmore", stop=("</output>\n",))
    assert (stream.text, stream.is_stopped) == ("yes", True)


def test_the_first_of_several_stop_strings_counts() -> None:
    # "a\nb" is complete at its last token, "\n" stands earlier in the text.
    assert spell("xa\nb", stop=("a\nb", "\n")).text == "xa"


def test_a_stop_string_across_tokens_is_found() -> None:
    words = ["Hel", "lo E", "N", "D now"]
    stream = TextStream(lambda ids: "".join(words[i] for i in ids), prompt=(), stop=("END",))
    assert [stream.push(i) for i in range(4)] == [False, False, False, True]
    assert stream.text == "Hello "


def test_the_prompt_is_no_part_of_the_text_nor_of_a_stop_string() -> None:
    stream = spell("D and on", stop=("END",), prompt="EN")
    assert (stream.finish(), stream.is_stopped) == ("D and on", False)


def test_the_space_before_a_first_word_is_kept() -> None:
    """Some tokenizers drop it at the beginning of what they decode."""

    def decode(ids: Sequence[int]) -> str:
        return "".join([" one", " two"][i] for i in ids).removeprefix(" ")

    stream = TextStream(decode, prompt=(0,))
    stream.push(1)
    assert stream.finish() == " two"


def test_tokens_that_spell_nothing_change_nothing() -> None:
    stream = TextStream(lambda ids: "x" * sum(i > 0 for i in ids), prompt=())
    for token in (1, 0, 0, 1):
        stream.push(token)
    assert stream.finish() == "xx"
