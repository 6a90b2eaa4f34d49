"""Direct logit attribution: what heads and branches add to the difference of two logits (Circuit Reuse, 2310.08744)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.steering import View


def attributed(
    view: View, seen: Mapping[tuple[str, int], Tensor], ends: tuple[Tensor, Tensor], tokens: tuple[Tensor, Tensor]
) -> tuple[dict[str, Tensor], dict[str, list[Tensor]]]:
    """With the scale of the final norm held, embedding, heads and MLPs add up to the difference of the logits of two
    tokens [n].

    Args:
        seen: Of a part (heads, attention, mlp) and layer: its output at the last position, [n, d], heads [n, H, size].
        ends: The states [n, d] before the first layer and after the last.

    Returns numbers [n], and one tensor a layer: [n] of branches, [n, H] of heads.
    """
    first, second = tokens
    along = (view.head.weight[first] - view.head.weight[second]).float() * gain(view.norm, ends[1])  # [n, d]
    embedding, difference = ((x * along).sum(-1) for x in ends)
    rest, layers = difference - embedding, dict[str, list[Tensor]]()
    for l in range(view.depth):
        projection: Any = view.projection(l)
        out = seen["attention", l]
        split = projection.weight.float().unflatten(1, (view.n_heads, -1))  # [d, H, head size]
        parts = torch.einsum("nhk,dhk->nhd", seen["heads", l], split)
        whole = parts.sum(1) if projection.bias is None else parts.sum(1) + projection.bias
        branch = out / torch.where(whole.abs() > 1e-12, whole, 1.0)  # 1, or a norm after the branch
        attention, mlp = ((x * along).sum(-1) for x in (out, seen["mlp", l]))
        rest = rest - attention - mlp
        of_heads = (parts * branch[:, None] * along[:, None]).sum(-1)
        for name, x in (("heads", of_heads), ("attention", attention), ("mlp", mlp)):
            layers.setdefault(name, []).append(x)
    return {"difference": difference, "embedding": embedding, "rest": rest}, layers


def gain(norm: nn.Module, h: Tensor) -> Tensor:
    """What a norm that only scales multiplies each number of the states [n, d] with."""
    return norm(h).float() / torch.where(h == 0, 1.0, h.float())
