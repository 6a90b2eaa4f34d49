"""What a model's own state says of its answer being wrong: entropies, confidence, and a state for a linear probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.core.readings import COUNT, FEW, RATE, Reading
from harness.steering import Batch, Probe, View


class Lost(Probe):
    """Entropy of the next token and of the attention over the prompt, and the last row's state before each token."""

    name = "lost"

    def __init__(self, layer: float):
        """`layer`: depth in 0..1 of the state that is kept, of the row that chooses the first token."""
        self.layer = layer

    def reads(self, view: View) -> Sequence[int]:
        return (min(view.depth - 1, round(self.layer * view.depth)),)

    def logits(self, z: Tensor, batch: Batch) -> None:
        logp = z.float().log_softmax(-1)
        entropy = -(logp.exp() * logp.clamp(min=-1e4)).sum(-1)
        self.keep("token", 0, torch.stack([entropy, logp.amax(-1).exp()], -1), batch)
        if batch.step == 0:
            (l,) = self.reads(batch.view)
            h = batch.hidden[l][: batch.size].float()
            self.keep("state", 0, h @ projection(h.shape[-1]).to(h), batch)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        if batch.prefill:
            p = w[:, :, -1].float() * batch.prompt(self)[:, None]
            p = p / p.sum(-1, keepdim=True).clamp(min=1e-12)
            self.keep("context", l, -(p * p.clamp(min=1e-30).log()).sum(-1).mean(1), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        found: dict[str, list[Reading | None]] = {}
        for i, count in enumerate(passes):
            entropy, sure = np.moveaxis(self.kept("token", i, count)[0], -1, 0)
            context = self.kept("context", i, 1)[:, 0]
            one = {
                "entropy": Reading(entropy[0], within=COUNT),
                "mean_entropy": Reading(entropy.mean(), within=COUNT),
                "confidence": Reading(sure.min(), within=RATE),
                "context_entropy": Reading(context.mean(), within=COUNT),
                "context_entropy_layers": Reading(context, ("layer",), within=COUNT),
                "entropy_steps": Reading(entropy, ("step",), within=COUNT),
                "state": Reading(self.kept("state", i, 1)[0, 0], ("unit",)),
            }
            for name, reading in one.items():
                found.setdefault(name, []).append(reading)
        return found


def projection(width: int) -> Tensor:
    """[d, 64] random directions, the same ones always: they keep distances of states of any width in few numbers."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(width, FEW, generator=generator) / width**0.5
