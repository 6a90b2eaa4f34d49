"""Bi-level routing attention in the vision tower, without training (BiFormer, arXiv 2303.08810)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.tiles import Part, joined, padded
from harness.methods._shared.towers import InTower
from harness.steering import Batch
from harness.steering.visible import Visible


class BiLevel(InTower):
    """Each region of patches sees the regions whose mean keys are most like its mean query."""

    name = "bi_level"

    def __init__(self, regions: int, top: float | None, own: bool, start: int, end: int):
        """`regions`: regions along each side of the grid. `top`: regions that a region sees, a number from 2 on, up to
        1 as a share of all; null for no routing. `own`: whether a region always sees itself. `start`, `end`: layers
        of 24.
        """
        super().__init__(start, end)
        if regions < 1:
            raise UsageError(f"method.bi_level.regions={regions} must be 1 or more")
        if top is not None and not 0 < top <= 1 and not (top >= 2 and top == int(top)):
            raise UsageError(f"method.bi_level.top={top} must be a share of the regions in (0, 1], or a number from 2")
        self.regions, self.top, self.own = regions, top, own

    @property
    def acts(self) -> bool:
        return self.top is not None

    def tower_visible(self, l: int, q: Tensor, k: Tensor, batch: Batch) -> Visible | None:
        places = batch.places
        assert places is not None
        parts = [self._routed(regions(grid, self.regions), q, k) for grid in places.grids]
        return joined(places, parts, q.device)

    def _routed(self, tiles: Tensor, q: Tensor, k: Tensor) -> Part:
        """Tiles [R, m] are regions. Affinity of regions: mean query times mean key, summed over heads."""
        assert self.top is not None
        tiles = tiles.to(q.device)
        inside = (tiles >= 0).to(q.dtype)
        means = [
            (x[:, :, tiles.clamp(min=0)] * inside[..., None]).sum(3) / inside.sum(-1)[:, None] for x in (q, k)
        ]  # [b, H, R, D]
        affinity = torch.einsum("bhid,bhjd->bij", *means)
        if self.own:
            affinity = affinity.masked_fill(torch.eye(len(tiles), dtype=torch.bool, device=q.device), torch.inf)
        count = max(1, round(self.top * len(tiles))) if self.top <= 1 else min(int(self.top), len(tiles))
        chosen = affinity.topk(count).indices  # [b, R, count]
        return Part(tiles, tiles[chosen].flatten(2))


def regions(grid: Tensor, side: int) -> Tensor:
    """The places [height, width] of a grid in side x side regions [R, m], -1 pads; as equal as the grid allows."""
    rows, columns = (torch.arange(n).tensor_split(min(side, n)) for n in grid.shape)
    return padded([grid[r][:, c].flatten() for r in rows for c in columns])
