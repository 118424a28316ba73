"""How each family writes a solution down, and the token at which each step is scored.

The fixed strings are the ones that the published models were trained with. Positions come from the
counting of pieces, never from a search for tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from modeljobs.methods.prm.encoding import Bench, Laid, Line

# With the backslash: PRMBench's adapter writes "\boxed" in an ordinary string, where it is the
# character BACKSPACE.
QWEN_SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
QWEN_TAG = "<extra_0>"
SHEPHERD_TAG = "ки"
MINOS_TAG = "и"
LINE_TAG = "\n"
PSA_TAG = "\n\n\n\n\n"
LLEMMA_TAG = "\n\n"
REASONEVAL_PROMPT = "Question:\n{question}\nAnswer:\nLet's think step by step.\n"
LLEMMA_PROMPT = "# Question\n\n{question}\n\n# Solution\n\n"
LLAMA_START = "<|begin_of_text|>"
LLAMA_TURN = "<|start_header_id|>{role}<|end_header_id|>"
LLAMA_END = "<|eot_id|>"

_NUMBER = re.compile(r"^step\s*:?\s*\d+\s*[:.]\s*", re.IGNORECASE)
_LINE_END = re.compile(r"[ \t]*[\r\n]+\s*")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\r?\n[ \t]*)+")


# Writes a problem and its steps down for one family.
Layout = Callable[[Bench, str, Sequence[str]], Coroutine[Any, Any, Laid]]


async def lay_qwen(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """A chat whose last turn is the steps, `<extra_0>` behind each: Qwen2.5-Math-PRM, ActPRM."""
    tag = await bench.token(QWEN_TAG)
    line = Line()
    opening = f"<|im_start|>system\n{QWEN_SYSTEM}<|im_end|>\n<|im_start|>"
    line.add(opening, await bench.plain(opening))
    line.add(f"user\n{problem}", await bench.free(problem, before="user\n"))
    turn = "<|im_end|>\n<|im_start|>"
    line.add(turn, await bench.plain(turn))
    positions = []
    for number, step in enumerate(steps):
        # One text, as between two special tokens of the chat.
        before = "" if number else "assistant\n"
        line.add(f"{before}{step}", await bench.free(step, before=before))
        positions.append(line.add(QWEN_TAG, (tag,)))
    closing = "<|im_end|>\n"
    line.add(closing, await bench.plain(closing))
    return Laid(tuple(line.pieces), tuple(positions))


async def lay_shepherd(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """`{problem} Step 1: … ки\\nStep 2: … ки\\n`, scored at each tag by `+` against `-`."""
    tag = await bench.tag(SHEPHERD_TAG)
    signs = (await bench.token("+", " +"), await bench.token("-", " -"))
    line = Line()
    line.add("<s>", (await bench.token("<s>"),))
    positions = []
    for number, step in enumerate(steps, 1):
        text = f"Step {number}: {_flatten(step)}"
        before = f"{problem} {text}" if number == 1 else f"\n{text}"
        ids = await bench.free(before, tag=SHEPHERD_TAG, tag_id=tag[-1], follows=number > 1)
        line.add(before, ids)
        positions.append(line.add(f" {SHEPHERD_TAG}", tag) + len(tag) - 1)
    line.add("\n", await bench.follow("\n"))
    return Laid(tuple(line.pieces), tuple(positions), columns=signs)


async def lay_minos(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """`Human: …\\n\\nAssistant:Step 1: … и\\nStep 2: … и\\n`, scored at each tag."""
    tag = await bench.tag(MINOS_TAG)
    line = Line()
    line.add("<s>", (await bench.token("<s>"),))
    positions = []
    for number, step in enumerate(steps, 1):
        text = f"Step {number}: {_flatten(step)}"
        whole = f"Human: {problem}\n\nAssistant:{text}" if number == 1 else f"\n{text}"
        line.add(whole, await bench.free(whole, follows=number > 1))
        positions.append(line.add(f" {MINOS_TAG}", tag) + len(tag) - 1)
    line.add("\n", await bench.follow("\n"))
    return Laid(tuple(line.pieces), tuple(positions))


async def lay_rlhflow(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """A turn for each step, answered by `+`; scored at the token from which the answer is guessed.

    Every answer in the history is `+`, so that one pass has all scores.
    """
    signs = (await bench.token("+"), await bench.token("-"))
    user, answer = (LLAMA_TURN.format(role=role) for role in ("user", "assistant"))
    line = Line()
    line.add(LLAMA_START, (await bench.token(LLAMA_START),))
    positions = []
    for number, step in enumerate(steps):
        said = step.strip() if number else f"{problem} {step.strip()}".strip()
        line.add(user, await bench.plain(user))
        line.add(f"\n\n{said}", await bench.free(said, before="\n\n"))
        asked = f"{LLAMA_END}{answer}\n\n"
        line.add(asked, await bench.plain(asked))
        positions.append(line.add("+", signs[:1]) - 1)
        line.add(LLAMA_END, await bench.plain(LLAMA_END))
    return Laid(tuple(line.pieces), tuple(positions), columns=signs)


async def lay_skywork(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """`{start}{problem}\\n`, then each step with a line's end, at which it is scored.

    A line's end ends a step, so that there is none within one.
    """
    tag = await bench.token(LINE_TAG)
    line = Line()
    line.add("<|endoftext|>", (await bench.token("<|endoftext|>"),))
    line.add(f"{problem}\n", await bench.free(f"{problem}\n"))
    positions = []
    for step in steps:
        text = _flatten(step)
        line.add(text, await bench.free(text))
        positions.append(line.add(LINE_TAG, (tag,)))
    return Laid(tuple(line.pieces), tuple(positions))


async def lay_pure(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """The problem, then each step with a line's end, at which it is scored. Nothing else.

    Blank lines separate the steps of this family's data, so that there is none within one.
    """
    tag = await bench.token(LINE_TAG)
    line = Line()
    line.add(problem, await bench.free(problem))
    positions = []
    for step in steps:
        text = _close_up(step)
        line.add(text, await bench.free(text))
        positions.append(line.add(LINE_TAG, (tag,)))
    return Laid(tuple(line.pieces), tuple(positions))


async def lay_psa(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """`{problem} Step 1: … {tag} Step 2: … {tag}`; the tag is five line ends behind a space."""
    spelled = f" {PSA_TAG}"
    tag = await bench.token(spelled, PSA_TAG)
    signs = (await bench.token(" +", "+"), await bench.token(" -", "-"))
    line = Line()
    positions = []
    for number, step in enumerate(steps, 1):
        text = f" Step {number}: {_NUMBER.sub('', _close_up(step))}"
        whole = f"{problem}{text}" if number == 1 else text
        ids = await bench.free(whole, tag=PSA_TAG, tag_id=tag, follows=number > 1)
        line.add(whole, ids)
        positions.append(line.add(spelled, (tag,)))
    return Laid(tuple(line.pieces), tuple(positions), columns=signs)


async def lay_llemma(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """`# Question … # Solution …`, a blank line behind each step, scored at its first token."""
    head = LLEMMA_PROMPT.format(question=problem)
    tag = await bench.follow(LLEMMA_TAG)
    line = Line()
    line.add("<s>", (await bench.token("<s>"),))
    line.add(head, await bench.free(head))
    positions = []
    for step in steps:
        text = _close_up(step)
        line.add(text, await bench.free(text, follows=True))
        positions.append(line.add(LLEMMA_TAG, tag))
    return Laid(tuple(line.pieces), tuple(positions), reduce_mean=True)


async def lay_reasoneval(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """The prompt and the steps with nothing between, each scored at its last token.

    Each part is encoded by itself: the published code puts separators between and takes them out.
    """
    return await _lay_reasoneval(bench, problem, steps, back=0)


async def lay_reasoneval_shifted(bench: Bench, problem: str, steps: Sequence[str]) -> Laid:
    """The same, scored one token before the last.

    The published code for the 7B model counts positions first and puts the text's first token
    before it afterwards, by which each position comes to stand one token early.
    """
    return await _lay_reasoneval(bench, problem, steps, back=1)


async def _lay_reasoneval(bench: Bench, problem: str, steps: Sequence[str], *, back: int) -> Laid:
    prompt = REASONEVAL_PROMPT.format(question=problem)
    line = Line()
    line.add("<s>", (await bench.token("<s>"),))
    line.add(prompt, await bench.free(prompt))
    positions: list[int | None] = []
    for step in steps:
        ids = await bench.free(step)
        start = line.add(step, ids)
        positions.append(start + len(ids) - 1 - back if ids else None)
    return Laid(tuple(line.pieces), tuple(positions))


def _flatten(step: str) -> str:
    """The step as one line, without a number of its own."""
    return _LINE_END.sub(" ", _NUMBER.sub("", step.strip()))


def _close_up(step: str) -> str:
    """The step without blank lines."""
    return _BLANK_LINES.sub("\n", step.strip())
