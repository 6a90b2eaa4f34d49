"""Where the tokens of a vision tower's sequence lie on its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

TOWER = ("tower_qkv", "tower_visible", "tower_logits", "tower_weights", "tower_residual", "tower_output")
"""Points in the vision tower."""


@dataclass(frozen=True, eq=False)
class Places:
    """The grid of positions of one sequence: all that a pattern over patches must know of a family.

    Class and register tokens are the tokens that lie on no grid, the order of merge groups and windows is in the
    numbers, and several pictures, crops or frames are several grids.

    Attributes:
        length: Tokens of the sequence, n.
        grids: Of each picture, crop or frame: where its patches stand in the sequence, [height, width].
    """

    length: int
    grids: tuple[Tensor, ...]

    @cached_property
    def others(self) -> Tensor:
        """Tokens without a position, ascending: they are of all grids."""
        free = torch.ones(self.length, dtype=torch.bool)
        for grid in self.grids:
            free[grid.flatten()] = False
        return free.nonzero().flatten()

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each grid, in patches."""
        return tuple((int(g.shape[0]), int(g.shape[1])) for g in self.grids)

    @cached_property
    def _bounds(self) -> tuple[tuple[int, int], ...]:
        return tuple((int(g.min()), int(g.max())) for g in self.grids)

    def cut(self, start: int, stop: int) -> Places | None:
        """The part of the sequence that an attention block sees by itself. None where the cut goes through a grid: the
        model's own windows."""
        if (start, stop) == (0, self.length):
            return self
        inside = []
        for grid, (low, high) in zip(self.grids, self._bounds, strict=True):
            if start <= low and high < stop:
                inside.append(grid - start)
            elif low < stop and high >= start:
                return None
        return Places(stop - start, tuple(inside))


def single(height: int, width: int, before: int) -> Places:
    """One grid in raster order after `before` class and register tokens."""
    grid = torch.arange(height * width).view(height, width) + before
    return Places(before + height * width, (grid,))


def merged(frames: Sequence[tuple[int, int, int]], merge: int, order: Tensor | None = None) -> Places:
    """Frames one after the other, each in blocks of merge x merge patches, the blocks in raster order.

    Args:
        frames: (time, height, width) of each picture, in patches.
        merge: Side of the blocks that become one token of the language model.
        order: Numbers of the blocks in the order in which they stand in the sequence; None for ascending.
    """
    grids, start = [], 0
    for time, height, width in frames:
        numbers = torch.arange(height * width).view(height // merge, width // merge, merge, merge)
        grid = numbers.transpose(1, 2).reshape(height, width)
        for _ in range(time):
            grids.append(grid + start)
            start += height * width
    if order is not None:
        moved = torch.empty_like(order)
        moved[order] = torch.arange(len(order))
        grids = [moved[g // merge**2] * merge**2 + g % merge**2 for g in grids]
    return Places(start, tuple(grids))
