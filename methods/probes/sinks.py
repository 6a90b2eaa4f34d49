"""Sink tokens of the prompt, and massive activations: what VAR (arXiv 2503.03321) and AVSR (2510.22603) describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.readings import Reading
from harness.methods._shared import massive
from harness.steering import Batch, Probe, by_name
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
            got = massive.received(w, rows)
            self.keep("received", l, F.pad(got, (batch.total - got.shape[1], 0)), batch)

    def residual(self, l: int, h: Tensor, batch: Batch) -> None:
        for i, sample in enumerate(batch.samples if batch.prefill else ()):
            x = h[i, -sample.length :].float()
            top, features = x.abs().topk(TOP, -1)
            cosine = F.cosine_similarity(x, x[:1], dim=-1)
            self.put(f"states {i}", l, [cosine, massive.times_median(x), top[:, 0], *features.T])

    def mlp(self, l: int, y: Tensor, batch: Batch) -> None:
        self._branch("mlp", l, y, batch)

    def attention_output(self, l: int, y: Tensor, batch: Batch) -> None:
        self._branch("attention", l, y, batch)

    def _branch(self, name: str, l: int, y: Tensor, batch: Batch) -> None:
        if batch.prefill:
            rows = [massive.times_median(y[i, -s.length :]).max() for i, s in enumerate(batch.samples)]
            self.keep(name, l, torch.stack(rows), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        return by_name([self._of(i, batch) for i in range(len(batch.samples))])

    def _of(self, i: int, batch: Batch) -> dict[str, Reading]:
        got = self.kept("received", i, 1)[:, 0, -batch.samples[i].length :]  # [layers, tokens]
        cosine, times, size, *features = np.moveaxis(self.kept(f"states {i}", 0, 1)[:, 0], 1, 0)
        image = batch.image_mask(i).numpy()
        branches = {f"{n}_massive": self.kept(n, i, 1)[:, 0] for n in ("mlp", "attention") if n in self._tape}
        found = massive.of_sinks(got, self.tau, cosine, image) | massive.of_states(times, size, branches)
        found |= massive.of_others(got, self.tau, cosine, features)
        return found | on_grid("map", got[:, image], batch, i)
