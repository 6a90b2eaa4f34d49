"""SnapKV: what the prompt's last tokens attend to, chosen once (arXiv 2404.14469)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import Entries, Eviction, best
from harness.steering import Batch


class SnapKV(Eviction):
    """At the end of the prompt each head keeps an observation window and the entries that the window attends to."""

    name = "snapkv"
    looks_back = True

    def __init__(self, budget: float | None, window: int, kernel: int, cache: str):
        """`budget`: entries in all (`Eviction`). `window`: last tokens of the prompt that look, and stay; fewer where
        the budget is smaller. `kernel`: odd number of neighbours over which attention is averaged."""
        if window < 1:
            raise UsageError(f"method.{self.name}.window={window} must be 1 or more")
        if kernel < 1 or kernel % 2 == 0:
            raise UsageError(f"method.{self.name}.kernel={kernel} must be odd, and 1 or more")
        super().__init__(budget, cache)
        self.window, self.kernel, self.attention_rows = window, kernel, window

    def _begin(self) -> None:
        super()._begin()
        self._seen: dict[int, Tensor] = {}

    def observe(self, l: int, w: Tensor, entries: Entries, batch: Batch) -> None:
        """What the window's rows attend to before the window, smoothed, mean over the group [n, Hk, k]."""
        if batch.prefill:
            rows = entries.position[:, -w.shape[3] :] >= (entries.length - self._width(entries))[:, None]
            got = (w.float() * rows[:, None, None, :, None]).sum(3).masked_fill(self._last(entries)[:, :, None], 0.0)
            smooth = F.avg_pool1d(got.flatten(1, 2), self.kernel, 1, self.kernel // 2).view_as(got)
            self._seen[l] = smooth.mean(2)

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        if not batch.prefill:
            return kept
        last = self._last(entries)
        among = entries.present[:, None] & ~last.expand_as(kept)
        return last | best(self._seen[l], among, entries.budget - self._width(entries))

    def _width(self, entries: Entries) -> Tensor:
        return (entries.budget - 1).clamp(max=self.window)

    def _last(self, entries: Entries) -> Tensor:
        return entries.last(self._width(entries))
