"""Local Linear Attention (Zuo et al., arXiv 2510.01450): at each query a weighted linear fit of the values over the
keys; softmax attention is the constant fit.

    w_j = exp(q . k_j / sqrt(d)),  z_j = k_j - q,  mu = sum w_j z_j,  Sigma = sum w_j z_j z_j^T + lambda I,
    o = sum_j s_j v_j,  s_j = w_j (1 - z_j . rho) / (omega - mu . rho),  rho = Sigma^-1 mu

Weights are scaled to omega = 1, so that lambda, a learned positive number a head, is in units of omega.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.zoo.attention import Attention, State


class Lla(Attention):
    """`ridge`: lambda at the start; towards infinity this is softmax attention. Small heads: Sigma is d x d a query.
    `itself`: as in softmax."""

    plain = False

    def __init__(self, width: int, heads: int = 4, ridge: float = 1.0, itself: bool = True):
        super().__init__(width, heads)
        self.itself = itself
        self.log_ridge = nn.Parameter(torch.full((heads,), ridge).log())

    def fit(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        """q [B, H, Q, d] over k, v [B, H, K, d]; `seen` [Q, K] bool; returns [B, H, Q, d]."""
        d = q.shape[-1]
        scores = (q @ k.transpose(-1, -2) * d**-0.5).masked_fill(~seen, -torch.inf)
        w = scores.softmax(-1)
        centre = w @ k
        mu = centre - q
        outer = (w @ (k[..., :, None] * k[..., None, :]).flatten(-2)).unflatten(-1, (d, d))
        across = centre[..., :, None] * q[..., None, :]
        sigma = outer - across - across.transpose(-1, -2) + q[..., :, None] * q[..., None, :]
        ridge = self.log_ridge.exp()[:, None, None, None] * torch.eye(d, dtype=q.dtype)
        looks = not q.is_cuda  # whether it worked: a recorded graph of a GPU cannot wait for that
        rho = torch.linalg.solve_ex(sigma + ridge, mu[..., None], check_errors=looks)[0][..., 0]
        tilt = 1 - (k @ rho.transpose(-1, -2)).transpose(-1, -2) + (q * rho).sum(-1, keepdim=True)
        s = w * tilt / (1 - (mu * rho).sum(-1, keepdim=True))
        return s @ v

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        past = self.seen(x.shape[1])
        past = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril() if past is None else past
        return self.o_proj(self.fit(q, k, v, past).transpose(1, 2).flatten(-2))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        q, k, v = (self.split(p(x[:, None])) for p in (self.q_proj, self.k_proj, self.v_proj))
        keys, values = torch.cat([state[0], k], 2), torch.cat([state[1], v], 2)
        seen = torch.ones(1, keys.shape[2], dtype=torch.bool)
        seen[0, -1] = self.itself or keys.shape[2] == 1
        y = self.fit(q, keys, values, seen)
        return self.o_proj(y[:, :, 0].flatten(1)), (keys, values)

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * length * self.heads * self.size
