"""Efficient attentive probing (arXiv 2506.10178): learned queries pool a picture's tokens for a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import pad_sequence

from harness.core.errors import UsageError

RATE, BATCH, START, EPS = 3e-3, 64, 0.02, 1e-6
"""Step of AdamW, pictures of a batch, deviation of the first queries, and what keeps a deviation above zero."""


@dataclass(frozen=True)
class Attentive:
    """Each of Q queries [Q, D] attends to the tokens, which are neither projected nor split into heads, and pools its
    own slice of `values` [W, D]. The slices [W] are normalised by `mean` and `std` and read by `weight` [C, W] and
    `bias` [C]. No query: the mean over the tokens is pooled, W = D. `scale` [1]: the tokens' root mean square."""

    queries: Tensor
    values: Tensor
    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    scale: Tensor

    def attention(self, x: Tensor, there: Tensor) -> Tensor:
        """[b, Q, N] of tokens x [b, N, D], of which those `there` [b, N] count; without a query [b, 1, N], uniform."""
        if not len(self.queries):
            return (there / there.sum(-1, keepdim=True))[:, None]
        a = self.queries @ (x / self.scale).mT / x.shape[-1] ** 0.5
        return a.masked_fill(~there[:, None], -torch.inf).softmax(-1)

    def pooled(self, x: Tensor, there: Tensor) -> Tensor:
        """What the queries pool of the tokens x [b, N, D]: [b, W]."""
        means = self.attention(x, there) @ (x / self.scale)  # values are linear: they are taken of the means
        return torch.einsum("bqd,qkd->bqk", means, self.values.unflatten(0, (means.shape[1], -1))).flatten(1)

    def scores(self, x: Tensor, there: Tensor) -> Tensor:
        """Log-odds [b, C] of each class."""
        return self._read(self.pooled(x, there))

    def _read(self, pooled: Tensor) -> Tensor:
        return (pooled - self.mean) / self.std @ self.weight.T + self.bias


def start(width: int, queries: int, out: int, classes: int, scale: float, seed: int) -> Attentive:
    """Before it is fitted."""
    drawn = torch.Generator().manual_seed(seed)
    w = width // out if queries else width
    values = torch.randn(w, width, generator=drawn) / width**0.5 if queries else torch.eye(width)
    first = torch.randn(queries, width, generator=drawn) * START
    zero = torch.zeros(w)
    return Attentive(
        first, values, zero, zero + 1, torch.zeros(classes, w), torch.zeros(classes), torch.tensor([scale])
    )


def fit(tokens: Sequence[Tensor], shown: Tensor, queries: int, out: int, epochs: int, seed: int) -> Attentive:
    """Several classes a picture: binary cross-entropy over `shown` [n, C], by AdamW. `tokens`: n of [N, D]. Raises
    UsageError where the tokens' width cannot be split among the queries."""
    width = tokens[0].shape[-1]
    if width % (max(1, queries) * out):
        raise UsageError(f"method.tower: queries x out must divide {width}, the width of the decoder")
    scale = torch.stack([x.float().square().mean() for x in tokens]).mean().sqrt().clamp(min=EPS)
    head = start(width, queries, out, shown.shape[1], float(scale), seed)
    trained = ("queries", "values", "weight", "bias") if queries else ("weight", "bias")
    parts = {name: getattr(head, name).clone().requires_grad_() for name in trained}
    optimizer = torch.optim.AdamW(parts.values(), RATE)
    order = torch.Generator().manual_seed(seed)
    with torch.enable_grad():
        for _ in range(epochs):
            for some in torch.split(torch.randperm(len(tokens), generator=order), BATCH):
                made = replace(head, **parts)
                z = made.pooled(*padded([tokens[i] for i in some.tolist()]))
                read = replace(made, mean=z.mean(0), std=deviation(z))._read(z)
                optimizer.zero_grad()
                binary_cross_entropy_with_logits(read, shown[some].float()).backward()
                optimizer.step()
    head = replace(head, **{name: p.detach() for name, p in parts.items()})
    z = torch.cat([head.pooled(*padded([x])) for x in tokens])
    return replace(head, mean=z.mean(0), std=deviation(z))


def padded(tokens: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """[b, N, D], and which are tokens [b, N]."""
    there = pad_sequence([torch.ones(len(x), dtype=torch.bool) for x in tokens], True)
    return pad_sequence([x.float() for x in tokens], True), there


def deviation(z: Tensor) -> Tensor:
    """As batch normalisation has it."""
    return (z.var(0, correction=0) + EPS).sqrt()
