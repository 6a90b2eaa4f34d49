"""Normalised attention of the Dynamical Systems Framework (Sieber et al., arXiv 2405.15731): linear attention without a
feature map, divided by a learned normaliser of the input.

    y_t = sum_{s <= t} (q_t . k_s) v_s / eta_t,   eta_t = exp(W_n x_t)

Weights may be negative, and a normaliser tiny: W_n x is clipped to [-8, 8].
"""

from __future__ import annotations

from torch import Tensor, nn

from harness.zoo.forms import System, merge, normalised, split
from harness.zoo.mixer import Mixer


class NormAttention(Mixer):
    """`keys`: dimensions of q and k of each head."""

    def __init__(self, width: int, heads: int = 1, keys: int = 64):
        super().__init__()
        self.width, self.heads, self.keys = width, heads, keys
        self.q_proj, self.k_proj = (nn.Linear(width, heads * keys, bias=False) for _ in range(2))
        self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.n_proj = nn.Linear(width, heads)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k, v by heads, and eta [B, H, T, 1]."""
        eta = split(self.n_proj(x).clamp(-8, 8).exp(), self.heads)
        return (*(split(p(x), self.heads) for p in (self.q_proj, self.k_proj, self.v_proj)), eta)  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Tensor:
        q, k, v, eta = self.project(x)
        return self.o_proj(merge((q @ k.transpose(-1, -2)).tril() @ v / eta))

    def start(self, batch: int) -> Tensor:
        return self.q_proj.weight.new_zeros(batch, self.heads, self.keys, self.width // self.heads)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, eta = self.project(x)
        state = state + k[..., None] * v[..., None, :]
        return self.o_proj(merge((q[..., None, :] @ state)[..., 0, :] / eta)), state

    def state_bytes(self, length: int) -> int:
        return 4 * self.keys * self.width

    def dynamics(self, x: Tensor) -> System:
        """The linear time-varying system that this mixer is with one head."""
        return normalised(*(z[:, 0] for z in self.project(x)))

    def finish(self, y: Tensor) -> Tensor:
        return self.o_proj(y)
