from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeljobs.methods.code_blocks import find_fences, find_last_code, find_open_fence

# What fences and strings are made of, in every order.
FRAGMENTS = st.lists(
    st.sampled_from(
        ["```", "```python", "\n", "x = 1", '"""', "'''", '"', "'", "#", "\\", "[Code Output]", " "]
    ),
    max_size=30,
).map("".join)


def test_it_works() -> None:
    (fence,) = find_fences("Look:\n```python\nprint(1)\n```\nDone.")
    assert (fence.info, fence.code, fence.is_closed) == ("python", "print(1)", True)


def test_the_last_closed_python_block_is_the_one_meant() -> None:
    text = "```python\na = 1\n```\n```\n1\n```\n```python\nb = 2\n```\n"
    assert find_last_code(text) == "b = 2"


def test_a_block_without_an_end_is_not_code_to_run() -> None:
    text = "```python\nb = 2\nprint("
    assert find_last_code(text) is None
    fence = find_open_fence(text)
    assert fence is not None
    assert (fence.is_python, fence.code, fence.is_in_string) == (True, "b = 2\nprint(", False)


def test_a_plain_block_is_no_code() -> None:
    assert find_last_code("```\n5\n```\n") is None


@pytest.mark.parametrize("info", ["python", "Python", "python3", "py", " python "])
def test_python_has_several_names(info: str) -> None:
    assert find_last_code(f"```{info}\nx\n```") == "x"


def test_code_within_a_line_opens_nothing() -> None:
    assert find_fences("Here ```x = 1``` is meant.\n```x``` too.") == []


@pytest.mark.parametrize(
    "code",
    [
        'print("```")',
        'print("""\n```\n""")',
        "print('''\n```\n```python\n```\n''')",
        'x = """a \\"""\n```\n"""',
        "# it's\nx = 1",
        'x = "it\'s"\ny = \'"""\'',
        'x = 1 # a """ in a comment',
        "x = '\\\\'\ny = 2",
    ],
)
def test_backticks_and_quotes_in_strings_end_nothing(code: str) -> None:
    assert find_last_code(f"```python\n{code}\n```\n") == code


def test_an_open_block_says_whether_it_ends_in_a_string() -> None:
    fence = find_open_fence('```python\nprint("""\n```\n')
    assert fence is not None
    assert fence.is_in_string
    closed = find_open_fence('```python\nx = """a"""\ny = ')
    assert closed is not None
    assert not closed.is_in_string


def test_a_string_that_breaks_off_in_its_line_does_not_hide_the_fence() -> None:
    assert find_last_code('```python\nprint("a)\n```\n') == 'print("a)'


@given(FRAGMENTS)
@settings(max_examples=300, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    fences = find_fences(text)
    assert all(fence.is_closed for fence in fences[:-1])
    assert all(fence.body in text for fence in fences)
    code = find_last_code(text)
    assert code is None or code in text


@pytest.mark.parametrize(
    "text", ['```python\n"""' + "```\n" * 50_000, "```\n" * 50_000, "```python\n'\n```\n" * 20_000]
)
def test_long_texts_are_read_to_their_end(text: str) -> None:
    # A quadratic reading would not come back.
    assert sum(len(fence.body) for fence in find_fences(text)) <= len(text)


@given(st.text(alphabet="ab =\n()+1", max_size=40))
@settings(deadline=None)
def test_code_comes_back_as_it_was_written(code: str) -> None:
    assert find_last_code(f"```python\n{code}\n```\n") == code.strip("\n").rstrip()
