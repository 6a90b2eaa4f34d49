"""A sliding window: the last tokens alone, the baseline of every paper on long contexts."""

from __future__ import annotations

from torch import Tensor

from harness.methods._shared.eviction import Entries, Eviction
from harness.steering import Batch


class Window(Eviction):
    """The last `budget` tokens."""

    name = "window"

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        return entries.last(entries.budget).expand_as(kept)
