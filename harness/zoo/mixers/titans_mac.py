"""Titans, MAC (memory as context, arXiv 2501.00663): in each segment, attention over learned persistent tokens, what
the memory recalls for the segment's positions, and the segment itself; the output updates the memory and gates a new
read. As in the independent version (lucidrains/titans-pytorch) RoPE tells which recalled token is of which position,
and attention adds to what it reads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import turned
from harness.zoo.memory import Weights
from harness.zoo.mixers import titans


class TitansMac(titans.Titans):
    """`chunk`: positions of a segment; `persistent`: learned tokens. Others as in LMM."""

    def __init__(
        self,
        width: int,
        size: int = 32,
        depth: int = 2,
        chunk: int = 8,
        persistent: int = 4,
        momentum: bool = True,
        forget: bool = True,
    ):
        super().__init__(width, size, depth, chunk, momentum, forget)
        self.ask, self.tell = nn.Linear(width, size, bias=False), nn.Linear(size, width, bias=False)
        self.persistent = nn.Parameter(torch.randn(persistent, width) * width**-0.5)
        self.q_proj, self.k_proj, self.v_proj, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        now, out = self.memory.start(len(x)), []
        for at in range(0, x.shape[1], self.chunk):
            y, now = self.segment(now, x[:, at : at + self.chunk])
            out.append(y)
        return torch.cat(out, 1)

    def segment(self, now: Weights, x: Tensor) -> tuple[Tensor, Weights]:
        count, learned = x.shape[1], len(self.persistent)
        recalled = self.tell(self.memory.recall(now, F.normalize(self.ask(x), dim=-1)))
        context = torch.cat([self.persistent.expand(len(x), -1, -1), recalled, x], 1)
        past = torch.ones(count, count, dtype=torch.bool).tril()
        seen = torch.cat([past.new_ones(count, learned), past, past], 1)
        at = torch.arange(count, dtype=x.dtype)
        q = turned(self.q_proj(x), at)
        k = turned(self.k_proj(context), torch.cat([at.new_zeros(learned), at, at]))
        y = x + F.scaled_dot_product_attention(q, k, self.v_proj(context), attn_mask=seen)
        read, behind = self.memory.segment(now, y)
        return self.out(y * torch.sigmoid(self.o_proj(read))), behind
