"""Sliding-window attention (Beltagy et al., arXiv 2004.05150): softmax attention over the last `window` positions."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.zoo.attention import Attention, State


def band(length: int, window: int) -> Tensor:
    """[T, T] bool: which of the last `window` positions, itself among them, each position sees."""
    at = torch.arange(length)
    return (at <= at[:, None]) & (at > at[:, None] - window)


class Window(Attention):
    """`window`: positions that each one sees, itself among them."""

    def __init__(self, width: int, heads: int = 1, window: int = 8):
        super().__init__(width, heads)
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(self.attend(q, k, v, band(x.shape[1], self.window).to(x.device)))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        out, state = self.cached(x, state, self.window)
        return self.o_proj(out), state

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * min(length, self.window) * self.heads * self.size
