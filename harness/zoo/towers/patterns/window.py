"""Plain windows: each patch sees the patches of its block (Swin, arXiv 2103.14030, without its shifts)."""

from __future__ import annotations

from harness.zoo.towers.pattern import Masked, blocks, square


class Window(Masked):
    """`window`: patches along each side of a block."""

    def __init__(self, width: int, heads: int, side: int, window: int = 4):
        super().__init__(width, heads, side, square(blocks(side, window)))
