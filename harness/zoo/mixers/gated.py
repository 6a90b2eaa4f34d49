"""Gated Attention (Qiu et al., arXiv 2505.06708): a sigmoid gate on the heads' outputs, before the output projection.

o_h <- o_h * sigmoid(W_g x), element by element or one number a head. It removes the attention sink on the first token.
"""

from __future__ import annotations

from torch import Tensor, nn

from harness.zoo.attention import Attention, State


class Gated(Attention):
    """`gate`: "element" (d numbers a head), or "head" (one)."""

    def __init__(self, width: int, heads: int = 1, gate: str = "element"):
        super().__init__(width, heads)
        if gate not in ("element", "head"):
            raise ValueError(f"gate={gate} is unknown: choose element or head")
        self.gate_proj = nn.Linear(width, heads * (self.size if gate == "element" else 1))

    def gated(self, y: Tensor, x: Tensor) -> Tensor:
        """y [..., H * d] times its gate."""
        gate = self.gate_proj(x).sigmoid().unflatten(-1, (self.heads, -1))
        return (y.unflatten(-1, (self.heads, -1)) * gate).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(self.gated(self.attend(q, k, v), x))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        out, state = self.cached(x, state)
        return self.o_proj(self.gated(out, x)), state

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * length * self.heads * self.size
