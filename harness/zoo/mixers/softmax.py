"""Softmax attention (Vaswani et al., arXiv 1706.03762): every position looks at all before it, and keeps them all."""

from __future__ import annotations

from torch import Tensor

from harness.zoo.attention import Attention, State


class Softmax(Attention):
    """`heads` of `size` dimensions each (None: the width, divided among them). `itself`: False for attention to what is
    before a position alone, as where a query stands after its examples."""

    def __init__(self, width: int, heads: int = 1, size: int | None = None, itself: bool = True):
        super().__init__(width, heads, size)
        self.itself = itself

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(self.attend(q, k, v, self.seen(x.shape[1])))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        out, state = self.cached(x, state)
        return self.o_proj(out), state

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * length * self.heads * self.size
