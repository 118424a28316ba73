"""What each family's model reads, letter for letter, with a token for each character."""

from __future__ import annotations

import asyncio

import pytest

from modeljobs.methods.prm import layouts
from modeljobs.methods.prm.encoding import Bench, Laid
from modeljobs.methods.prm.layouts import Layout
from tests.modeljobs.methods.prm.fakes import encode

LLAMA = ("<|begin_of_text|>",)


async def _encode(text: str) -> tuple[int, ...] | None:
    return (-99,) if text in LLAMA else encode(text)


def lay(layout: Layout, problem: str, *steps: str) -> Laid:
    return asyncio.run(layout(Bench(_encode), problem, steps))


def show(laid: Laid) -> str:
    """The text with the scored pieces marked."""
    assert all(piece.token_ids is not None for piece in laid.pieces)
    return "".join(piece.text for piece in laid.pieces)


def test_qwen() -> None:
    laid = lay(layouts.lay_qwen, "Q?", "a", "b\n\nc")
    assert show(laid) == (
        "<|im_start|>system\nPlease reason step by step, and put your final answer within "
        "\\boxed{}.<|im_end|>\n<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\n"
        "a<extra_0>b\n\nc<extra_0><|im_end|>\n"
    )
    assert "\b" not in show(laid)
    assert [laid.ids[one] for one in laid.scored] == [encode("<extra_0>")[0]] * 2


def test_math_shepherd() -> None:
    laid = lay(layouts.lay_shepherd, "Q?", "Step 1: a ", "step 9. b\nc", "d")
    assert show(laid) == "<s>Q? Step 1: a ки\nStep 2: b c ки\nStep 3: d ки\n"
    assert laid.columns == (ord("+"), ord("-"))


def test_math_minos() -> None:
    laid = lay(layouts.lay_minos, "Q?", "a", "b")
    assert show(laid) == "<s>Human: Q?\n\nAssistant:Step 1: a и\nStep 2: b и\n"
    assert laid.columns is None


def test_rlhflow() -> None:
    laid = lay(layouts.lay_rlhflow, "Q?", " a ", "b")
    user, assistant, end = (
        "<|start_header_id|>user<|end_header_id|>\n\n",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    )
    assert show(laid) == (
        f"<|begin_of_text|>{user}Q? a{end}{assistant}+{end}{user}b{end}{assistant}+{end}"
    )
    # The token from which the answer is guessed, and the answer behind it.
    assert [laid.ids[one] for one in laid.scored] == [ord("\n")] * 2
    assert [laid.ids[one + 1] for one in laid.scored] == [ord("+")] * 2


def test_skywork() -> None:
    laid = lay(layouts.lay_skywork, "Q\n?", "a\nb", "c")
    assert show(laid) == "<|endoftext|>Q\n?\na b\nc\n"
    assert [laid.ids[one] for one in laid.scored] == [ord("\n")] * 2


def test_pure() -> None:
    laid = lay(layouts.lay_pure, "Q?", "a\n\nb\nc", "d")
    assert show(laid) == "Q?a\nb\nc\nd\n"
    assert laid.scored == (7, 9)


def test_math_psa() -> None:
    laid = lay(layouts.lay_psa, "Q?", "a", "Step 2: b\n\n\nc")
    assert show(laid) == "Q? Step 1: a \n\n\n\n\n Step 2: b\nc \n\n\n\n\n"
    assert laid.columns == (encode(" +")[0], encode(" -")[0])


def test_llemma() -> None:
    laid = lay(layouts.lay_llemma, "Q?", "a\n\nb", "c")
    assert show(laid) == "<s># Question\n\nQ?\n\n# Solution\n\na\nb\n\nc\n\n"
    # The first of the two line ends.
    assert [laid.ids[one : one + 2] for one in laid.scored] == [(10, 10)] * 2
    assert laid.reduce_mean


def test_reasoneval() -> None:
    laid = lay(layouts.lay_reasoneval, "Q?", "a.", "b!")
    assert show(laid) == "<s>Question:\nQ?\nAnswer:\nLet's think step by step.\na.b!"
    assert [chr(laid.ids[one]) for one in laid.scored] == [".", "!"]


def test_reasoneval_as_its_code_counts() -> None:
    laid = lay(layouts.lay_reasoneval_shifted, "Q?", "a.", "b!")
    assert [chr(laid.ids[one]) for one in laid.scored] == ["a", "b"]


def test_a_step_without_text_has_no_last_token() -> None:
    laid = lay(layouts.lay_reasoneval, "Q?", "a.", "", "b!")
    assert laid.positions[1] is None
    assert len(laid.scored) == 2


@pytest.mark.parametrize(
    "layout", [layouts.lay_qwen, layouts.lay_shepherd, layouts.lay_skywork, layouts.lay_pure]
)
def test_a_step_without_text_is_scored_at_its_tag(layout: Layout) -> None:
    assert len(lay(layout, "Q?", "a", "", "b").scored) == 3
