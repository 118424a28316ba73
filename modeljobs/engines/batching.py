"""Continuous batching in one thread: sequences join and leave a running batch between two steps.

    wait for work -> drop what was cancelled -> admit what fits and read its prompts in one pass
    -> one step: one token more for every sequence -> hand over what has ended -> again

What a finished sequence had read and written is kept for a while: a prompt that begins with it (the
next step of the same solution) is read from there on. Prompts in common are found by the hashes of
their blocks of tokens, each of which stands for all blocks before it too.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modeljobs.engines.base import EngineError, EnginePermanent
from modeljobs.engines.detokenizing import TextStream
from modeljobs.engines.sampling import Draw, Likelihood, choose_tokens, read_likelihoods
from modeljobs.engines.slots import Slots

logger = logging.getLogger(__name__)

# Tokens of a block by which prompts in common are found.
BLOCK = 16
# So many tokens are read in one pass: prompts beyond it are read in several.
PASS_TOKENS = 8_192


@dataclass(frozen=True, slots=True)
class Generated:
    """What became of one sequence: as vLLM says it, with the tokens of a stop string at the end of
    `token_ids` and not in the text.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    likelihoods: tuple[Likelihood, ...] | None = None


Deliver = Callable[[Generated | EngineError], None]


@dataclass(eq=False, slots=True)
class Trajectory:
    """A sequence to be continued. `deliver` is called once, in the decoder's thread."""

    prompt: Sequence[int]
    max_tokens: int
    stream: TextStream
    deliver: Deliver
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    logprobs: int | None = None
    rng: random.Random = field(default_factory=random.Random)
    # Set from any thread; the decoder looks between two steps.
    is_cancelled: bool = False
    # What has been sampled, and with it what has gone through the model stands in the row.
    sampled: list[int] = field(default_factory=list)
    likelihoods: list[Likelihood] = field(default_factory=list)

    def draw(self) -> Draw:
        return Draw(self.temperature, self.top_p, self.top_k, self.rng.random())


@dataclass(slots=True)
class _Row:
    """What the keys and values of one row are of: the tokens that went through the model."""

    tokens: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)

    def extend(self, tokens: Sequence[int]) -> None:
        self.tokens += tokens
        add_hashes(self.hashes, self.tokens)


def add_hashes(hashes: list[int], tokens: Sequence[int]) -> None:
    """Hashes of the whole blocks of the tokens that have none yet; each is of all before it too."""
    for start in range(len(hashes) * BLOCK, len(tokens) - BLOCK + 1, BLOCK):
        before = hashes[-1] if hashes else 0
        hashes.append(hash((before, *tokens[start : start + BLOCK])))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a decoder has done so far, counted; for measuring.

    `passes` are those that read prompts, `steps` those that add a token to each sequence; a
    prompt's last token is read by a step, and stands in none of the counts. `attended_tokens` is
    the length of all sequences, summed over the steps.
    """

    passes: int = 0
    steps: int = 0
    sampled_tokens: int = 0
    read_tokens: int = 0
    reused_tokens: int = 0
    attended_tokens: int = 0


class Decoder:
    """Runs a causal language model on many sequences at once, in a thread of its own.

    `rows` sequences at most are in the batch; further ones wait in their order. `kept` finished
    ones are remembered for prompts that begin as they do. `ends` are the tokens that end a text.
    """

    def __init__(
        self,
        torch: Any,
        model: Any,
        *,
        rows: int,
        kept: int,
        context_length: int,
        ends: frozenset[int],
    ) -> None:
        self._torch = torch
        self._model = model
        self._device = next(model.parameters()).device
        self._most = rows
        self._kept = kept
        self._context = context_length
        self._ends = ends
        self._woken = threading.Condition()
        self._waiting: deque[Trajectory] = deque()
        self._is_closing = False
        # Only the decoder's thread touches what follows. Rows [0, active) are the batch, those from
        # `rows` on are remembered, the oldest first in `_order`.
        self._active: list[Trajectory] = []
        self._rows: dict[int, _Row] = {}
        self._order: deque[int] = deque()
        self._blocks: dict[int, int] = {}
        self._slots = Slots(torch, most_rows=rows + kept)
        self._figures = Figures()
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    @property
    def figures(self) -> Figures:
        return self._figures

    def submit(self, *trajectories: Trajectory) -> None:
        """Put sequences in line; each is delivered, also when the decoder is closed before."""
        with self._woken:
            if not self._is_closing:
                self._waiting += trajectories
                self._woken.notify()
                return
        for one in trajectories:
            one.deliver(_closed())

    def cancel(self, *trajectories: Trajectory) -> None:
        """Let go of sequences: their rows are free before the next step."""
        with self._woken:
            for one in trajectories:
                one.is_cancelled = True
            self._woken.notify()

    def close(self) -> None:
        """End the thread; what is under way is refused. Safe to call twice."""
        with self._woken:
            self._is_closing = True
            self._woken.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # --- The decoder's thread -----------------------------------------------------------------

    def _run(self) -> None:
        with self._torch.inference_mode():
            while self._wait_for_work():
                try:
                    self._drop_cancelled()
                    self._admit()
                    self._step()
                except self._torch.OutOfMemoryError:
                    self._fail_all(_out_of_memory(self._device))
                except Exception as error:
                    # Whatever it was, those who wait must hear of it, and others may come.
                    logger.exception("A step of the decoder failed.")
                    self._fail_all(_broken(error))
        self._fail_all(_closed())

    def _wait_for_work(self) -> bool:
        with self._woken:
            while not (self._is_closing or self._waiting or self._active):
                self._woken.wait()
            return not self._is_closing

    def _fail_all(self, error: EngineError) -> None:
        """Refuse everything that is under way and start afresh: the memory is given back."""
        with self._woken:
            lost = [*self._active, *(self._waiting if self._is_closing else ())]
            if self._is_closing:
                self._waiting.clear()
        self._active = []
        self._rows, self._blocks = {}, {}
        self._order.clear()
        self._slots = Slots(self._torch, most_rows=self._most + self._kept)
        for one in lost:
            one.deliver(error)

    def _drop_cancelled(self) -> None:
        for row in reversed(range(len(self._active))):
            if self._active[row].is_cancelled:
                self._leave(row)

    def _admit(self) -> None:
        """Take in what fits, and read the prompts.

        Of equal prompts that nobody has read yet only one is taken; the others wait for the next
        round and find it there.
        """
        first = len(self._active)
        unread: set[tuple[int, ...]] = set()
        while len(self._active) < self._most and (one := self._take_next(unread)) is not None:
            row = len(self._active)
            self._active.append(one)
            self._reuse(row, one.prompt)
            # What is shorter than a block is not found again, and is read as quickly.
            if self._count_unread(row) >= BLOCK:
                unread.add(tuple(one.prompt))
        self._read_prompts(first)

    def _take_next(self, unread: set[tuple[int, ...]]) -> Trajectory | None:
        """The next in line, unless it had better wait for the same prompt to be read."""
        with self._woken:
            while self._waiting and self._waiting[0].is_cancelled:
                self._waiting.popleft()
            if not self._waiting or tuple(self._waiting[0].prompt) in unread:
                return None
            return self._waiting.popleft()

    def _reuse(self, row: int, prompt: Sequence[int]) -> None:
        """Begin a row with what another one has of the prompt. The prompt's last token is always
        left to be read: what comes behind it is what the model is asked for.
        """
        hashes: list[int] = []
        add_hashes(hashes, prompt)
        for blocks in range(len(hashes), 0, -1):
            source = self._blocks.get(hashes[blocks - 1])
            length = min(blocks * BLOCK, len(prompt) - 1)
            if source is None or length < 1:
                continue
            known = self._rows[source].tokens
            # Hashes may meet by chance; tokens do not.
            if known[:length] == list(prompt[:length]):
                while length < min(len(known), len(prompt) - 1) and known[length] == prompt[length]:
                    length += 1
                self._slots.copy(source, row, length)
                self._rows[row] = _Row()
                self._extend(row, prompt[:length])
                self._count(reused_tokens=length)
                return
        self._rows[row] = _Row()

    def _read_prompts(self, first: int) -> None:
        """Put the rows' prompts through the model, several rows in a pass: all but their last
        tokens, which the next step takes along with everybody's.

        Rows with less left to read are padded, and what padding writes is never seen; prompts
        longer than a pass are read in several.
        """
        row = first
        while row < len(self._active):
            left = self._count_unread(row)
            width = min(left, PASS_TOKENS)
            end = row + 1
            while end < len(self._active) and left <= PASS_TOKENS:
                own = self._count_unread(end)
                if max(width, own) * (end + 1 - row) > PASS_TOKENS:
                    break
                width, end = max(width, own), end + 1
            if width:
                parts = [self._take_unread(index, width) for index in range(row, end)]
                self._forward(row, parts)
                self._count(passes=1, read_tokens=sum([len(part) for part in parts]))
            if left <= PASS_TOKENS:
                row = end

    def _count_unread(self, row: int) -> int:
        """How many tokens of a prompt are to be read before the next step."""
        return len(self._active[row].prompt) - 1 - len(self._rows[row].tokens)

    def _take_unread(self, row: int, most: int) -> list[int]:
        begin = len(self._rows[row].tokens)
        prompt = self._active[row].prompt
        return list(prompt[begin : min(begin + most, len(prompt) - 1)])

    def _step(self) -> None:
        """One more token for every sequence of the batch."""
        if not self._active:
            return
        logits = self._forward(0, [[(one.sampled or one.prompt)[-1]] for one in self._active])
        self._sample(logits)
        self._count(
            steps=1,
            attended_tokens=sum([len(self._rows[row].tokens) for row in range(len(self._active))]),
        )
        self._leave_ended()

    def _forward(self, first: int, parts: Sequence[Sequence[int]]) -> Any:
        """Put the parts behind what their rows hold; the logits [rows, vocabulary] of the last
        column, which are of use where all parts are equally long.
        """
        torch = self._torch
        width = max([len(part) for part in parts])
        offsets = [len(self._rows[first + place].tokens) for place in range(len(parts))]
        padded = [[*part, *([0] * (width - len(part)))] for part in parts]
        tokens = torch.tensor(padded, device=self._device)
        starts = torch.tensor(offsets, device=self._device)[:, None]
        positions = starts + torch.arange(width, device=self._device)
        # Known here: asking the device would make it wait at every step.
        longest = max(offsets) + width
        mask = self._slots.open(first, first + len(parts), positions, longest=longest)
        output = self._model(
            input_ids=tokens,
            attention_mask=mask,
            # Padding may reach beyond what the model has positions for.
            position_ids=positions.clamp(max=self._context - 1),
            past_key_values=self._slots,
            use_cache=True,
            logits_to_keep=1,
        )
        for place, part in enumerate(parts):
            self._extend(first + place, part)
        return output.logits[:, -1].float()

    def _sample(self, logits: Any) -> None:
        chosen = choose_tokens(self._torch, logits, [one.draw() for one in self._active])
        wanted = [one.logprobs for one in self._active]
        likelihoods = read_likelihoods(self._torch, logits, chosen, wanted)
        for one, token, likelihood in zip(self._active, chosen, likelihoods, strict=True):
            one.sampled.append(token)
            if likelihood is not None:
                one.likelihoods.append(likelihood)
        self._count(sampled_tokens=len(chosen))

    def _leave_ended(self) -> None:
        """Hand over the sequences that have ended with their latest token."""
        for row in reversed(range(len(self._active))):
            one = self._active[row]
            token = one.sampled[-1]
            if token in self._ends or one.stream.push(token):
                reason = "stop"
            elif len(one.sampled) >= one.max_tokens:
                reason = "length"
            else:
                continue
            self._leave(row)
            text = one.stream.finish()
            one.deliver(
                Generated(
                    text=text,
                    token_ids=tuple(one.sampled),
                    # What was held back until the end may complete a stop string.
                    finish_reason="stop" if one.stream.is_stopped else reason,
                    likelihoods=None if one.logprobs is None else tuple(one.likelihoods),
                )
            )

    # --- Rows ---------------------------------------------------------------------------------

    def _leave(self, row: int) -> None:
        """Free a row of the batch: what it held is remembered, and the last row takes its place."""
        if self._kept:
            if len(self._order) < self._kept:
                target = self._most + len(self._order)
            else:
                target = self._order.popleft()
                self._forget(target)
            self._move(row, target)
            self._order.append(target)
        else:
            self._forget(row)
        last = len(self._active) - 1
        if row != last:
            self._active[row] = self._active[last]
            self._move(last, row)
        del self._active[last]

    def _move(self, source: int, target: int) -> None:
        held = self._rows.pop(source)
        self._slots.copy(source, target, len(held.tokens))
        self._rows[target] = held
        for one in held.hashes:
            if self._blocks.get(one) == source:
                self._blocks[one] = target

    def _forget(self, row: int) -> None:
        held = self._rows.pop(row)
        for one in held.hashes:
            if self._blocks.get(one) == row:
                del self._blocks[one]

    def _extend(self, row: int, tokens: Sequence[int]) -> None:
        held = self._rows[row]
        known = len(held.hashes)
        held.extend(tokens)
        for one in held.hashes[known:]:
            self._blocks[one] = row

    def _count(self, **more: int) -> None:
        before = self._figures
        self._figures = replace(
            before, **{name: getattr(before, name) + number for name, number in more.items()}
        )


def _closed() -> EnginePermanent:
    return EnginePermanent("The engine was closed before it could answer.", code="closed")


def _broken(error: Exception) -> EnginePermanent:
    return EnginePermanent(
        f"The model failed with {type(error).__name__}; the worker's log has the details.",
        code="engine_failed",
    )


def _out_of_memory(device: Any) -> EnginePermanent:
    return EnginePermanent(
        f"The memory of {str(device)!r} does not hold so many sequences of this length. Lower the "
        "engine's number of sequences at a time, how many it remembers, or its context length.",
        code="out_of_memory",
    )
