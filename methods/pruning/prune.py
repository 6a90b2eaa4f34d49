"""Baselines of pruning: patches at random, or spread evenly over the picture."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.pruning import Pruning
from harness.steering import Batch, View


class Prune(Pruning):
    """Keeps patches without looking at them, after the whole tower."""

    name = "prune"
    conflicts = ("flowcut", "paint", "inward_window")

    def __init__(self, keep: int, of: int, by: str, seed: int):
        """`keep`, `of`: visual tokens left, of so many. `by`: random or uniform. `seed`: of the random choice."""
        super().__init__(keep, of)
        if by not in ("random", "uniform"):
            raise UsageError(f"method.prune.by={by} is unknown: choose random or uniform")
        self.by, self.seed = by, seed

    def tower_layers(self, view: View) -> Sequence[int]:
        return super().tower_layers(view) if self.share < 1 else ()

    def tower_output(self, h: Tensor, batch: Batch) -> Tensor | None:
        """Class token and the patches that stay, in the order of the picture."""
        if self.share == 1:
            return None
        places = batch.places
        assert places is not None
        grid = places.grids[0].flatten()
        assert batch.pixels is not None
        rows = [torch.cat([places.others, grid[self._chosen(len(grid), picture)]]) for picture in batch.pixels]
        at = torch.stack(rows).to(h.device)
        return h.gather(1, at[..., None].expand(-1, -1, h.shape[-1]))

    def _chosen(self, patches: int, picture: Tensor) -> Tensor:
        """Patches [T], ascending. The random ones depend on the seed and the picture alone."""
        target = self.target(patches)
        if self.by == "uniform":
            return torch.tensor([(2 * i + 1) * patches // (2 * target) for i in range(target)])
        number = zlib.crc32(picture.float().cpu().numpy().tobytes())
        generator = torch.Generator().manual_seed(self.seed * 2**32 + number)
        return torch.randperm(patches, generator=generator)[:target].sort().values
