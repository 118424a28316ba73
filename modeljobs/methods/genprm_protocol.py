"""The published protocol of GenPRM for one step: analysis, code, verdict (Zhao et al. 2025, §3.3).

    analyse -> write code -> run it -> go on -> ... -> verdict
                  \\______ out of tokens, rounds or luck ______-> forced verdict (at most 20 tokens)

Each stage is a raw completion behind a forced beginning. Every loop is bounded: the reference goes
on for ever when a forced verdict does not end as expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from modeljobs.engines.base import CompletionRequest, Piece
from modeljobs.methods.code_blocks import Fence, find_fences, find_last_code, find_open_fence
from modeljobs.methods.genprm_prompts import (
    ANALYZE_END,
    CODE_OUTPUT_PREFIX,
    FENCE_END,
    OUTPUT_END,
    OUTPUT_PREFIX,
    TEMPLATES,
    VERIFY_END,
    VERIFY_PREFIX,
    Turn,
    build_prompt,
    disarm,
    write_analyze_prefix,
    write_code_output,
)
from modeljobs.methods.genprm_samples import (
    IMAGINED,
    KILLED,
    CodeBlock,
    CodeLost,
    History,
    SampleResult,
    Seat,
    build_result,
    estimate_tokens,
    join_texts,
)
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import read_probability, trim_reply
from modeljobs.methods.segments import Segment, find_ids_tail, read_segment
from modeljobs.methods.verdicts import OUTPUT_TAG, Verdict, find_output_verdict

FALLBACK_TOKENS = 20
# After the forced `\boxed` a verdict takes eight tokens or so.
VERDICT_TOKENS = 64


async def judge_step(seat: Seat, user: str, *, system: str) -> SampleResult:
    """One sample's verdict on one step. Engine errors go through."""
    settings = seat.work.settings
    prompt = build_prompt(
        seat.history.turns,
        user,
        system=system,
        template=TEMPLATES[settings.template],
        assistant_tag=settings.assistant_tag,
    )
    return await _Answer(seat, user, prompt).write()


@dataclass(slots=True)
class _Answer:
    """The assistant's turn as it grows. `pieces` is what has been written or forced so far."""

    seat: Seat
    user: str
    prompt: tuple[Piece, ...]
    pieces: list[Piece] = field(default_factory=list)
    # The finished analysis: what a forced verdict stands behind.
    head: tuple[Piece, ...] = ()
    # Where what was written since the last code output begins, in `pieces`.
    fresh: int = 0
    analysis: str = ""
    # Tokens of the answer so far: counted where the engine counts, else estimated.
    length: int = 0
    fell_back: bool = False

    async def write(self) -> SampleResult:
        mode = self.seat.mode
        if mode.analyze and not await self._analyze():
            return await self._force_verdict()
        if mode.verify:
            return await self._verify()
        if self._left() <= 0:
            return await self._force_verdict()
        self._force(OUTPUT_PREFIX)
        limit = max(1, min(VERDICT_TOKENS, self._left()))
        segment = await self._ask("output", (OUTPUT_END,), limit=limit, forced=OUTPUT_PREFIX)
        verdict = find_output_verdict(OUTPUT_PREFIX + segment.text)
        if isinstance(verdict, Verdict):
            self._say(segment)
            return self._finish(segment, verdict, forced=OUTPUT_PREFIX)
        return await self._force_verdict()

    async def _analyze(self) -> bool:
        """The first stage. False where it broke off, so that only a forced verdict can follow."""
        self._force(write_analyze_prefix(self.seat.position + 1))
        segment = await self._ask(
            "analyze", (ANALYZE_END,), limit=self.seat.work.settings.max_tokens, needs_top=False
        )
        self.analysis = segment.said.partition(ANALYZE_END.strip())[0]
        if segment.stop and self.analysis == segment.said:
            self._say(segment)
        else:
            # It ended by itself or was cut off: the tag is ours then.
            self.pieces += [Piece(text) for text in (self.analysis, ANALYZE_END) if text]
            self.length += _count_tokens(segment)
        self.head = tuple(self.pieces)
        self.fresh = len(self.pieces)
        return not segment.is_cut

    async def _verify(self) -> SampleResult:
        """Code, its output, and so on until a verdict; bounded by tokens, rounds and requests."""
        executes, most = self.seat.mode.execute, self.seat.work.settings.code_rounds
        stops = (FENCE_END, OUTPUT_END) if executes else (OUTPUT_END,)
        self._force(VERIFY_PREFIX)
        rounds = 0
        for number in range(2 * most):
            if rounds == most or self._left() <= 0:
                break
            segment = await self._ask(f"verify{number}", stops, limit=self._left())
            self._say(segment)
            fence = find_open_fence(self._get_fresh())
            if segment.stop != FENCE_END and not _is_in_code(fence):
                verdict = find_output_verdict(segment.text)
                if isinstance(verdict, Verdict) or segment.stop:
                    return self._finish(segment, verdict)
            if segment.stop and fence is not None:
                # A stop string within the code, or the fence that opens a plain block: go on.
                continue
            if segment.stop:
                if not await self._answer_code():
                    break
            elif not executes and not segment.is_cut and self._is_code_unanswered():
                self._force(CODE_OUTPUT_PREFIX)
            else:
                break
            rounds += 1
        return await self._force_verdict()

    async def _answer_code(self) -> bool:
        """Run the code written last and write down what it printed; False where we ended it."""
        try:
            output = await self.seat.run_code(find_last_code(self._get_fresh()))
        except CodeLost:
            return False
        self._force(write_code_output(disarm(output)))
        self.fresh = len(self.pieces)
        return True

    async def _force_verdict(self) -> SampleResult:
        """The bounded end: behind the analysis alone, or behind the code where there is none."""
        self.fell_back = True
        self._keep_imagined()
        if self.seat.mode.verify and not self.seat.mode.analyze:
            if find_open_fence(self._get_fresh()) is not None:
                self._force(FENCE_END)
            self._force(VERIFY_END)
        else:
            # As the reference does, what was written of the code is dropped.
            self.pieces = [*self.head]
        self._force(OUTPUT_PREFIX)
        segment = await self._ask(
            "fallback", (OUTPUT_END,), limit=FALLBACK_TOKENS, forced=OUTPUT_PREFIX
        )
        self._say(segment)
        verdict = find_output_verdict(OUTPUT_PREFIX + segment.text)
        return self._finish(segment, verdict, forced=OUTPUT_PREFIX)

    def _finish(
        self, segment: Segment, verdict: Verdict | Unparsed, *, forced: str = ""
    ) -> SampleResult:
        """The result, with the answer closed as the next prompt's history wants it."""
        if not self.fell_back:
            self._keep_imagined()
        if not segment.stop:
            self._close()
        start = verdict.start - len(forced) if isinstance(verdict, Verdict) else 0
        seat, pieces = self.seat, tuple(self.pieces)
        return build_result(
            seat,
            verdict,
            read_probability(segment.logprobs, text=segment.said, start=start),
            text=join_texts(pieces),
            analysis=self.analysis,
            fell_back=self.fell_back,
            history=History(
                turns=(*seat.history.turns, Turn(self.user, pieces)),
                blocks=(*seat.history.blocks, *seat.blocks),
            ),
        )

    async def _ask(
        self,
        stage: str,
        stops: tuple[str, ...],
        *,
        limit: int,
        forced: str = "",
        needs_top: bool = True,
    ) -> Segment:
        """One completion of what stands so far. `forced` is what of the verdict's part we wrote."""
        seat = self.seat
        engine, settings = seat.work.engine, seat.work.settings
        key = f"{seat.key}/{stage}"
        logprobs = settings.logprobs if needs_top else None
        if not needs_top and engine.capabilities.token_ids:
            # The tokens' texts tell what the token ids spell (see `segments`).
            logprobs = 0
        request = CompletionRequest.of_pieces(
            key,
            (*self.prompt, *self.pieces),
            sampling=seat.build_sampling(key, max_tokens=limit, stop=stops, logprobs=logprobs),
            metadata=seat.describe(stage),
        )
        # A verdict behind a forced beginning is short, and its tokens are kept whole.
        whole = await seat.ask(request)
        reply = trim_reply(whole, None if forced else OUTPUT_TAG)
        segment = read_segment(
            reply.completions[0],
            stops,
            lambda text: self._guess(text, stops, forced),
            ids_tail=find_ids_tail(whole.completions[0]),
        )
        problem = ""
        if forced or segment.stop == OUTPUT_END:
            found = find_output_verdict(forced + segment.text)
            problem = found.reason if isinstance(found, Unparsed) else ""
        purpose = stage.rstrip("0123456789")
        await seat.report(request, reply, purpose=purpose, problem=problem)
        return segment

    def _guess(self, text: str, stops: tuple[str, ...], forced: str) -> str:
        """Which stop string it was that the engine left out, by what stands open."""
        if stops == (ANALYZE_END,):
            return ANALYZE_END
        fence = find_open_fence(self._get_fresh() + text) if FENCE_END in stops else None
        if _is_in_code(fence):
            return FENCE_END
        has_verdict = isinstance(find_output_verdict(forced + text), Verdict)
        if has_verdict and not text.rstrip().endswith(OUTPUT_END.strip()):
            return OUTPUT_END
        return FENCE_END if fence is not None and not has_verdict else ""

    def _force(self, text: str) -> None:
        self.pieces.append(Piece(text))
        self.length += estimate_tokens(text)

    def _say(self, segment: Segment) -> None:
        self.pieces += segment.pieces
        self.length += _count_tokens(segment)

    def _close(self) -> None:
        text = self.pieces[-1].text
        if text.rstrip().endswith(OUTPUT_END.strip()):
            end = "" if text.endswith("\n") else "\n"
        else:
            end = OUTPUT_END if text.endswith("\n") else f"\n{OUTPUT_END}"
        if end:
            self._force(end)

    def _left(self) -> int:
        return self.seat.work.settings.max_tokens - self.length

    def _get_fresh(self) -> str:
        return join_texts(self.pieces[self.fresh :])

    def _is_code_unanswered(self) -> bool:
        fences = find_fences(self._get_fresh())
        return bool(fences) and fences[-1].is_python and fences[-1].is_closed

    def _keep_imagined(self) -> None:
        """Record blocks that were written and not run, with the output that the model made up."""
        if not self.seat.mode.verify or any(one.status == KILLED for one in self.seat.blocks):
            return
        fences = find_fences(self._get_fresh())
        for fence, following in zip_longest(fences, fences[1:]):
            if fence.is_python and fence.is_closed and fence.code:
                is_output = following is not None and not following.info
                output = following.body.strip() if is_output and following else ""
                self.seat.blocks.append(CodeBlock(fence.code, output, IMAGINED))


def _is_in_code(fence: Fence | None) -> bool:
    """Does the text end within code for certain? Behind a line of backticks inside a string it may
    be that the string was never meant to be open.
    """
    if fence is None or not fence.is_python:
        return False
    return not (fence.is_in_string and FENCE_END in f"\n{fence.body}\n")


def _count_tokens(segment: Segment) -> int:
    counted = segment.completion_tokens
    return estimate_tokens(segment.text) if counted is None else counted
