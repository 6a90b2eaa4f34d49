"""Neighborhood attention (NAT, arXiv 2204.07143): each patch sees the kernel x kernel patches around it."""

from __future__ import annotations

from harness.core.windows import neighborhood
from harness.zoo.towers.pattern import Masked, square


class Neighborhood(Masked):
    """`kernel`: side of the window, which is shifted at borders and not cut. `dilation`: steps between its patches."""

    def __init__(self, width: int, heads: int, side: int, kernel: int = 4, dilation: int = 1):
        if kernel < 1 or dilation < 1 or kernel * dilation > side:
            raise ValueError(f"kernel x dilation must be 1 to {side}, the patches of a side")
        super().__init__(width, heads, side, square(neighborhood(side, kernel, dilation)))
