"""What mixers with an attention map share: heads, caches, and an attention that methods and probes can enter."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.mixer import Mixer

State = tuple[Tensor, Tensor]


class Attention(Mixer):
    """Softmax attention by named projections; `attend` goes through whichever function steering has registered."""

    implementation = "sdpa"
    plain = True
    """Whether its scores are those of `attend`, so that methods may edit them."""
    is_causal = True

    itself = True
    """Whether a position sees itself; False: what is asked at it is looked for before it alone."""

    def __init__(self, width: int, heads: int = 1, size: int | None = None):
        super().__init__()
        self.width, self.heads, self.size = width, heads, size or width // heads
        if width % heads and size is None:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        inner = self.heads * self.size
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.o_proj = nn.Linear(inner, width, bias=False)

    def split(self, x: Tensor) -> Tensor:
        """[B, T, H * d] -> [B, H, T, d]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def seen(self, length: int) -> Tensor | None:
        """[T, T] bool: which positions each one sees, where it is not all up to itself. The first one sees itself."""
        if self.itself:
            return None
        at = torch.arange(length, device=self.q_proj.weight.device)
        return (at < at[:, None]) | (at + at[:, None] == 0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None = None) -> Tensor:
        """Causal attention [B, H, T, d] of all positions, heads side by side: [B, T, H * d].

        `seen`: [T, T] bool, which positions (columns) each one (row) may look at; None for all up to itself.
        """
        if self.implementation == "sdpa":
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None)
            return out.transpose(1, 2).flatten(-2)
        from transformers import AttentionInterface

        mask = None if seen is None else seen.expand(len(q), 1, *seen.shape[-2:])
        function: Any = AttentionInterface()[self.implementation]
        return function(self, q, k, v, mask, scaling=q.shape[-1] ** -0.5)[0].flatten(-2)

    def start(self, batch: int) -> State:
        empty = self.q_proj.weight.new_zeros(batch, self.heads, 0, self.size)
        return empty, empty

    def cached(self, x: Tensor, state: State, keep: int | None = None) -> tuple[Tensor, State]:
        """Attention of one position over a cache of the last `keep` keys and values (None: all)."""
        q, k, v = (self.split(p(x[:, None])) for p in (self.q_proj, self.k_proj, self.v_proj))
        keys, values = (torch.cat(pair, 2) for pair in zip(state, (k, v), strict=True))
        if keep is not None:
            keys, values = keys[:, :, -keep:], values[:, :, -keep:]
        last = None if self.itself or keys.shape[2] == 1 else -1
        out = F.scaled_dot_product_attention(q, keys[:, :, :last], values[:, :, :last])
        return out.flatten(1), (keys, values)
