"""qLSTM of the Dynamical Systems Framework (Sieber et al., arXiv 2405.15731): an LSTM whose gates read the input alone,
so that it is a linear time-varying system.

    h_t = Lambda_t h_{t-1} + B_t u_t,   y_t = o_t h_t,   Lambda = sigmoid(f), B = sigmoid(i)

`reversed`: Lambda = sigmoid(-f)^relu(a) with a learned scalar a, and B = sigmoid(f): one f ties transition and input,
as Delta does in S6 (exp(-softplus(f)) is sigmoid(-f)). With a = 0 nothing is forgotten.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import Convolution, System
from harness.zoo.mixer import Mixer

State = tuple[Tensor, Tensor]


class Qlstm(Mixer):
    """`expand`: states of each channel."""

    def __init__(self, width: int, expand: int = 4, reversed: bool = False):  # noqa: A002  # the paper's word
        super().__init__()
        self.width, self.expand, self.reversed = width, expand, reversed
        self.conv = Convolution(width)
        self.u_proj, self.f_proj, self.c_proj = (nn.Linear(width, width * expand) for _ in range(3))
        self.i_proj = None if reversed else nn.Linear(width, width * expand)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.power = nn.Parameter(torch.ones(())) if reversed else torch.ones(())

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lambda, B u and the output gate [..., D * n] of convolved inputs."""
        f, u, gate = self.f_proj(x), self.u_proj(x), self.c_proj(x).sigmoid()
        if self.i_proj is not None:
            return f.sigmoid(), self.i_proj(x).sigmoid() * u, gate
        return torch.exp(self.power.relu() * F.logsigmoid(-f)), f.sigmoid() * u, gate

    def finish(self, y: Tensor) -> Tensor:
        return self.o_proj(y)

    def forward(self, x: Tensor) -> Tensor:
        decay, drive, gate = self.parts(self.conv(x))
        h, out = torch.zeros_like(drive[:, 0]), []
        for t in range(x.shape[1]):
            h = decay[:, t] * h + drive[:, t]
            out.append(h)
        return self.finish((torch.stack(out, 1) * gate).unflatten(-1, (self.width, -1)).sum(-1))

    def start(self, batch: int) -> State:
        return self.o_proj.weight.new_zeros(batch, self.width * self.expand), self.conv.start(batch)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h, behind = state
        x, behind = self.conv.step(x, behind)
        decay, drive, gate = self.parts(x)
        h = decay * h + drive
        return self.finish((h * gate).unflatten(-1, (self.width, -1)).sum(-1)), (h, behind)

    def dynamics(self, x: Tensor) -> System:
        decay, drive, gate = self.parts(self.conv(x))
        eye = torch.eye(self.width, dtype=x.dtype).repeat_interleave(self.expand, 1)
        return System(decay, drive, eye * gate[..., None, :])
