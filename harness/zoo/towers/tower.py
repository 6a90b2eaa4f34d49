"""A small vision transformer: patches in, states of a class token and of the patches out, and readouts of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.zoo.towers.pattern import make
from harness.zoo.towers.readouts import READOUTS, readout


@dataclass(frozen=True)
class Shape:
    """What a tower is made of. Everything here is stored beside its weights.

    Args:
        mixers: Name and options of its pattern, which all blocks have.
        width, depth, heads, inner: D, blocks, heads of each, width of the MLP as a multiple of D.
        grid: Patches along each side of a picture.
        vectors: Numbers of a patch.
        labels: Labels that a picture may have.
        masked: Learnt by filling in hidden patches, without any label (SimMIM); else from labels.
        queries: That pool the patches in the readout `ep`.
    """

    mixers: tuple[tuple[str, dict[str, Any]], ...]
    width: int = 64
    depth: int = 3
    heads: int = 4
    inner: int = 2
    grid: int = 8
    vectors: int = 432
    labels: int = 67
    masked: bool = False
    queries: int = 8

    symbols = 0
    classes = 0

    def facts(self) -> dict[str, Any]:
        return asdict(self)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, shape: Shape):
        super().__init__()
        ((name, options),) = shape.mixers
        self.norm1, self.norm2 = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.attention = make(name, shape.width, shape.heads, shape.grid, dict(options))
        wide = shape.width * shape.inner
        self.mlp = nn.Sequential(nn.Linear(shape.width, wide), nn.GELU(), nn.Linear(wide, shape.width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Tower(nn.Module):
    """Patches [B, N, vectors] -> states [B, 1 + N, D], the class token's first; `answers` reads labels from them."""

    tied = False

    def __init__(self, shape: Shape):
        super().__init__()
        if len(shape.mixers) != 1:
            raise ValueError("a tower has one pattern, which all blocks share")
        self.shape = shape
        self.embed = nn.Linear(shape.vectors, shape.width)
        self.first = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.places = nn.Parameter(torch.randn(1, 1 + shape.grid**2, shape.width) * 0.02)
        self.hidden = nn.Parameter(torch.zeros(shape.width)) if shape.masked else None
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width)
        self.readouts = nn.ModuleDict({r: readout(r, shape.width, shape.labels, shape.queries) for r in READOUTS})

    def start(self, values: Tensor, hidden: Tensor | None = None) -> Tensor:
        """What goes into the first block. `hidden`: bool [B, N], patches that are not shown."""
        x = self.embed(values)
        if hidden is not None:
            assert self.hidden is not None
            x = torch.where(hidden[..., None], self.hidden, x)
        return torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.places

    def forward(self, values: Tensor, hidden: Tensor | None = None) -> Tensor:
        x = self.start(values, hidden)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def answers(self, values: Tensor, readout: str) -> Tensor:
        """Log-odds [B, labels] of each label."""
        return self.readouts[readout](self(values))

    def keys(self) -> float:
        """Keys that a query sees, as a mean over queries."""
        return self.blocks[0].attention.keys()  # type: ignore[operator, union-attr]
