"""FlowCut: prune patches inside the vision tower, by how information flows to the class token (arXiv 2505.19536)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Inputs, Steering, View
from harness.steering.vision import Layer, Tower


class FlowCut(Steering):
    """Keeps `keep` of `of` visual tokens. Everything after the tower sees the shorter picture."""

    name = "flowcut"
    prefix = "with"  # the picture is encoded under the method; what follows is stock

    def __init__(self, keep: int, of: int):
        """`keep`: visual tokens left, of the `of` that the paper's model has; other numbers scale."""
        if not 0 < keep <= of:
            raise UsageError(f"method.flowcut.keep={keep} must lie in 1..{of} (method.flowcut.of)")
        self.share = keep / of

    def layers(self, view: View) -> Sequence[int]:
        if self.share < 1 and view.image_token_id is not None:
            Tower(view, self.name)
        return ()

    def rewrite(self, sample: Inputs, view: View) -> Inputs | None:
        """The prompt with a shorter run of placeholders."""
        if self.share == 1 or not sample.sees:
            return None
        pictures = sample.tensors["pixel_values"].shape[0]
        image = sample.tensors["input_ids"][0] == view.image_token_id
        each = int(image.sum()) // pictures
        within = (image.long().cumsum(0) - 1) % each
        return sample.kept(~image | (within < self.target(each)))

    def picture(self, pixels: Tensor, view: View) -> Tensor | None:
        """States [b, 1 + T, d] that the connector reads, class token first."""
        if self.share == 1:
            return None
        rows = [self._prune(pixels[i : i + 1], Tower(view, self.name)) for i in range(len(pixels))]
        return torch.cat(rows)

    def target(self, patches: int) -> int:
        return max(1, round(patches * self.share))

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
