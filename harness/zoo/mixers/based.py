"""BASED (Arora et al., arXiv 2402.18668): linear attention whose feature map is the Taylor series of exp to the second
order, phi(q) . phi(k) = 1 + s + s^2 / 2 with s = q . k / sqrt(d').

Beside it BASED has gated short convolutions (`short` of the network) and small windows (mixer `window` in a layout).
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.zoo.mixers import linear


def taylor(x: Tensor) -> Tensor:
    """phi(x) = [1, x / d'^(1/4), upper triangle of x x^T / sqrt(d')]: the symmetric terms are merged, so that there are
    1 + d' + d' (d' + 1) / 2. Squares count half, products of two different ones whole: [..., d'] -> [..., features]."""
    d = x.shape[-1]
    scaled = x * d**-0.25
    rows, columns = torch.triu_indices(d, d)
    weight = torch.where(rows == columns, 0.5, 1.0).sqrt().to(x)
    return torch.cat([torch.ones_like(x[..., :1]), scaled, scaled[..., rows] * scaled[..., columns] * weight], -1)


class Based(linear.Linear):
    """`keys`: d', the dimensions before the feature map; 16 in the paper, with 153 features."""

    def __init__(self, width: int, heads: int = 1, keys: int = 16):
        super().__init__(width, heads, keys)

    def phi(self, x: Tensor) -> Tensor:
        return taylor(x)

    def forward(self, x: Tensor) -> Tensor:
        """The quadratic view: no feature is ever written out."""
        q, k = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj))
        v = self.v_proj(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        s = q @ k.transpose(-1, -2) * self.keys**-0.5
        weights = (1 + s + s**2 / 2).tril()
        y = weights @ v / (weights.sum(-1, keepdim=True) + linear.EPS)
        return self.o_proj(y.transpose(1, 2).flatten(-2))

    def state_bytes(self, length: int) -> int:
        features = 1 + self.keys + self.keys * (self.keys + 1) // 2
        return 4 * features * (self.width + self.heads)
