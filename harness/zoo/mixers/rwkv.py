"""RWKV-6 (Peng et al., arXiv 2404.05892), its time mixing: a decay for each channel that depends on the input.

    S_t = diag(w_t) S_{t-1} + k_t v_t^T,   o_t = r_t^T (S_{t-1} + diag(u) k_t v_t^T)

Each input is mixed with the one before it (token shift; here by one learned share a channel and projection).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import merge, split
from harness.zoo.mixer import Mixer

NAMES = ("r", "k", "v", "w", "g")


class Rwkv(Mixer):
    """`heads` of width / heads channels."""

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.width, self.heads, self.size = width, heads, width // heads
        self.shift = nn.ParameterDict({n: nn.Parameter(torch.full((width,), 0.5)) for n in NAMES})
        self.project = nn.ModuleDict({n: nn.Linear(width, width, bias=n == "w") for n in NAMES})
        self.bonus = nn.Parameter(torch.full((heads, self.size), 0.5))
        self.norm, self.o_proj = nn.GroupNorm(heads, width), nn.Linear(width, width, bias=False)
        nn.init.uniform_(self.project["w"].bias, -6, -1)  # type: ignore[arg-type]

    def parts(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """r, k, v, w by heads, and the gate."""
        r, k, v, w, g = (self.project[n](x + self.shift[n] * (before - x)) for n in NAMES)
        return (*(split(y, self.heads) for y in (r, k, v, torch.exp(-torch.exp(w)))), F.silu(g))  # type: ignore[return-value]

    def read(self, s: Tensor, r: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """From S_{t-1}: o_t [B, H, d]."""
        return (r[..., None, :] @ s)[..., 0, :] + (r * self.bonus * k).sum(-1, keepdim=True) * v

    def finish(self, y: Tensor, gate: Tensor) -> Tensor:
        flat = self.norm(y.flatten(0, -2)).view_as(y) if y.ndim == 3 else self.norm(y)
        return self.o_proj(flat * gate)

    def forward(self, x: Tensor) -> Tensor:
        r, k, v, w, gate = self.parts(x, F.pad(x, (0, 0, 1, 0))[:, :-1])
        (s, _), out = self.start(len(x)), []
        for t in range(x.shape[1]):
            out.append(self.read(s, r[:, :, t], k[:, :, t], v[:, :, t]))
            s = w[:, :, t, :, None] * s + k[:, :, t, :, None] * v[:, :, t, None, :]
        return self.finish(merge(torch.stack(out, 2)), gate)

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        empty = self.bonus.new_zeros
        return empty(batch, self.heads, self.size, self.size), empty(batch, self.width)

    def step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        s, before = state
        r, k, v, w, gate = self.parts(x, before)
        y = self.read(s, r, k, v)
        s = w[..., None] * s + k[..., None] * v[..., None, :]
        return self.finish(merge(y), gate), (s, x)

    def state_bytes(self, length: int) -> int:
        return 4 * self.width * (self.size + 1)
