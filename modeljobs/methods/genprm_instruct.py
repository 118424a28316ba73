"""GenPRM's way of judging with any chat model: our own prompt, no forced beginnings.

The model analyses, writes one Python program, is shown what it printed and gives its verdict. Where
the server gives no log-probabilities the verdicts are votes without probabilities.
"""

from __future__ import annotations

from modeljobs.engines.base import Completion, CompletionRequest, Message
from modeljobs.methods.code_blocks import find_fences, find_last_code
from modeljobs.methods.genprm_prompts import CODE_OUTPUT_PREFIX, FENCE_END
from modeljobs.methods.genprm_samples import (
    IMAGINED,
    KILLED,
    CodeBlock,
    CodeLost,
    History,
    SampleResult,
    Seat,
    build_result,
)
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import read_probability, trim_reply
from modeljobs.methods.templates import fill, load_prompt
from modeljobs.methods.verdicts import Verdict, find_last_verdict

PROMPT = "genprm/instruct"
VERDICT_MARKER = "\\boxed"
NOTHING = "(nothing)"


async def judge_step(seat: Seat, *, problem: str, step: str) -> SampleResult:
    """One sample's verdict on one step. Engine errors go through.

    1. Ask. 2. Run the code and show its output, some rounds at most. 3. Ask for the bare verdict
    where none came.
    """
    messages = _begin(seat, problem, step)
    begin = len(messages)
    completion = await _ask(seat, messages, "judge")
    if seat.mode.execute:
        completion = await _answer_code(seat, messages, completion)
    fell_back = not isinstance(_read_verdict(seat, completion), Verdict)
    if fell_back:
        messages.append(Message("user", _write(seat, "final")))
        completion = await _ask(seat, messages, "final")
    verdict = _read_verdict(seat, completion, is_final=fell_back)
    start = verdict.start if isinstance(verdict, Verdict) else 0
    replies = [one.content for one in messages[begin:] if one.role == "assistant"]
    if not seat.mode.execute:
        seat.blocks += _list_imagined(replies[0])
    return build_result(
        seat,
        verdict,
        read_probability(completion.logprobs, text=completion.text, start=start),
        text=_write_out(replies, seat.blocks),
        analysis=_cut_analysis(replies[0]),
        fell_back=fell_back,
        history=History(messages=tuple(messages), blocks=(*seat.history.blocks, *seat.blocks)),
    )


def _begin(seat: Seat, problem: str, step: str) -> list[Message]:
    """The chat so far and the question; before the first step stands the problem."""
    asked = _write(seat, seat.mode.name, step=step)
    if seat.history.messages:
        return [*seat.history.messages, Message("user", asked)]
    opening = _write(seat, "problem", problem=problem)
    return [
        Message("system", _write(seat, "system")),
        Message("user", f"{opening}\n\n{asked}"),
    ]


async def _answer_code(seat: Seat, messages: list[Message], completion: Completion) -> Completion:
    """Run what the model wrote and show it the output, until it writes no more: its last turn."""
    for number in range(1, seat.work.settings.code_rounds + 1):
        code = _find_code(completion)
        if not code:
            break
        try:
            output = await seat.run_code(code)
        except CodeLost:
            break
        messages.append(Message("user", _write(seat, "output", output=output)))
        completion = await _ask(seat, messages, f"judge{number}")
    return completion


def _write(seat: Seat, section: str, **values: str) -> str:
    """A section of the prompt, filled in."""
    known = {"number": str(seat.position + 1), **values}
    return fill(load_prompt(PROMPT).sections[section], known)


async def _ask(seat: Seat, messages: list[Message], stage: str) -> Completion:
    """The model's next turn, which is added to the messages."""
    key = f"{seat.key}/{stage}"
    settings = seat.work.settings
    request = CompletionRequest(
        key=key,
        messages=tuple(messages),
        sampling=seat.build_sampling(
            key, max_tokens=settings.max_tokens, stop=(), logprobs=settings.logprobs
        ),
        metadata=seat.describe(stage),
    )
    reply = trim_reply(await seat.ask(request), VERDICT_MARKER)
    completion = reply.completions[0]
    is_final = stage == "final"
    verdict = _read_verdict(seat, completion, is_final=is_final)
    problem = verdict.reason if is_final and isinstance(verdict, Unparsed) else ""
    await seat.report(request, reply, purpose=stage.rstrip("0123456789"), problem=problem)
    # Servers refuse a turn without text.
    messages.append(Message("assistant", completion.text or NOTHING))
    return completion


def _find_code(completion: Completion) -> str | None:
    """The block to run; none of a reply that was cut off, whose last block is not the one meant."""
    if completion.finish_reason == "length":
        return None
    return find_last_code(completion.text)


def _read_verdict(
    seat: Seat, completion: Completion, *, is_final: bool = False
) -> Verdict | Unparsed:
    verdict = find_last_verdict(completion.text)
    if isinstance(verdict, Unparsed) and completion.finish_reason == "length":
        limit = seat.work.settings.max_tokens
        return Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
    if isinstance(verdict, Verdict) and not is_final and seat.mode.execute:
        # A verdict from before the code's output is one without it.
        code_end = completion.text.rfind("```")
        if verdict.start < code_end:
            return Unparsed("no_verdict", "The reply gives its verdict before its code.")
    return verdict


def _list_imagined(reply: str) -> list[CodeBlock]:
    return [
        CodeBlock(fence.code, "", IMAGINED)
        for fence in find_fences(reply)
        if fence.is_python and fence.is_closed and fence.code
    ]


def _cut_analysis(reply: str) -> str:
    """What the first reply says before its code."""
    return reply.partition("```python")[0].strip()


def _write_out(replies: list[str], blocks: list[CodeBlock]) -> str:
    """All of the model's turns as one text, with what its code printed in between."""
    outputs = [
        f"\n{CODE_OUTPUT_PREFIX}{block.output}{FENCE_END}"
        for block in blocks
        if block.status not in (IMAGINED, KILLED)
    ]
    outputs += [""] * len(replies)
    parts = [f"{reply}\n{output}" for reply, output in zip(replies, outputs, strict=False)]
    return "".join(parts).rstrip() + "\n"
