"""Reads the attention of the last row to the picture, for pipelines that look where the model looked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.core.types import Attention
from harness.steering.batch import Batch
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.view import View


class Reader(Steering):
    """Changes nothing; keeps, for each sample, [steps, layers, N] of attention to image tokens, mean over heads."""

    name = "capture"

    def __init__(self, wanted: Sequence[int]):
        self.wanted = wanted
        self._kept: dict[int, list[list[Tensor]]] = {}
        self._view: View | None = None

    def layers(self, view: View) -> Sequence[int]:
        if max(self.wanted) < view.depth:
            return sorted(self.wanted)
        return sorted({min(view.scaled(l), view.depth - 1) for l in self.wanted})

    def prepare(self, batch: Batch) -> None:
        self._view = batch.view
        self._kept |= {id(s): [] for s in batch.samples}

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        image = batch.image(self)
        mean = w[:, :, -1].float().mean(1)
        first = l == self.layers(batch.view)[0]
        for i, sample in enumerate(batch.samples):
            steps = self._kept[id(sample)]
            if first:
                steps.append([])
            steps[-1].append(mean[i * batch.beams, image[i * batch.beams]].cpu())
        return None

    def attention(self, sample: Inputs, steps: int, processor: Any) -> Attention | None:
        """Attention of the first `steps` new tokens. Raises UsageError where image tokens do not lie on one grid."""
        kept = self._kept.get(id(sample))
        if not kept or not sample.sees or self._view is None:
            return None
        weights = torch.stack([torch.stack(s) for s in kept[: max(1, steps)]])
        height, width = grid(sample, weights.shape[-1], self._view)
        return Attention(weights.unflatten(-1, (height, width)).numpy(), covered(sample, processor))


def grid(sample: Inputs, tokens: int, view: View) -> tuple[int, int]:
    """Rows and columns of the image tokens of one picture."""
    if "image_grid_thw" in sample.tensors and len(sample.tensors["image_grid_thw"]) == 1:
        merge = getattr(view.model.config.vision_config, "spatial_merge_size", 1)
        _, height, width = sample.tensors["image_grid_thw"][0].tolist()
        return height // merge, width // merge
    side = math.isqrt(tokens)
    if side * side == tokens and not view.needs_picture:
        return side, side
    raise UsageError(
        f"method=carve needs image tokens on one grid: {type(view.model).__name__} made {tokens} tokens of this "
        "prompt's pictures"
    )


def on_grid(name: str, values: Any, batch: Batch, i: int) -> dict[str, Reading]:
    """Values [layers, N] or [N] of a sample's image tokens as a reading of that name; none where there is no grid."""
    sample = batch.samples[i]
    if not sample.sees or not values.size:
        return {}
    try:
        shape = grid(sample, values.shape[-1], batch.view)
    except UsageError:
        return {}
    axes = ("layer", "row", "column")[-values.ndim - 1 :]
    return {name: Reading(values.reshape(*values.shape[:-1], *shape), axes, batch.view.covered(sample))}


def covered(sample: Inputs, processor: Any) -> tuple[float, float, float, float]:
    """The part of the picture that is left after the processor's centre crop."""
    image = getattr(processor, "image_processor", None)
    size = getattr(image, "size", None) or {}
    pictures = sample.request.pictures if sample.request else ()
    if not pictures or not getattr(image, "do_center_crop", False) or "shortest_edge" not in size:
        return 0.0, 0.0, 1.0, 1.0
    width, height = pictures[0].load().size
    crop = image.crop_size  # pyright: ignore[reportOptionalMemberAccess]
    scale = size["shortest_edge"] / min(width, height)
    kept = np.minimum(1.0, [crop["width"] / (width * scale), crop["height"] / (height * scale)])
    x, y = (1 - kept) / 2
    return float(x), float(y), float(x + kept[0]), float(y + kept[1])
