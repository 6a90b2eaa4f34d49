"""Neighborhood attention in the vision tower: dilated, strided, causal (arXiv 2204.07143, 2209.15001, 2504.16922)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.windows import neighborhood
from harness.methods._shared.tiles import LENGTHS, Part, joined, tiled
from harness.methods._shared.towers import ByPosition
from harness.steering.places import Places
from harness.steering.tower import TowerView
from harness.steering.visible import Visible

LEAST = 2
"""Patches from which a kernel is a number of patches and not a share."""


class Neighborhood(ByPosition):
    """Each patch sees kernel x kernel patches around it, by NATTEN's rules; class tokens see and are seen by all."""

    name = "neighborhood"

    def __init__(self, kernel: float | None, dilation: int, stride: int | str, causal: bool, start: int, end: int):
        """`kernel`: side of the window, in patches from 2 on, up to 1 as a share of each side of the grid; null for
        all. `dilation`: steps between its patches. `stride`: queries in a row that share a window; "kernel" for plain
        windows. `causal`: whether windows end at the query. `start`, `end`: layers of 24.
        """
        super().__init__(start, end)
        if kernel is not None and not 0 < kernel <= 1 and not (kernel >= LEAST and kernel == int(kernel)):
            raise UsageError(
                f"method.neighborhood.kernel={kernel} must be a share of the side in (0, 1], or a number of patches "
                f"from {LEAST}"
            )
        if dilation < 1:
            raise UsageError(f"method.neighborhood.dilation={dilation} must be 1 or more")
        if stride != "kernel" and not (isinstance(stride, int) and stride >= 1):
            raise UsageError(f"method.neighborhood.stride={stride} must be 1 or more, or kernel for plain windows")
        if kernel is not None and kernel >= LEAST and isinstance(stride, int) and stride > kernel:
            raise UsageError(f"method.neighborhood.stride={stride} must not be more than kernel={kernel:g}")
        self.kernel, self.dilation, self.stride, self.causal = kernel, dilation, stride, causal

    @property
    def acts(self) -> bool:
        return self.kernel is not None

    def pattern(self, places: Places, tower: TowerView, device: torch.device) -> Visible:
        return joined(places, [self._part(grid) for grid in places.grids], device)

    def _part(self, grid: Tensor) -> Part:
        """Of one grid. What is longer than the grid is as long as the grid."""
        assert self.kernel is not None
        rules, strides, dilations = [], [], []
        for n in grid.shape:
            dilation = min(self.dilation, n)
            wanted = self.kernel if self.kernel >= LEAST else max(1, round(self.kernel * n))
            kernel = min(int(wanted), n // dilation)
            strides.append(kernel if self.stride == "kernel" else min(int(self.stride), kernel))
            dilations.append(dilation)
            rules.append(neighborhood(n, kernel, dilation, strides[-1], self.causal))
        step = max(strides)
        lengths = [step] if self.stride == "kernel" else [step * -(-length // step) for length in LENGTHS]
        return tiled(rules, grid, lengths, max(dilations))
