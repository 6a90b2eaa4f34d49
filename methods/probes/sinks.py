"""Sink tokens of the prompt, and massive activations: what VAR (arXiv 2503.03321) and AVSR (2510.22603) describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from harness.core.readings import Reading
from harness.steering import Batch, Probe
from harness.steering.attention_maps import on_grid

TOP = 2
"""Features of a token, the largest ones, that are compared with those of the first token."""


class Sinks(Probe):
    """Reads the prompt alone, all rows of it, once."""

    name = "sinks"
    attention_rows = "all"
    prefix = "none"

    def __init__(self, tau: float):
        """`tau`: mean attention from which a token is a sink."""
        self.tau = tau

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        if batch.prefill:
            rows = batch.prompt(self)[:, -w.shape[2] :]
            got = received(w, rows)
            self.keep("received", l, F.pad(got, (batch.total - got.shape[1], 0)), batch)

    def residual(self, l: int, h: Tensor, batch: Batch) -> None:
        for i, sample in enumerate(batch.samples if batch.prefill else ()):
            x = h[i, -sample.length :].float()
            size = x.abs()
            top, features = size.topk(TOP, -1)
            one = [F.cosine_similarity(x, x[:1], dim=-1), top[:, 0] / size.median().clamp(min=1e-12), *features.T]
            self.put(f"states {i}", l, one)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        rows = [self._of(i, batch) for i in range(len(batch.samples))]
        return {name: [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}

    def _of(self, i: int, batch: Batch) -> dict[str, Reading]:
        sample = batch.samples[i]
        got = self.kept("received", i, 1)[:, 0, -sample.length :]  # [layers, tokens]
        cosine, ratio, *features = np.moveaxis(self.kept(f"states {i}", 0, 1)[:, 0], 1, 0)
        above = got > self.tau
        middle = above[min(2, len(got) - 1) : max(3, len(got) - 1)]
        sink = middle.mean(0) >= 0.5
        others = np.flatnonzero(sink)[np.flatnonzero(sink) > 0]
        image, first = batch.image_mask(i).numpy(), np.stack([f[:, :1] for f in features])
        shared = np.stack([(first == f).any(0) for f in features]).mean(0)
        found = {
            "count": Reading(sink.sum()),
            "image_count": Reading((sink & image).sum()),
            "others_cosine": Reading(cosine[:, others].mean() if len(others) else np.nan),
            "others_features": Reading(shared[:, others].mean() if len(others) else np.nan),
            "massive": Reading(ratio.max()),
            "first_layers": Reading(got[:, 0], ("layer",)),
            "count_layers": Reading(above.sum(1), ("layer",)),
            "massive_layers": Reading(ratio.max(1), ("layer",)),
            "feature_layers": Reading(features[0][:, 0], ("layer",)),
        }
        return found | on_grid("map", got[:, image], batch, i)


def received(w: Tensor, rows: Tensor) -> Tensor:
    """Mean attention [b, k] that each column gets, over heads and the rows [b, t] that see it, of w [b, H, t, k]."""
    mean = w.float().mean(1) * rows[..., None]
    return mean.sum(1) / (mean > 0).sum(1).clamp(min=1)
