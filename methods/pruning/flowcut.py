"""FlowCut: prune patches inside the vision tower, by how information flows to the class token (arXiv 2505.19536)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.methods._shared.pruning import Pruning
from harness.steering import View
from harness.steering.vision import Layer, Tower


class FlowCut(Pruning):
    """Chooses the patches that stay by the flow to the class token, layer by layer."""

    name = "flowcut"

    def picture(self, pixels: Tensor, view: View) -> Tensor | None:
        """States [b, 1 + T, d] that the connector reads, class token first."""
        if self.share == 1:
            return None
        rows = [self._prune(pixels[i : i + 1], Tower(view, self.name)) for i in range(len(pixels))]
        return torch.cat(rows)

    def _prune(self, pixels: Tensor, tower: Tower) -> Tensor:
        """One picture alone: the released batch prunes all pictures by the largest number of any."""
        walk = tower.walk(pixels)
        last = max(0, tower.used - 2)  # idx 21 of the 23 layers that LLaVA-1.5 reads
        score: Tensor | None = None
        keep: Tensor | None = None
        try:
            layer = next(walk)
            while True:
                s, entropy = scores(layer)
                score = s if score is None else 0.5 * score + 0.5 * s
                keep = None
                count, rem = s.shape[-1], last - layer.index
                if rem >= 0 and rem % 2 == 0 and count > self.target(_patches(tower)):
                    left = remaining(count, self.target(_patches(tower)), rem, entropy)
                    chosen = score.topk(left).indices.sort(-1).values  # spatial order
                    score = score.gather(-1, chosen)
                    keep = torch.cat([torch.zeros_like(chosen[:, :1]), chosen + 1], 1)
                layer = walk.send(keep)
        except StopIteration as end:
            return end.value


def scores(layer: Layer) -> tuple[Tensor, float]:
    """Importance s [1, n] of the patches, `(relation + semantic) * density`, and the entropy of the relation."""
    relation = layer.attention[:, :, 0].float().mean(1)[:, 1:]
    relation = relation / relation.sum(-1, keepdim=True)
    values = layer.values.float()
    semantic = (values[:, :, :1] @ values.transpose(2, 3))[:, :, 0].softmax(-1).mean(1)[:, 1:]
    semantic = semantic / semantic.sum(-1, keepdim=True)
    density = values.mean(1)[:, 1:].abs().sum(-1)
    entropy = -(relation * relation.clamp(min=1e-12).log()).sum(-1)
    return (relation + semantic) * density, float(entropy[0])


def remaining(count: int, target: int, rem: int, entropy: float) -> int:
    """Patches after this layer: `N - round((N - T) / sqrt(rem) * (1 - (H / log N)^2))`, T at the last layer."""
    if rem == 0:
        return target
    spread = entropy / math.log(count) if count > 1 else 0.0
    return max(target, count - round((count - target) / math.sqrt(rem) * (1 - spread**2)))


def _patches(tower: Tower) -> int:
    return int(tower.inner.embeddings.num_patches)
