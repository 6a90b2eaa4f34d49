"""PowerAttention: blocks at distances 1, 2, 4, 8, ... reach everything within log2 layers (arXiv 2503.03588)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import Share
from harness.steering import Batch, Steering, View

PATTERNS = ("power", "window", "stride")
CYCLE = 7


class PowerAttention(Steering):
    """A static pattern of blocks, the same in every head and sparse layer."""

    name = "powerattention"
    attention_rows = "all"
    prefix = "with"  # what a row sees depends on positions alone
    refills = by_column = ("_share",)

    def __init__(self, block: int, window: int, dense: int, pattern: str):
        """`block`: tokens of a block. `window`: blocks that a row sees up to its own. `dense`: layers of every seven,
        the first ones, that see everything. `pattern`: power, or at the same number of blocks window (a longer window)
        or stride (evenly spaced blocks).
        """
        if block < 1 or window < 1:
            raise UsageError(f"method.{self.name} needs block and window of at least 1")
        if not 0 <= dense <= CYCLE:
            raise UsageError(f"method.{self.name}.dense={dense} must lie in 0..{CYCLE}")
        if pattern not in PATTERNS:
            raise UsageError(f"method.{self.name}.pattern={pattern} is unknown: choose {', '.join(PATTERNS)}")
        self.block, self.window, self.dense, self.pattern = block, window, dense, pattern
        self._share = Share()

    def layers(self, view: View) -> Sequence[int]:
        return [l for l in range(view.depth) if l % CYCLE >= self.dense]

    def prepare(self, batch: Batch) -> None:
        self._share = Share()

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        position, present = batch.positions(self), batch.present(self)
        rows = position[:, -a.shape[2] :]
        past = (position[:, None] <= rows[..., None]) & present[:, None]
        seen = visible(rows, position, self.block, self.window, self.pattern) | ~past  # what is to come, the mask hides
        self._share.note(batch, seen[:, -1], present)
        return None if seen.all() else a.masked_fill(~seen[:, None], torch.finfo(a.dtype).min)

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float]]:
        return {"kept_share": self._share.means(batch, passes)}


def visible(rows: Tensor, columns: Tensor, block: int, window: int, pattern: str) -> Tensor:
    """Which positions `columns` [n, k] a query at `rows` [n, r] sees, bool [n, r, k], later ones left aside.

    power: the first block, `window` blocks up to its own, and those at a distance of a power of two. window and stride
    spend as many blocks as power edges outside the window on a longer window, or at equal distances.
    """
    mine, theirs = rows.clamp(min=0)[..., None] // block, columns.clamp(min=0)[:, None] // block
    distance = mine - theirs
    near = (theirs == 0) | ((distance >= 0) & (distance < window))
    if pattern == "power":
        return near | ((distance >= 0) & ((distance & (distance - 1)) == 0))
    edges = torch.zeros_like(mine)
    for power in (2**i for i in range(int(mine.max()).bit_length()) if 2**i >= window):
        edges += mine >= power
    if pattern == "window":
        return near | ((distance >= 0) & (distance < window + edges))
    step = ((mine - window) // edges.clamp(min=1) + 1).clamp(min=1)
    return near | ((edges > 0) & (distance >= window) & ((distance - window) % step == 0))
