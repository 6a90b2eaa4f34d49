"""What linear recurrences share: heads, decays as a matrix, and a system of equations that all of them are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


def split(x: Tensor, heads: int) -> Tensor:
    """[B, T, H * d] -> [B, H, T, d]; also without the T."""
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3) if x.ndim == 3 else x.unflatten(-1, (heads, -1))


def merge(x: Tensor) -> Tensor:
    """[B, H, T, d] -> [B, T, H * d]; also without the T."""
    return x.transpose(-2, -3).flatten(-2) if x.ndim == 4 else x.flatten(-2)


def decays(log: Tensor) -> Tensor:
    """[..., T] logarithms of a_t -> [..., T, T]: a_{s+1} ... a_t at (t, s) for s <= t, and 0 above the diagonal."""
    total = log.cumsum(-1)
    apart = total[..., :, None] - total[..., None, :]
    past = torch.ones(apart.shape[-2:], dtype=torch.bool, device=log.device).tril()
    return apart.masked_fill(~past, -torch.inf).exp()


def turned(x: Tensor, place: Tensor) -> Tensor:
    """RoPE: x [..., d] turned by its place, which broadcasts over [...]."""
    half = x.shape[-1] // 2
    angle = place[..., None] * 10000.0 ** (-torch.arange(half, dtype=x.dtype, device=x.device) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


class Convolution(nn.Module):
    """Causal depth-wise convolution over the last `taps` positions, then SiLU, as in Mamba and Gated DeltaNet."""

    def __init__(self, width: int, taps: int = 4):
        super().__init__()
        self.taps = nn.Parameter(torch.randn(taps, width) * taps**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once: [B, T, D] -> [B, T, D]."""
        count = len(self.taps)
        past = nn.functional.pad(x, (0, 0, count - 1, 0))
        return nn.functional.silu(sum(past[:, i : i + x.shape[1]] * self.taps[i] for i in range(count)))  # type: ignore[arg-type]

    def start(self, batch: int) -> Tensor:
        """The positions before the first, [B, taps - 1, D] of zeros."""
        return self.taps.new_zeros(batch, len(self.taps) - 1, self.taps.shape[1])

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One position [B, D], and the state after it."""
        seen = torch.cat([state, x[:, None]], 1)
        return nn.functional.silu((seen * self.taps).sum(1)), seen[:, 1:]


def slow(count: int) -> Tensor:
    """Biases whose softplus lies between 0.001 and 0.1, log-uniformly: the first time steps of Mamba."""
    step = torch.empty(count).uniform_(-6.9, -2.3).exp()
    return step + torch.log(-torch.expm1(-step))


@dataclass(frozen=True)
class System:
    """A mixer as h_t = Lambda_t h_{t-1} + (B u)_t, y_t = C_t h_t + (D u)_t (arXiv 2405.15731), Lambda diagonal.

    Args:
        decay, drive: Lambda_t and (B u)_t, [B, T, N].
        read: C_t, [B, T, P, N].
        skip: (D u)_t, [B, T, P]; None for 0.
    """

    decay: Tensor
    drive: Tensor
    read: Tensor
    skip: Tensor | None = None


def normalised(q: Tensor, k: Tensor, v: Tensor, eta: Tensor) -> System:
    """sum_{s <= t} (q_t . k_s) v_s / eta_t of one head, all [B, T, ...]: Lambda_t = eta_{t-1} / eta_t, and the state is
    sum k_s v_s^T / eta_t."""
    before = torch.cat([eta[:, :1], eta[:, :-1]], 1)
    drive = (k[..., None] * v[..., None, :] / eta[..., None]).flatten(-2)
    read = torch.einsum("btn,pd->btpnd", q, torch.eye(v.shape[-1], dtype=v.dtype)).flatten(-2)
    return System((before / eta).expand_as(drive), drive, read)


def simulate(system: System) -> Tensor:
    """The one reference recurrence for all: y [B, T, P]."""
    h, out = torch.zeros_like(system.drive[:, 0]), []
    for t in range(system.drive.shape[1]):
        h = system.decay[:, t] * h + system.drive[:, t]
        out.append((system.read[:, t] @ h[..., None])[..., 0])
    y = torch.stack(out, 1)
    return y if system.skip is None else y + system.skip
