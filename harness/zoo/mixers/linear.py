"""Linear attention (Katharopoulos et al., arXiv 2006.16236): phi(q) . phi(k) with phi = elu + 1, normalised.

S_t = S_{t-1} + phi(k_t) v_t^T,  n_t = n_{t-1} + phi(k_t),  y_t = phi(q_t)^T S_t / phi(q_t)^T n_t
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import System, merge, normalised, split
from harness.zoo.mixer import Mixer

EPS = 1e-6


class Linear(Mixer):
    """`keys`: dimensions of q and k of each head, apart from those of v (the state expansion of arXiv 2405.15731)."""

    def __init__(self, width: int, heads: int = 1, keys: int = 64):
        super().__init__()
        self.width, self.heads, self.keys = width, heads, keys
        self.q_proj, self.k_proj = (nn.Linear(width, heads * keys, bias=False) for _ in range(2))
        self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(2))

    def phi(self, x: Tensor) -> Tensor:
        return F.elu(x) + 1

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """phi(q), phi(k), v by heads."""
        q, k = (self.phi(split(p(x), self.heads)) for p in (self.q_proj, self.k_proj))
        return q, k, split(self.v_proj(x), self.heads)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x)
        weights = (q @ k.transpose(-1, -2)).tril()
        return self.o_proj(merge(weights @ v / (weights.sum(-1, keepdim=True) + EPS)))

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        size = self.phi(self.q_proj.weight.new_zeros(self.keys)).shape[-1]
        empty = self.q_proj.weight.new_zeros(batch, self.heads, size)
        return empty[..., None].expand(-1, -1, -1, self.width // self.heads).clone(), empty

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = self.project(x)
        s, n = state[0] + k[..., None] * v[..., None, :], state[1] + k
        y = (q[..., None, :] @ s)[..., 0, :] / ((q * n).sum(-1, keepdim=True) + EPS)
        return self.o_proj(merge(y)), (s, n)

    def dynamics(self, x: Tensor) -> System:
        """With one head, as in arXiv 2405.15731: eta_t = phi(q_t) . n_t."""
        q, k, v = (z[:, 0] for z in self.project(x))
        return normalised(q, k, v, (q * k.cumsum(1)).sum(-1, keepdim=True) + EPS)

    def finish(self, y: Tensor) -> Tensor:
        """From what the system gives out to the mixer's output."""
        return self.o_proj(y)
