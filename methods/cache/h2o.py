"""H2O: heavy hitters, the tokens with the most attention so far, and the last ones (arXiv 2306.14048)."""

from __future__ import annotations

from torch import Tensor

from harness.methods._shared.eviction import Entries, Eviction, best, grown
from harness.steering import Batch


class H2O(Eviction):
    """Half of the budget goes to heavy hitters, half to recent tokens; one entry leaves for each that comes."""

    name = "h2o"
    attention_rows = "all"
    looks_back = True
    refills = by_column = (*Eviction.by_column, "_heavy")

    def _begin(self) -> None:
        super()._begin()
        self._heavy: dict[int, Tensor] = {}

    def observe(self, l: int, w: Tensor, entries: Entries, batch: Batch) -> None:
        """Attention that each entry has got so far, mean over the heads of a group [n, Hk, k]."""
        got = w.float().mean(2).sum(2)
        self._heavy[l] = got + grown(self._heavy[l], batch.total, 0.0) if l in self._heavy else got

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        heavy = entries.budget // 2
        recent = entries.last(entries.budget - heavy)
        return recent | best(self._heavy[l], kept & entries.present[:, None] & ~recent, heavy)
