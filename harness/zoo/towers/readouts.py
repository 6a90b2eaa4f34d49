"""Heads that read labels from a frozen tower's states [B, 1 + N, D], the class token's first: four ways to pool them.

Each pools to [B, W], normalises by statistics of the training pictures (batch normalisation without weights), and reads
linearly, as Efficient Probing does (arXiv 2506.10178).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Ep(nn.Module):
    """Q queries attend to the patches, which are neither projected nor split into heads; each pools its own slice of
    the values: Q D + D^2 parameters."""

    def __init__(self, width: int, queries: int):
        super().__init__()
        if width % queries:
            raise ValueError(f"width {width} is not divisible by {queries} queries")
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.02)
        self.values = nn.Linear(width, width, bias=False)

    def attention(self, x: Tensor) -> Tensor:
        """[B, Q, N] over the patches of states [B, 1 + N, D]."""
        return (self.queries @ x[:, 1:].mT / x.shape[-1] ** 0.5).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        values = self.values(x[:, 1:]).unflatten(-1, (len(self.queries), -1))
        return torch.einsum("bqn,bnqd->bqd", self.attention(x), values).flatten(1)


class Mha(nn.Module):
    """Cross-attention of one learned query in heads, with projected keys and values: 2 D^2 + 3 D parameters."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.keys, self.values = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        k, v = (p(x[:, 1:]).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.keys, self.values))
        q = self.query.unflatten(-1, (self.heads, 1, -1)).expand(len(x), -1, -1, -1)
        return F.scaled_dot_product_attention(q, k, v).flatten(1)


class Mean(nn.Module):
    """The mean over the patches."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1:].mean(1)


class First(nn.Module):
    """The class token: the linear probe."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


POOLS: dict[str, Callable[[int, int], nn.Module]] = {
    "ep": Ep,
    "linear": lambda width, queries: First(),
    "mean": lambda width, queries: Mean(),
    "mha": Mha,
}
READOUTS = tuple(POOLS)
"""Their names; the first is the one that a tower is asked through where none is said."""


def readout(name: str, width: int, labels: int, queries: int) -> nn.Sequential:
    """Pooling, normalisation and the linear map."""
    norm = nn.BatchNorm1d(width, eps=1e-6, affine=False)
    return nn.Sequential(POOLS[name](width, queries), norm, nn.Linear(width, labels))
