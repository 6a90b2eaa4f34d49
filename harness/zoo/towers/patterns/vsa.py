"""Varied-size windows (VSA, arXiv 2204.08446): each head moves and scales the window from which keys are sampled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.towers.pattern import Pattern, blocks


class Vsa(Pattern):
    """`window`: patches along each side of a window. Queries stay in it; keys and values are sampled bilinearly at
    centre + grid x (1 + scale) + offset, both from the window's mean. Zero weights give plain windows.

    The conditional position encoding and the relative bias of the paper are left out.
    """

    places: Tensor
    centres: Tensor

    def __init__(self, width: int, heads: int, side: int, window: int = 4):
        super().__init__(width, heads, side)
        blocks(side, window)
        self.window, self.count = window, side // window
        self.offset, self.scale = (nn.Conv2d(width, 2 * heads, 1) for _ in range(2))
        for made in (self.offset, self.scale):
            nn.init.zeros_(made.weight)
            nn.init.zeros_(made.bias)  # type: ignore[arg-type]
        axis = torch.linspace(-1, 1, side)
        middle = axis.view(self.count, window).mean(1).repeat_interleave(window)
        self.register_buffer("places", torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1), persistent=False)
        self.register_buffer(
            "centres", torch.stack(torch.meshgrid(middle, middle, indexing="xy"), -1), persistent=False
        )

    def attend(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        at = self.sampled(x)
        mine, keys, values = (
            self._windows(q[:, :, 1:]),
            *(torch.cat([self._windows(self._at(y[:, :, 1:], at)), self._shared(y)], 3) for y in (k, v)),
        )
        inside = F.scaled_dot_product_attention(mine, keys, values)  # [B, H, windows, patches, d]
        n, w = self.count, self.window
        patches = inside.unflatten(2, (n, n)).unflatten(4, (w, w)).transpose(3, 4).flatten(2, 5)
        return torch.cat([F.scaled_dot_product_attention(q[:, :, :1], k, v), patches], 2)

    def sampled(self, x: Tensor) -> Tensor:
        """Where each head samples the key in each patch's place: [B, H, side, side, (x, y)] in [-1, 1]."""
        patches = x[:, 1:].transpose(1, 2).unflatten(-1, (self.side, self.side))
        told = F.leaky_relu(F.avg_pool2d(patches, self.window))
        moved, scaled = (
            made(told).unflatten(1, (self.heads, 2)).permute(0, 1, 3, 4, 2) for made in (self.offset, self.scale)
        )
        wide = [y.repeat_interleave(self.window, 2).repeat_interleave(self.window, 3) for y in (moved, scaled)]
        return self.centres + (self.places - self.centres) * (1 + wide[1]) + wide[0] / self.count

    def keys(self) -> float:
        """Of a patch those of a window and the class token; the class token sees all."""
        patches = self.side**2
        return (patches * (1 + self.window**2) + 1 + patches) / (1 + patches)

    def _at(self, y: Tensor, at: Tensor) -> Tensor:
        """y [B, H, N, d] sampled at [B, H, side, side, 2]; zero outside the grid."""
        grid = y.transpose(-1, -2).unflatten(-1, (self.side, self.side)).flatten(0, 1)
        found = F.grid_sample(grid, at.flatten(0, 1), padding_mode="zeros", align_corners=True)
        return found.flatten(2).transpose(1, 2).unflatten(0, y.shape[:2])

    def _windows(self, y: Tensor) -> Tensor:
        """[B, H, N, d] -> [B, H, windows, patches of a window, d]"""
        n, w = self.count, self.window
        return y.unflatten(2, (n, w, n, w)).transpose(3, 4).flatten(4, 5).flatten(2, 3)

    def _shared(self, y: Tensor) -> Tensor:
        """The class token's [B, H, windows, 1, d]."""
        return y[:, :, None, :1].expand(-1, -1, self.count**2, -1, -1)
