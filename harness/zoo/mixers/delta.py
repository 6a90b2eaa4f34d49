"""DeltaNet (Schlag et al., arXiv 2102.11174; Yang et al., arXiv 2406.06484): a state that is corrected, not added to.

    S_t = S_{t-1} (I - b_t k_t k_t^T) + b_t v_t k_t^T,   o_t = S_t q_t

All positions at once: what is written at t is u_t = b_t (v_t - S_{t-1} k_t), a triangular system in u.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import Convolution, decays, merge, split
from harness.zoo.mixer import Mixer


def delta_rule(q: Tensor, k: Tensor, v: Tensor, strength: Tensor, log_decay: Tensor) -> Tensor:
    """Parallel form of the gated rule S_t = a_t S_{t-1} (I - b_t k_t k_t^T) + b_t v_t k_t^T.

    q, k [B, H, T, d]; v [B, H, T, e]; strength b and log_decay log a [B, H, T]; returns [B, H, T, e].
    """
    fade = decays(log_decay)
    mix = strength[..., None] * fade * (k @ k.transpose(-1, -2))
    eye = torch.eye(q.shape[2], dtype=q.dtype)
    u = torch.linalg.solve_triangular(eye + mix.tril(-1), strength[..., None] * v, upper=False, unitriangular=True)
    return (fade * (q @ k.transpose(-1, -2))) @ u


class Delta(Mixer):
    """`conv`: a short convolution on q, k and v each."""

    def __init__(self, width: int, heads: int = 2, conv: bool = False):
        super().__init__()
        self.width, self.heads = width, heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.b_proj = nn.Linear(width, heads)
        self.convs = nn.ModuleList(Convolution(width) for _ in range(3)) if conv else None

    def heads_of(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q and k of length 1."""
        q, k, v = (split(y, self.heads) for y in (q, k, v))
        return F.normalize(q, dim=-1), F.normalize(k, dim=-1), v

    def log_decay(self, x: Tensor) -> Tensor:
        """log a_t [..., H]: 0, nothing is forgotten."""
        return x.new_zeros(*x.shape[:-1], self.heads)

    def finish(self, y: Tensor, x: Tensor) -> Tensor:
        return self.o_proj(merge(y))

    def forward(self, x: Tensor) -> Tensor:
        made = [p(x) for p in (self.q_proj, self.k_proj, self.v_proj)]
        if self.convs is not None:
            made = [conv(y) for conv, y in zip(self.convs, made, strict=True)]
        q, k, v = self.heads_of(*made)
        strength, log = self.b_proj(x).sigmoid().transpose(1, 2), self.log_decay(x).transpose(1, 2)
        return self.finish(delta_rule(q, k, v, strength, log), x)

    def start(self, batch: int) -> tuple[Tensor, list[Tensor]]:
        size = self.width // self.heads
        convs = [c.start(batch) for c in self.convs] if self.convs is not None else []  # type: ignore[operator]
        return self.q_proj.weight.new_zeros(batch, self.heads, size, size), convs

    def step(self, x: Tensor, state: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
        s, behind = state
        made = [p(x) for p in (self.q_proj, self.k_proj, self.v_proj)]
        if self.convs is not None:
            pairs = [c.step(y, b) for c, y, b in zip(self.convs, made, behind, strict=True)]  # type: ignore[operator]
            made, behind = [p[0] for p in pairs], [p[1] for p in pairs]
        q, k, v = self.heads_of(*made)
        s = self.log_decay(x).exp()[..., None, None] * s
        written = self.b_proj(x).sigmoid()[..., None] * (v - (s @ k[..., None])[..., 0])
        s = s + written[..., None] * k[..., None, :]
        return self.finish((s @ q[..., None])[..., 0], x), (s, behind)
