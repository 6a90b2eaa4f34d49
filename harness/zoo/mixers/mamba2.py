"""Mamba-2's state space duality (Dao and Gu, arXiv 2405.21060): one scalar decay a head, so it is masked attention.

h_t = exp(-Delta_t A) h_{t-1} + Delta_t b_t u_t^T,   y_t = c_t^T h_t + D u_t
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import Convolution, System, decays, merge, slow, split
from harness.zoo.mixer import Mixer

State = tuple[Tensor, Tensor]


class Mamba2(Mixer):
    """`expand`: N, states of each channel. `block`: Mamba's convolution over (u, b, c), gate and norm around it."""

    def __init__(self, width: int, heads: int = 2, expand: int = 32, block: bool = True):
        super().__init__()
        self.width, self.heads, self.expand, self.sizes = width, heads, expand, [width, expand, expand]
        self.project, self.delta = nn.Linear(width, sum(self.sizes), bias=False), nn.Linear(width, heads)
        self.log_a = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.skip, self.o_proj = nn.Parameter(torch.ones(heads, 1)), nn.Linear(width, width, bias=False)
        self.delta.bias = nn.Parameter(slow(heads))
        self.conv = Convolution(sum(self.sizes)) if block else None
        self.gate = nn.Linear(width, width, bias=False) if block else None
        self.norm = nn.RMSNorm(width) if block else None

    def parts(self, x: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """u, Delta u [B, H, T, P], b, c [B, T, N], log Lambda [B, T, H]."""
        u, b, c = mixed.split(self.sizes, -1)
        delta = F.softplus(self.delta(x))
        u = split(u, self.heads)
        return u, u * split(delta, self.heads), b, c, -delta * self.log_a.exp()

    def finish(self, y: Tensor, x: Tensor | None = None) -> Tensor:
        if self.gate is not None and self.norm is not None and x is not None:
            y = self.norm(y * F.silu(self.gate(x)))
        return self.o_proj(y)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.project(x)
        u, driven, b, c, log = self.parts(x, self.conv(mixed) if self.conv is not None else mixed)
        weights = (c @ b.transpose(1, 2))[:, None] * decays(log.transpose(1, 2))
        return self.finish(merge(weights @ driven + self.skip[:, None] * u), x)

    def start(self, batch: int) -> State:
        h = self.skip.new_zeros(batch, self.heads, self.expand, self.width // self.heads)
        return h, self.conv.start(batch) if self.conv is not None else h[:0]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h, behind = state
        mixed = self.project(x)
        if self.conv is not None:
            mixed, behind = self.conv.step(mixed, behind)
        u, driven, b, c, log = self.parts(x, mixed)
        h = log.exp()[..., None, None] * h + b[:, None, :, None] * driven[..., None, :]
        y = (c[:, None, None] @ h)[..., 0, :] + self.skip * u
        return self.finish(merge(y), x), (h, behind)

    def dynamics(self, x: Tensor) -> System:
        """With one head and block=False."""
        u, driven, b, c, log = self.parts(x, self.project(x))
        drive = (b[..., None] * driven[:, 0, :, None]).flatten(-2)
        read = torch.einsum("btn,pd->btpnd", c, torch.eye(self.width, dtype=c.dtype)).flatten(-2)
        return System(log.exp().expand_as(drive), drive, read, self.skip * u[:, 0])
