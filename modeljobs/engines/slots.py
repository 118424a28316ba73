"""The keys and values of many sequences, one row each, for a decoder that they join and leave.

Each row is filled from its left end to its own length; what stands behind is masked and written
over later. Sequences therefore come and go without anything being padded or packed again, and a
batch is a run of neighbouring rows, read in place.
"""

from __future__ import annotations

from typing import Any

# Rows grow longer by so many tokens at a time, and the number of rows doubles.
GROWTH = 256
FIRST_ROWS = 8
# What attention reads is as long as the longest row, rounded up: few shapes, and aligned ones.
ALIGNMENT = 64


class Slots:
    """A cache for models of the transformers library that see full attention in every layer.

    `open` names the rows and lengths that the next forward pass is about; the model then hands each
    layer's new keys and values to `update`, which answers with all there are.
    """

    def __init__(self, torch: Any, *, most_rows: int) -> None:
        self._torch = torch
        self._most_rows = most_rows
        # Per layer: [rows, heads, tokens, width] of keys and of values.
        self._keys: list[Any] = []
        self._values: list[Any] = []
        self._rows = min(FIRST_ROWS, most_rows)
        self._length = GROWTH
        self._start = self._end = self._visible = 0
        self._written: Any = None

    def open(self, start: int, end: int, positions: Any, *, longest: int) -> Any:
        """Prepare a pass over the rows [start, end); `positions` [rows, new] says where the new
        tokens stand in each, and `longest` how long a row will be at most. The mask
        [rows, 1, new, visible] that shows each token what comes before it, and itself.
        """
        torch = self._torch
        self._reserve(end, longest)
        self._start, self._end = start, end
        self._visible = min(-(-longest // ALIGNMENT) * ALIGNMENT, self._length)
        rows = torch.arange(start, end, device=positions.device)[:, None]
        self._written = (rows, slice(None), positions)
        seen = torch.arange(self._visible, device=positions.device)
        return seen[None, None, None, :] <= positions[:, None, :, None]

    def update(self, keys: Any, values: Any, layer: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Store a layer's new keys and values [rows, heads, new, width]; all that can be seen."""
        while len(self._keys) <= layer:
            self._keys.append(self._make(keys))
            self._values.append(self._make(values))
        kept = []
        for store, new in ((self._keys[layer], keys), (self._values[layer], values)):
            store[self._written] = new.transpose(1, 2)
            kept.append(store[self._start : self._end, :, : self._visible])
        return kept[0], kept[1]

    def copy(self, source: int, target: int, length: int) -> None:
        """Let the target's first tokens be the source's."""
        self._reserve(max(source, target) + 1, length)
        for store in (*self._keys, *self._values):
            store[target, :, :length] = store[source, :, :length]

    def get_seq_length(self, layer: int = 0) -> int:
        """Asked by models that count positions themselves; here positions are given."""
        return 0

    def _make(self, like: Any) -> Any:
        # Zeros, not whatever was in memory: a not-a-number times a masked share of zero is one.
        return like.new_zeros((self._rows, like.shape[1], self._length, like.shape[3]))

    def _reserve(self, rows: int, length: int) -> None:
        more_rows, more_length = self._rows, self._length
        while more_rows < rows:
            more_rows = min(2 * more_rows, self._most_rows)
        if length > more_length:
            more_length = -(-length // GROWTH) * GROWTH
        if (more_rows, more_length) == (self._rows, self._length):
            return
        old_rows, old_length = self._rows, self._length
        self._rows, self._length = more_rows, more_length
        # One layer at a time: the old and the new of all of them need not fit together.
        for stores in (self._keys, self._values):
            for layer, store in enumerate(stores):
                stores[layer] = self._make(store)
                stores[layer][:old_rows, :, :old_length] = store
