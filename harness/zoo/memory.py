"""The neural memory of Titans (Behrouz et al., arXiv 2501.00663): weights that are updated while reading.

    l(M; x_t) = |M(k_t) - v_t|^2,   S_t = eta_t S_{t-1} - theta_t grad l
    M_t = (1 - alpha_t) M_{t-1} + S_t,   y_t = M_t(q_t)

Gradients of a chunk are taken at its first weights. All of its M_t are then sums of rank-one gradients a b^T, and none
of them is written out:  M_t q = A_t M_0 q + E_t S_0 q - sum_{s <= t} P_ts theta_s a_s (b_s . q).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.zoo.forms import decays

Weights = list[tuple[Tensor, Tensor]]
"""Of each matrix of the memory: M and S, [B, d, d]."""


class Parts(NamedTuple):
    """Of a chunk, [..., C, .] each: queries, keys and values, A_t, E_t, P_ts theta_s, and what momentum takes along."""

    q: Tensor
    k: Tensor
    v: Tensor
    old: Tensor
    moved: Tensor
    put: Tensor
    pushed: Tensor
    kept: Tensor


class Memory(nn.Module):
    """`depth`: 1 (a matrix) or 2 (an MLP with SiLU). `momentum`, `forget`: False for the paper's ablations. `rate`: the
    largest theta (steps of equal keys in a chunk add up). `limit`: the largest norm of a gradient."""

    def __init__(
        self,
        width: int,
        size: int,
        depth: int,
        momentum: bool,
        forget: bool,
        rate: float = 1.0,
        limit: float = torch.inf,
    ):
        super().__init__()
        if depth not in (1, 2):
            raise ValueError(f"depth={depth}: choose 1 or 2")
        self.momentum, self.forget, self.rate, self.limit = momentum, forget, rate, limit
        self.project = nn.Linear(width, 3 * size, bias=False)
        self.rates = nn.Linear(width, 3)  # eta, theta, alpha
        inner = [torch.randn(size, size) * 2 * size**-0.5] * (depth - 1)  # of a unit key features of about unit length
        self.first = nn.ParameterList([*inner, torch.zeros(size, size)])
        nn.init.zeros_(self.rates.weight)
        with torch.no_grad():
            self.rates.bias.copy_(torch.tensor([-1.0, 0.0, -5.0]))

    def start(self, batch: int) -> Weights:
        """Weights and momenta before the first position, [B, d, d] each, layer by layer."""
        return [(m.expand(batch, -1, -1), torch.zeros_like(m).expand(batch, -1, -1)) for m in self.first]

    def recall(self, now: Weights, q: Tensor) -> Tensor:
        """M(q) [B, T, d] with fixed weights."""
        for l, (m, _) in enumerate(now):
            q = (F.silu(q) if l else q) @ m.mT
        return q

    def gradients(self, now: Weights, k: Tensor, v: Tensor) -> Weights:
        """For each matrix the (a, b) of grad l = a b^T, [B, C, d] each."""
        inside = k @ now[0][0].mT
        if len(now) == 1:
            return [self.bounded(2 * (inside - v), k)]
        h, gate = F.silu(inside), inside.sigmoid()
        error = 2 * (h @ now[1][0].mT - v)
        return [self.bounded((error @ now[1][0]) * gate * (1 + inside * (1 - gate)), k), self.bounded(error, h)]

    def bounded(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """A gradient a b^T no longer than `limit`."""
        norm = a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True)
        return a / (norm / self.limit).clamp(min=1), b

    def parts(self, x: Tensor) -> Parts:
        """What a chunk x [..., C, D] asks, writes and forgets, whatever the memory holds."""
        q, k, v = self.project(x).chunk(3, -1)
        eta, theta, alpha = self.rates(x).unbind(-1)
        theta = self.rate * theta.sigmoid()
        log_eta = F.logsigmoid(eta) if self.momentum else torch.full_like(eta, -1e4)
        log_keep = F.logsigmoid(-alpha) if self.forget else torch.zeros_like(alpha)
        fade, push = decays(log_keep), decays(log_eta)
        return Parts(
            q=F.normalize(q, dim=-1),
            k=F.normalize(k, dim=-1),
            v=v,
            old=log_keep.cumsum(-1).exp()[..., None],
            moved=fade @ log_eta.cumsum(-1).exp()[..., None],
            put=(fade @ push) * theta[..., None, :],
            pushed=(push[..., -1, :] * theta)[..., None],
            kept=log_eta.sum(-1).exp()[..., None, None],
        )

    def segment(self, now: Weights, x: Tensor) -> tuple[Tensor, Weights]:
        """A chunk x [B, C, D] from the weights before it: y_t = M_t(q_t) [B, C, d], and the weights after it."""
        return self.read(now, self.parts(x))

    def read(self, now: Weights, p: Parts) -> tuple[Tensor, Weights]:
        """`segment`, of the parts of one chunk."""
        q, behind = p.q, []
        for l, ((m, s), (a, b)) in enumerate(zip(now, self.gradients(now, p.k, p.v), strict=True)):
            q = F.silu(q) if l else q
            q = p.old * (q @ m.mT) + p.moved * (q @ s.mT) - (p.put * (q @ b.mT)) @ a
            last = p.old[:, -1:] * m + p.moved[:, -1:] * s - (p.put[:, -1, :, None] * a).mT @ b
            behind.append((last, p.kept * s - (p.pushed * a).mT @ b))
        return q, behind
