"""Lightning Attention of TransNormerLLM (Qin et al., arXiv 2307.14995, 2401.04658).

    o_t = sum_{s <= t} lambda^(t-s) (q_t . k_s) v_s

lambda_h = exp(-slope_h (1 - l / (L - 1) + 1e-5)) with ALiBi's slopes 2^(-8 h / H): early layers forget fast, the last
hardly at all. No softmax; a norm over the full width and a low-rank gate follow.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import merge, split
from harness.zoo.mixer import Mixer


class Lightning(Mixer):
    """`block`: positions that are read by a masked product, with the d x d state between blocks; 0: all of them."""

    def __init__(self, width: int, heads: int = 4, block: int = 0, layer: int = 0, layers: int = 1):
        super().__init__()
        self.width, self.heads, self.block, self.size = width, heads, block, width // heads
        slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
        self.register_buffer("log", -slopes * (1 - layer / max(layers - 1, 1) + 1e-5), persistent=False)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate = nn.Sequential(nn.Linear(width, self.size, bias=False), nn.Linear(self.size, width, bias=False))

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(split(F.silu(p(x)), self.heads) for p in (self.q_proj, self.k_proj, self.v_proj))

    def finish(self, y: Tensor, x: Tensor) -> Tensor:
        """SimpleRMSNorm over the width, gate, projection."""
        y = merge(y)
        y = y / (y.norm(dim=-1, keepdim=True) * self.width**-0.5 + 1e-6)
        return self.o_proj(self.gate(x).sigmoid() * y)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x)
        state, out = self.start(len(x)), []
        log: Tensor = self.log.to(x.dtype)[:, None]  # type: ignore[union-attr]
        for at in range(0, x.shape[1], self.block or x.shape[1]):
            q1, k1, v1 = (y[:, :, at : at + (self.block or x.shape[1])] for y in (q, k, v))
            t = torch.arange(q1.shape[2], dtype=x.dtype)
            apart = (t[:, None] - t)[None]
            inside = (q1 @ k1.transpose(-1, -2)) * (apart * log[..., None]).exp().masked_fill(apart < 0, 0)
            out.append(inside @ v1 + (q1 * ((t + 1) * log).exp()[..., None]) @ state)
            left = ((len(t) - 1 - t) * log).exp()[..., None]
            state = state * (len(t) * log).exp()[..., None] + (k1 * left).transpose(-1, -2) @ v1
        return self.finish(torch.cat(out, 2), x)

    def start(self, batch: int) -> Tensor:
        return self.q_proj.weight.new_zeros(batch, self.heads, self.size, self.size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.project(x)
        fade: Tensor = self.log.to(x.dtype).exp()[:, None, None]  # type: ignore[union-attr, operator]
        state = fade * state + k[..., None] * v[..., None, :]
        return self.finish((q[..., None, :] @ state)[..., 0, :], x), state

    def state_bytes(self, length: int) -> int:
        return 4 * self.width * self.size
