"""Where the rows that choose the new tokens look: picture, question, first token, other prompt, generated text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.core.readings import RATE, Reading
from harness.steering import Batch, Probe, by_name
from harness.steering.attention_maps import on_grid

KINDS = ("image", "question", "first", "prompt", "generated")
"""Of columns. first: the first token of the prompt, which is a sink in most models. prompt: what is left of it."""


class ImageAttention(Probe):
    """Attention mass on each kind of column by the last row, every layer, head and pass."""

    name = "image_attention"
    reads_question = True

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        rows = w[:, :, -1].float()
        self.keep("mass", l, torch.stack([(rows * m[:, None]).sum(-1) for m in columns(self, batch)], -1), batch)
        if most := max(int(batch.image_mask(i).sum()) for i in range(len(batch.samples))):
            front = (~batch.image(self)).int().argsort(dim=-1, stable=True)[:, :most]  # image columns, in their order
            self.keep("map", l, rows.mean(1).gather(-1, front), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        rows: list[dict[str, Reading]] = []
        for i in range(len(batch.samples)):
            mass = self.kept("mass", i, passes[i])  # [layers, steps, heads, kinds]
            one: dict[str, Reading] = {}
            for n, kind in enumerate(KINDS):
                of = mass[..., n]
                one[kind] = Reading(of.mean(), within=RATE)
                one[f"{kind}_layers"] = Reading(of.mean((1, 2)), ("layer",), within=RATE)
                one[f"{kind}_heads"] = Reading(of.mean(1), ("layer", "head"))
                one[f"{kind}_steps"] = Reading(of.mean((0, 2)), ("step",), within=RATE)
                if kind != "generated":
                    one[f"{kind}_prefill"] = Reading(of[:, 0], ("layer", "head"))
            if tokens := int(batch.image_mask(i).sum()):
                seen = self.kept("map", i, passes[i])[..., :tokens]  # [layers, steps, tokens]
                one |= on_grid("map", seen[:, 0], batch, i) | on_grid("map_answer", seen.mean((0, 1)), batch, i)
            rows.append(one)
        return by_name(rows)


def columns(probe: Probe, batch: Batch) -> list[Tensor]:
    """Which key columns are of each kind, bool [b, k] each; a column is of one kind."""
    prompt, image = batch.prompt(probe), batch.image(probe)
    first = prompt & (batch.positions(probe) == 0) & ~image
    question = batch.question(probe) & ~image & ~first
    return [image, question, first, prompt & ~image & ~question & ~first, batch.generated(probe)]
