"""Titans, LMM (Behrouz et al., arXiv 2501.00663): the neural memory alone (`harness.zoo.memory`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.zoo.memory import Memory, Parts, Weights
from harness.zoo.mixer import Mixer

State = tuple[Weights, Tensor]


class Titans(Mixer):
    """`size`: of keys, values and memory. `chunk`: positions whose gradients are taken at the same weights."""

    def __init__(
        self, width: int, size: int = 32, depth: int = 2, chunk: int = 4, momentum: bool = True, forget: bool = True
    ):
        super().__init__()
        self.width, self.chunk = width, chunk
        self.memory = Memory(width, size, depth, momentum, forget, rate=1 / chunk, limit=4.0)
        self.o_proj = nn.Linear(size, width, bias=False)

    def segment(self, now: Weights, x: Tensor) -> tuple[Tensor, Weights]:
        """The output [B, C, D] of a chunk, and the weights after it."""
        y, behind = self.memory.segment(now, x)
        return self.o_proj(y), behind

    def forward(self, x: Tensor) -> Tensor:
        """What chunks ask and write is worked out for all whole ones at once."""
        now, out, whole = self.memory.start(len(x)), [], x.shape[1] // self.chunk
        parts = self.memory.parts(x[:, : whole * self.chunk].unflatten(1, (whole, self.chunk)))
        for c in range(whole):
            y, now = self.memory.read(now, Parts(*(p[:, c] for p in parts)))
            out.append(y)
        if x.shape[1] % self.chunk:
            out.append(self.memory.segment(now, x[:, whole * self.chunk :])[0])
        return self.o_proj(torch.cat(out, 1))

    def start(self, batch: int) -> State:
        """The weights before the present chunk, and what has been read of it."""
        return self.memory.start(batch), self.o_proj.weight.new_zeros(batch, 0, self.width)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        now, read = state
        read = torch.cat([read, x[:, None]], 1)
        y, behind = self.segment(now, read)
        return y[:, -1], (behind, read[:, :0]) if read.shape[1] == self.chunk else (now, read)

    def state_bytes(self, length: int) -> int:
        return 4 * (2 * sum(m.numel() for m in self.memory.first) + length % self.chunk * self.width)
