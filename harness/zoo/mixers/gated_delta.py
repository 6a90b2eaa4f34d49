"""Gated DeltaNet (Yang et al., arXiv 2412.06464), the linear layer of InfiniteVL (arXiv 2512.08829): the delta rule
with a decay, S_t = a_t S_{t-1} (I - b_t k_t k_t^T) + b_t v_t k_t^T, log a_t = -exp(A) softplus(W_a x + dt).

InfiniteVL is a layout: one window layer, then three of these.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import merge, slow
from harness.zoo.mixers import delta


class GatedDelta(delta.Delta):
    """With short convolutions, output norm and gate."""

    def __init__(self, width: int, heads: int = 2, conv: bool = True):
        super().__init__(width, heads, conv)
        self.a_proj, self.gate = nn.Linear(width, heads, bias=False), nn.Linear(width, width, bias=False)
        self.log_a = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.dt = nn.Parameter(slow(heads))
        self.norm = nn.RMSNorm(width // heads)

    def log_decay(self, x: Tensor) -> Tensor:
        return -self.log_a.exp() * F.softplus(self.a_proj(x) + self.dt)

    def finish(self, y: Tensor, x: Tensor) -> Tensor:
        return self.o_proj(merge(self.norm(y)) * F.silu(self.gate(x)))
