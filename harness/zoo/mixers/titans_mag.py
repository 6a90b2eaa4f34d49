"""Titans, MAG (memory as gate, arXiv 2501.00663): sliding-window attention and the neural memory side by side, both
normalised; their product is the output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from harness.zoo.mixer import Mixer
from harness.zoo.mixers.titans import Titans
from harness.zoo.mixers.window import Window


class TitansMag(Mixer):
    """`window`: of the attention. Others as in LMM."""

    def __init__(
        self,
        width: int,
        window: int = 8,
        size: int = 32,
        depth: int = 2,
        chunk: int = 4,
        momentum: bool = True,
        forget: bool = True,
    ):
        super().__init__()
        self.width = width
        self.window, self.memory = Window(width, window=window), Titans(width, size, depth, chunk, momentum, forget)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2))
        self.o_proj = nn.Linear(width, width, bias=False)

    def joined(self, near: Tensor, far: Tensor) -> Tensor:
        near, far = self.norms[0](near), self.norms[1](far)
        return self.o_proj(torch.sigmoid(near) * far)

    def forward(self, x: Tensor) -> Tensor:
        return self.joined(self.window(x), self.memory(x))

    def start(self, batch: int) -> tuple[Any, Any]:
        return self.window.start(batch), self.memory.start(batch)

    def step(self, x: Tensor, state: tuple[Any, Any]) -> tuple[Tensor, tuple[Any, Any]]:
        near, seen = self.window.step(x, state[0])
        far, now = self.memory.step(x, state[1])
        return self.joined(near, far), (seen, now)

    def state_bytes(self, length: int) -> int:
        return self.window.state_bytes(length) + self.memory.state_bytes(length)
