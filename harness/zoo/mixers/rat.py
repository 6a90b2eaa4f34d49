"""RAT (Wang et al., arXiv 2507.04416): a gated linear recurrence inside chunks, softmax attention across them.

Inside a chunk, from zero:  v~_t = g_t v~_{t-1} + (1 - g_t) v_t,  and the same for k~.
Then position t attends to (k~, v~) at the last position of each chunk before, and to its own (k~_t, v~_t); queries and
keys are turned by the numbers of their chunks (RoPE).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import merge, split, turned
from harness.zoo.mixer import Mixer

State = tuple[Tensor, Tensor, Tensor, Tensor, int]


class Rat(Mixer):
    """`chunk`: positions of a chunk; 1 is softmax attention (up to 1 - g), T is the recurrence alone."""

    def __init__(self, width: int, heads: int = 2, chunk: int = 16):
        super().__init__()
        self.width, self.heads, self.chunk, self.size = width, heads, chunk, width // heads
        self.groups = min(2, heads)  # of q and k; heads are tiled over them: head h has group h % 2
        self.sizes = [width, width, self.groups * self.size, self.groups * self.size, width]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.bias = nn.Parameter(torch.empty(width).uniform_(1, max(chunk - 1, 1 + 1e-3)).log())
        self.o_proj = nn.Linear(width, width, bias=False)

    def parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """v, gate, q, k by heads, and the output gate z."""
        v, g, q, k, z = self.project(x).split(self.sizes, -1)
        q, k = (y.unflatten(-1, (self.groups, -1)) for y in (q, k))
        q, k = (y.repeat(*[1] * (y.ndim - 2), self.heads // self.groups, 1).flatten(-2) for y in (q, k))
        gate = torch.sigmoid(g.float() + self.bias).to(x.dtype)
        return (*(split(y, self.heads) for y in (v, gate, q, k)), z.sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        length, c = x.shape[1], self.chunk
        v, g, q, k, z = self.parts(F.pad(x, (0, 0, 0, -length % c)))
        v, g, q, k = (y.unflatten(2, (-1, c)) for y in (v, g, q, k))  # [B, H, chunks, C, d]
        values, keys = [torch.zeros_like(v[..., 0, :])], [torch.zeros_like(k[..., 0, :])]
        for t in range(c):
            values.append(g[..., t, :] * values[-1] + (1 - g[..., t, :]) * v[..., t, :])
            keys.append(g[..., t, :] * keys[-1] + (1 - g[..., t, :]) * k[..., t, :])
        v, k = torch.stack(values[1:], -2), torch.stack(keys[1:], -2)
        number = torch.arange(v.shape[2], dtype=x.dtype)[:, None]
        q, k = turned(q, number), turned(k, number)
        ends = torch.einsum("bhncd,bhmd->bhncm", q, k[..., -1, :]) * self.size**-0.5
        past = number > number.T
        ends = ends.masked_fill(~past[:, None], -torch.inf)
        weights = torch.cat([ends, (q * k).sum(-1, keepdim=True) * self.size**-0.5], -1).softmax(-1)
        y = torch.einsum("bhncm,bhmd->bhncd", weights[..., :-1], v[..., -1, :]) + weights[..., -1:] * v
        return self.o_proj(merge(y.flatten(2, 3)) * z)[:, :length]

    def start(self, batch: int) -> State:
        now = self.bias.new_zeros(batch, self.heads, self.size)
        return now, now, now[:, :, None][:, :, :0], now[:, :, None][:, :, :0], 0

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        v, k, values, keys, t = state
        new_v, g, q, new_k, z = self.parts(x)
        v, k = g * v + (1 - g) * new_v, g * k + (1 - g) * new_k
        number = torch.tensor(float(t // self.chunk), dtype=x.dtype)
        all_k, all_v = torch.cat([keys, turned(k, number)[:, :, None]], 2), torch.cat([values, v[:, :, None]], 2)
        y = F.scaled_dot_product_attention(turned(q, number)[:, :, None], all_k, all_v)[:, :, 0]
        if (t + 1) % self.chunk == 0:
            v, k, values, keys = torch.zeros_like(v), torch.zeros_like(k), all_v, all_k
        return self.o_proj(merge(y) * z), (v, k, values, keys, t + 1)

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * self.width * (1 + length // self.chunk)
