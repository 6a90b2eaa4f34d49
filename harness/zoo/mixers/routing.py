"""Routing Transformer (Roy et al., arXiv 2003.05997): attention within clusters of keys, found by online k-means.

Queries and keys are one projection, normalised; half of the heads look at a local window, the others at their cluster.
The paper's clusters take the top-w positions of the whole sequence, which shows the future to the routing; here each
position goes to its nearest centroid, with the ordinary causal mask. A position sees itself only where it sees no
other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.zoo.attention import Attention, State
from harness.zoo.mixers.window import band

ITSELF = -5e4


class Routing(Attention):
    """`clusters`: K of each head. `window`: of the local heads. `momentum`: of the centroids' running mean."""

    plain = False

    def __init__(self, width: int, heads: int = 2, clusters: int = 8, window: int = 8, momentum: float = 0.999):
        super().__init__(width, heads)
        self.clusters, self.window, self.momentum = clusters, window, momentum
        del self.k_proj  # queries are keys
        self.routed = heads - heads // 2  # the first heads are local
        self.register_buffer("centroids", F.normalize(torch.randn(self.routed, clusters, self.size), dim=-1))
        self.pull: Tensor | float = 0.0

    def cluster(self, k: Tensor) -> Tensor:
        """Number of the nearest centroid, [B, routed heads, T], of keys [B, H, T, d]."""
        return (k[:, -self.routed :] @ self.centroids.to(k.dtype).transpose(-1, -2)).argmax(-1)  # type: ignore[union-attr, operator]

    def mixed(self, q: Tensor, k: Tensor, v: Tensor, own: Tensor, all_: Tensor, near: Tensor, same: Tensor) -> Tensor:
        """Queries over keys: `near` and `same` [Q, K] bool, who is in the window and who is the query itself."""
        local = near.expand(len(q), self.heads - self.routed, -1, -1)
        past = near | (torch.arange(k.shape[2]) <= torch.arange(k.shape[2])[-q.shape[2] :, None])
        seen = torch.cat([local, (own[..., :, None] == all_[..., None, :]) & past], 1)
        scores = (q @ k.transpose(-1, -2) * self.size**0.5).masked_fill(same, ITSELF)
        return (scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v).transpose(1, 2).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        k, v = F.normalize(self.split(self.q_proj(x)), dim=-1), self.split(self.v_proj(x))
        at = self.cluster(k)
        if self.training:
            self.learn(k[:, -self.routed :], at)
        eye = torch.eye(x.shape[1], dtype=torch.bool)
        return self.o_proj(self.mixed(k, k, v, at, at, band(x.shape[1], self.window), eye))

    def learn(self, k: Tensor, at: Tensor) -> None:
        """Commitment loss, and the centroids' running mean."""
        one = F.one_hot(at, self.clusters).to(k.dtype)  # [B, h, T, K]
        nearest = torch.einsum("bhtk,hkd->bhtd", one, self.centroids.clone())  # type: ignore[operator]
        self.pull = 1e-4 * ((k - nearest) ** 2).sum(-1).mean()
        with torch.no_grad():
            mean = torch.einsum("bhtk,bhtd->hkd", one, k)
            hit = one.sum((0, 2))[..., None] > 0
            moved = self.momentum * self.centroids + (1 - self.momentum) * F.normalize(mean, dim=-1)  # type: ignore[operator]
            self.centroids.copy_(torch.where(hit, F.normalize(moved, dim=-1), self.centroids))  # type: ignore[operator, arg-type]

    def penalty(self) -> Tensor | float:
        return self.pull

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        k, v = F.normalize(self.split(self.q_proj(x[:, None])), dim=-1), self.split(self.v_proj(x[:, None]))
        keys, values = torch.cat([state[0], k], 2), torch.cat([state[1], v], 2)
        length = keys.shape[2]
        near, same = band(length, self.window)[-1:], torch.arange(length)[None] == length - 1
        y = self.mixed(k, keys, values, self.cluster(k), self.cluster(keys), near, same)
        return self.o_proj(y[:, 0]), (keys, values)

    def state_bytes(self, length: int) -> int:
        return 4 * 2 * length * self.heads * self.size
