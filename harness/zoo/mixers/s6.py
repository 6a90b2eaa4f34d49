"""S6, the selective state space of Mamba (Gu and Dao, arXiv 2312.00752), without its convolution and gate.

    h_t = exp(-Delta_t A) h_{t-1} + Delta_t b_t u_t,   y_t = c_t . h_t + D u_t,   for each channel u

Delta, b and c depend on the input: transition and input are tied by Delta.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import System, slow
from harness.zoo.mixer import Mixer


class S6(Mixer):
    """`expand`: states of each channel, n."""

    def __init__(self, width: int, expand: int = 16):
        super().__init__()
        self.width, self.expand = width, expand
        self.u_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.b_proj, self.c_proj = (nn.Linear(width, expand, bias=False) for _ in range(2))
        self.delta = nn.Linear(width, width)
        self.log_a = nn.Parameter(torch.arange(1, expand + 1).float().log().repeat(width, 1))
        self.skip = nn.Parameter(torch.ones(width))
        self.delta.bias = nn.Parameter(slow(width))

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Lambda and (B u) [..., D, n], c [..., n], u [..., D]."""
        u, delta = self.u_proj(x), F.softplus(self.delta(x))
        decay = torch.exp(-delta[..., None] * self.log_a.exp())
        return decay, (delta * u)[..., None] * self.b_proj(x)[..., None, :], self.c_proj(x), u

    def forward(self, x: Tensor) -> Tensor:
        decay, drive, c, u = self.parts(x)
        h, out = self.start(len(x)), []
        for t in range(x.shape[1]):
            h = decay[:, t] * h + drive[:, t]
            out.append((h @ c[:, t, :, None])[..., 0])
        return self.o_proj(torch.stack(out, 1) + self.skip * u)

    def start(self, batch: int) -> Tensor:
        return self.skip.new_zeros(batch, self.width, self.expand)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        decay, drive, c, u = self.parts(x)
        state = decay * state + drive
        return self.o_proj((state @ c[..., None])[..., 0] + self.skip * u), state

    def state_bytes(self, length: int) -> int:
        return 4 * self.width * self.expand

    def dynamics(self, x: Tensor) -> System:
        decay, drive, c, u = self.parts(x)
        read = torch.einsum("btn,pd->btpdn", c, torch.eye(self.width, dtype=c.dtype)).flatten(-2)
        return System(decay.flatten(-2), drive.flatten(-2), read, self.skip * u)

    def finish(self, y: Tensor) -> Tensor:
        return self.o_proj(y)
