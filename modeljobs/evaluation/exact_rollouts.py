"""How likely a tiny model is to solve a problem from a prefix, computed instead of sampled.

The shipped models write so predictably that a few hundred continuations hold nearly all of the
probability: they are followed token by token, all branches of one length at a time, and added up.
What is left out is known exactly, so that the answer is a pair of bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modeljobs.tiny.model import Floats, KeyValueCache, TinyModel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SuccessBounds:
    """Probability of the completions found to succeed, and of those found to fail.

    They add up to 1 less what was not followed to its end, so that the true chance of success lies
    between `low` and `high`.
    """

    reached: float
    missed: float

    @property
    def low(self) -> float:
        return self.reached

    @property
    def high(self) -> float:
        # Sums of rounded numbers may pass 1 by a little.
        return max(self.reached, 1.0 - self.missed)

    @property
    def share(self) -> float:
        """The chance of success if what was left out succeeds as often as the rest; between the
        bounds, and NaN where nothing was followed to its end.
        """
        total = self.reached + self.missed
        return self.reached / total if total else float("nan")


class Explorer:
    """Follows a model's continuations at one temperature, with top_p 1 and no top_k.

    A branch less likely than `least_mass` is left out, and so are the least likely ones beyond
    `most_branches`. Not for several threads at once.
    """

    def __init__(
        self,
        model: TinyModel,
        *,
        temperature: float,
        least_mass: float = 3e-4,
        most_branches: int = 256,
        context_length: int = 768,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"The temperature must be above 0, not {temperature!r}.")
        self._model = model
        self._temperature = temperature
        self._least_mass = least_mass
        self._most_branches = most_branches
        self._context_length = min(context_length, model.shape.context_length)
        shape = replace(model.shape, context_length=self._context_length)
        self._cache = KeyValueCache(shape, most_branches)

    def bound_success(
        self, prompt: Sequence[int], is_success: Callable[[str], bool]
    ) -> SuccessBounds:
        """The bounds for a prompt, over the texts that end by the model's own end token.

        1. Spread each branch's probability over the next tokens. 2. Judge those that end. 3. Go on
        with the likely others, each with keys and values of its own. ValueError where the prompt
        fills the context.
        """
        if not 0 < len(prompt) < self._context_length:
            raise ValueError(
                f"The prompt must have between 1 and {self._context_length - 1} tokens, not "
                f"{len(prompt)}."
            )
        tokenizer = self._model.tokenizer
        sums = {True: 0.0, False: 0.0}
        texts, masses = [b""], np.ones(1)
        logits = self._model.prefill(self._cache, 0, list(prompt), 0)[None]
        for length in range(len(prompt), self._context_length):
            spread = masses[:, None] * self._soften(logits)
            for row in np.flatnonzero(spread[:, tokenizer.end_id] >= self._least_mass):
                text = texts[row].decode("utf-8", "replace")
                sums[is_success(text)] += float(spread[row, tokenizer.end_id])
            spread[:, tokenizer.end_id] = 0.0
            parents, tokens = self._choose(spread)
            if not len(parents):
                break
            order = self._place(parents, length)
            parents, tokens = parents[order], tokens[order]
            masses = spread[parents, tokens]
            texts = [
                texts[parent] + tokenizer.bytes_of(token)
                for parent, token in zip(parents.tolist(), tokens.tolist(), strict=True)
            ]
            if length + 1 < self._context_length:
                logits = self._model.decode(self._cache, tokens.tolist(), [length] * len(tokens))
        return SuccessBounds(sums[True], sums[False])

    def _soften(self, logits: Floats) -> FloatArray:
        """Probabilities of the next token, as `modeljobs.tiny.sampling.choose_token` draws it."""
        scaled = logits.astype(np.float64) / self._temperature
        weights: FloatArray = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def _choose(self, spread: FloatArray) -> tuple[IntArray, IntArray]:
        """(Branch, next token) of all that are gone on with."""
        parents, tokens = np.nonzero(spread >= self._least_mass)
        if len(parents) > self._most_branches:
            best = np.argsort(-spread[parents, tokens], kind="stable")[: self._most_branches]
            best.sort()
            parents, tokens = parents[best], tokens[best]
        return parents.astype(np.int64), tokens.astype(np.int64)

    def _place(self, parents: IntArray, length: int) -> IntArray:
        """Give each child a slot that holds its parent's first `length` tokens, the slots being
        0, 1, 2 …; the children in the order of their slots.

        A parent's first child takes its slot over, unless that lies beyond the last one wanted. The
        others are copied into what is left: no parent that is copied from lies there, since its own
        slot is either taken over or beyond.
        """
        n = len(parents)
        is_first = np.concatenate([[True], parents[1:] != parents[:-1]])
        slots = np.where(is_first & (parents < n), parents, -1)
        free = np.setdiff1d(np.arange(n), slots)
        for child, slot in zip(np.flatnonzero(slots < 0).tolist(), free.tolist(), strict=True):
            self._cache.copy_slot(int(parents[child]), slot, length)
            slots[child] = slot
        return np.argsort(slots)
