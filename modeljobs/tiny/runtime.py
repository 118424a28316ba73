"""Continuous batching over a TinyModel: sequences join and leave between two tokens.

One thread runs the model; whoever asks gets a future. Keys and values of finished sequences are
kept for prompts that begin as they do.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modeljobs.tiny.model import Floats, KeyValueCache, TinyModel
from modeljobs.tiny.sampling import (
    SamplingPlan,
    TokenScore,
    choose_token,
    make_generator,
    score_token,
)
from modeljobs.tiny.threads import use_one_thread

# How many tokens of finished sequences are kept; 4 KiB each in the larger model.
KEPT_TOKENS = 16_384


class ContextOverflow(ValueError):
    """The prompt leaves no room for an answer."""

    def __init__(self, prompt_tokens: int, context_length: int) -> None:
        super().__init__(
            f"This model's maximum context length is {context_length} tokens, and the prompt has "
            f"{prompt_tokens}: there is no room for an answer."
        )


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer.

    `token_ids` holds every sampled token, the end token and those of a stop string included;
    `stop_reason` is the stop string that was found, None where the model ended by itself.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    stop_reason: str | None
    scores: tuple[TokenScore, ...] | None


@dataclass(slots=True)
class _Request:
    prompt: list[int]
    plan: SamplingPlan
    future: Future[list[Generation]]
    done: dict[int, Generation] = field(default_factory=dict)


@dataclass(slots=True)
class _Sequence:
    """One answer in the making. `ids` is what the slot's keys cover, and the token to feed next."""

    request: _Request
    index: int
    ids: list[int]
    chance: np.random.Generator
    limit: int
    raw: bytearray = field(default_factory=bytearray)
    scores: list[TokenScore] = field(default_factory=list)

    @property
    def made(self) -> int:
        return len(self.ids) - len(self.request.prompt)


@dataclass(slots=True)
class _Kept:
    ids: NDArray[np.int64]
    state: tuple[Floats, Floats]


class Batcher:
    """Answers requests on one model with up to `slots` sequences at a time."""

    def __init__(
        self, model: TinyModel, *, slots: int = 16, kept_tokens: int = KEPT_TOKENS
    ) -> None:
        if slots < 1:
            raise ValueError(f"There must be at least one slot, not {slots!r}.")
        self.model = model
        self._cache = KeyValueCache(model.shape, slots)
        self._slots = slots
        self._kept_limit = kept_tokens
        self._kept: list[_Kept] = []
        self._waiting: deque[_Sequence] = deque()
        self._active: list[_Sequence] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        # Counted for tests and reports: prompt tokens that were, and were not, computed anew.
        self.prefilled_tokens = 0
        self.reused_tokens = 0

    def submit(self, prompt: list[int], plan: SamplingPlan) -> Future[list[Generation]]:
        """The request's answers, `plan.n` of them; cancelling the future gives up on it.

        Raises ContextOverflow, and RuntimeError after `close`. The prompt must not be empty.
        """
        context = self.model.shape.context_length
        if not prompt:
            raise ValueError("An empty prompt gives the model nothing to go on from.")
        if len(prompt) >= context:
            raise ContextOverflow(len(prompt), context)
        room = context - len(prompt)
        limit = room if plan.max_tokens is None else min(plan.max_tokens, room)
        if limit < 1 or plan.n < 1:
            raise ValueError("A request asks for at least one token and one answer.")
        request = _Request(list(prompt), plan, Future())
        sequences = [
            _Sequence(request, index, list(prompt), make_generator(plan.seed, index), limit)
            for index in range(plan.n)
        ]
        with self._changed:
            if self._is_closed:
                raise RuntimeError("The batcher is closed.")
            self._waiting.extend(sequences)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tiny-model", daemon=True)
                self._thread.start()
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """End the thread and give up on what is unanswered. May be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        use_one_thread()
        try:
            while self._wait_for_work():
                self._drop_cancelled()
                self._admit()
                self._advance()
        except BaseException as error:
            # Nobody would ever answer what is still open.
            self._give_up(error)
            raise
        self._give_up(None)

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._is_closed or self._waiting or self._active):
                self._changed.wait()
            return not self._is_closed

    def _give_up(self, error: BaseException | None) -> None:
        with self._changed:
            self._is_closed = True
            left = {id(s.request): s.request for s in (*self._active, *self._waiting)}
            self._active.clear()
            self._waiting.clear()
        for request in left.values():
            if error is None:
                request.future.cancel()
            else:
                _settle(request.future, error=RuntimeError(f"The tiny model failed: {error}"))

    def _drop_cancelled(self) -> None:
        for slot in reversed(range(len(self._active))):
            if self._active[slot].request.future.cancelled():
                self._leave(slot)

    def _admit(self) -> None:
        """Fill free slots; each new sequence samples its first token here."""
        while len(self._active) < self._slots:
            with self._changed:
                if not self._waiting:
                    return
                sequence = self._waiting.popleft()
            if sequence.request.future.cancelled():
                continue
            slot = len(self._active)
            prompt = sequence.ids
            start = self._reuse(slot, prompt)
            logits = self.model.prefill(self._cache, slot, prompt[start:], start)
            self.prefilled_tokens += len(prompt) - start
            self.reused_tokens += start
            self._active.append(sequence)
            self._take_token(slot, logits)

    def _reuse(self, slot: int, prompt: list[int]) -> int:
        """Fill the slot with the longest known beginning of the prompt; its length.

        The last token is always computed anew: its logits are what is wanted.
        """
        wanted = np.array(prompt[:-1], dtype=np.int64)
        best, found = 0, -1
        for other, sequence in enumerate(self._active):
            # The last id of a sequence in the making has not been through the model.
            length = _count_common(wanted, np.array(sequence.ids[:-1], dtype=np.int64))
            if length > best:
                best, found = length, other
        kept_best = None
        for index, kept in enumerate(self._kept):
            length = _count_common(wanted, kept.ids)
            if length > best:
                best, kept_best = length, index
        if kept_best is not None:
            kept = self._kept.pop(kept_best)
            self._kept.append(kept)
            self._cache.put(slot, kept.state, best)
        elif found >= 0:
            self._cache.copy_slot(found, slot, best)
        return best

    def _advance(self) -> None:
        """One more token for every sequence."""
        if not self._active:
            return
        ids = [sequence.ids[-1] for sequence in self._active]
        lengths = [len(sequence.ids) - 1 for sequence in self._active]
        logits = self.model.decode(self._cache, ids, lengths)
        # From behind: a sequence that leaves has its slot taken by the last one, which is done.
        for slot in reversed(range(len(ids))):
            self._take_token(slot, logits[slot])

    def _take_token(self, slot: int, logits: Floats) -> None:
        """Sample the slot's next token, and let the sequence leave where that ends it."""
        sequence = self._active[slot]
        plan = sequence.request.plan
        tokenizer = self.model.tokenizer
        token = choose_token(logits, plan, sequence.chance)
        if plan.logprobs is not None:
            sequence.scores.append(score_token(logits, token, plan.logprobs))
        sequence.ids.append(token)
        if token == tokenizer.end_id:
            self._finish(slot, sequence.raw.decode("utf-8", "replace"), "stop", None)
            return
        added = tokenizer.bytes_of(token)
        sequence.raw += added
        stopped = _find_stop(sequence.raw, len(added), plan.stop)
        if stopped is not None:
            end, stop = stopped
            text = sequence.raw[: end + (len(stop.encode()) if plan.include_stop else 0)]
            self._finish(slot, text.decode("utf-8", "replace"), "stop", stop)
        elif sequence.made >= sequence.limit:
            self._finish(slot, sequence.raw.decode("utf-8", "replace"), "length", None)

    def _finish(
        self, slot: int, text: str, reason: Literal["stop", "length"], stop: str | None
    ) -> None:
        sequence = self._active[slot]
        request = sequence.request
        request.done[sequence.index] = Generation(
            text,
            tuple(sequence.ids[len(request.prompt) :]),
            reason,
            stop,
            None if request.plan.logprobs is None else tuple(sequence.scores),
        )
        self._leave(slot)
        if len(request.done) == request.plan.n:
            answers = [request.done[index] for index in range(request.plan.n)]
            _settle(request.future, answers=answers)

    def _leave(self, slot: int) -> None:
        """Free the slot: keep what it holds, and move the last sequence into its place."""
        sequence = self._active[slot]
        self._keep(slot, sequence.ids[:-1])
        last = len(self._active) - 1
        if slot != last:
            self._active[slot] = self._active[last]
            self._cache.copy_slot(last, slot, len(self._active[slot].ids) - 1)
        self._active.pop()

    def _keep(self, slot: int, ids: list[int]) -> None:
        made = np.array(ids, dtype=np.int64)
        # What the new entry begins with need not be kept twice.
        self._kept = [kept for kept in self._kept if _count_common(kept.ids, made) < len(kept.ids)]
        self._kept.append(_Kept(made, self._cache.take(slot, len(ids))))
        total = sum(len(kept.ids) for kept in self._kept)
        while self._kept and total > self._kept_limit:
            total -= len(self._kept.pop(0).ids)


def _settle(
    future: Future[list[Generation]],
    *,
    answers: list[Generation] | None = None,
    error: Exception | None = None,
) -> None:
    """Answer a future that its owner may be cancelling at this moment."""
    try:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answers or [])
    except InvalidStateError:
        return


def _count_common(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """How many tokens two sequences share from the beginning."""
    length = min(len(left), len(right))
    differ = left[:length] != right[:length]
    return int(differ.argmax()) if differ.any() else length


def _find_stop(raw: bytearray, added: int, stops: tuple[str, ...]) -> tuple[int, str] | None:
    """Where the first stop string begins that the last `added` bytes completed, and which."""
    found: tuple[int, str] | None = None
    for stop in stops:
        needle = stop.encode()
        if not needle:
            continue
        at = raw.find(needle, max(0, len(raw) - added - len(needle) + 1))
        if at >= 0 and (found is None or at < found[0]):
            found = (at, stop)
    return found
