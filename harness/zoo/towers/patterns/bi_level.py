"""Bi-level routing attention (BiFormer, arXiv 2303.08810): a region sees the regions that are most like it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.zoo.towers.pattern import Pattern, with_class


class BiLevel(Pattern):
    """`regions`: regions along each side of the grid. `top`: regions that each region sees. `conv`: side of the
    depth-wise convolution of the values that is added to what attention gives (LePE); 0: none."""

    of: Tensor

    def __init__(self, width: int, heads: int, side: int, regions: int = 4, top: int = 4, conv: int = 5):
        super().__init__(width, heads, side)
        if regions < 1 or side % regions or not 1 <= top <= regions**2:
            raise ValueError(f"regions must divide {side}, the patches of a side, and top be 1 to regions x regions")
        if conv < 0 or (conv and not conv % 2):
            raise ValueError("conv must be 0 or an odd number")
        self.regions, self.top = regions, top
        at = torch.arange(side) * regions // side
        self.register_buffer("of", (at[:, None] * regions + at).flatten(), persistent=False)
        self.conv = nn.Conv2d(width, width, conv, padding=conv // 2, groups=width) if conv else None

    def attend(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        out = super().attend(q, k, v, x)
        if self.conv is None:
            return out
        patches = v[:, :, 1:].transpose(-1, -2).flatten(1, 2).unflatten(-1, (self.side, self.side))
        local = self.conv(patches).flatten(2).unflatten(1, (self.heads, -1)).transpose(-1, -2)
        return torch.cat([out[:, :, :1], out[:, :, 1:] + local], 2)

    def seen(self, q: Tensor, k: Tensor) -> Tensor:
        """Affinity of regions: mean query times mean key, summed over heads. The choice is not differentiated."""
        chosen = self.routed(q.detach()[:, :, 1:], k.detach()[:, :, 1:])
        return with_class(chosen[:, self.of][:, :, self.of])[:, None]

    def routed(self, q: Tensor, k: Tensor) -> Tensor:
        """bool [B, R, R] of queries and keys [B, H, N, d]: which regions each region sees."""
        count, area = self.regions**2, (self.side // self.regions) ** 2
        means = [x.new_zeros(*x.shape[:2], count, x.shape[-1]).index_add_(2, self.of, x) / area for x in (q, k)]
        affinity = torch.einsum("bhid,bhjd->bij", *means)
        return torch.zeros_like(affinity, dtype=torch.bool).scatter_(2, affinity.topk(self.top).indices, True)

    def keys(self) -> float:
        """Of a patch top regions and the class token; the class token sees all."""
        patches = self.side**2
        each = 1 + self.top * patches / self.regions**2
        return (patches * each + 1 + patches) / (1 + patches)
