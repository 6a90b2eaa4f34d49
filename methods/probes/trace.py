"""Causal tracing by part, layer and kind of token: what brings back the answer that noise took (FCCT, 2511.05923)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.errors import UsageError
from harness.core.readings import RATE, Reading
from harness.methods._shared.tracing import KINDS, MARGIN, PARTS, Patch, beside, kinds, noised, traced
from harness.steering import Batch, Inputs, Probe, Steering, View, by_name


class Trace(Probe):
    """Plays the prompt again with a picture under noise, and with one part of one layer as without the noise."""

    name = "trace"
    reads_marks = True

    def __init__(self, noise: float, every: int, kinds: list[str] | None):
        """`noise`: standard deviation on normalised pixels. `every`: so many layers, the last one among them, are
        traced. `kinds`: of tokens; null: all."""
        if noise <= 0 or every < 1:
            raise UsageError(f"method.{self.name} needs noise above 0 and every of at least 1")
        if unknown := set(kinds or ()) - set(KINDS):
            raise UsageError(f"method.{self.name}.kinds={min(unknown)} is unknown: choose from {', '.join(KINDS)}")
        self.noise, self.every, self.kinds = noise, every, kinds or KINDS

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        view, methods = batch.view, beside(batch)
        return by_name([self._of(view, methods, sample) if sample.sees else {} for sample in batch.samples])

    def _of(self, view: View, methods: Sequence[Steering], clean: Inputs) -> dict[str, Reading]:
        spoiled = noised(clean, self.noise)
        z = traced(view, methods, clean, spoiled, [None])
        said = int(z[0].argmax())
        high, low = z.softmax(-1)[:, said].tolist()
        lost = high - low
        one = {"clean": Reading(high, within=RATE), "noised": Reading(low, within=RATE), "lost": Reading(lost)}
        layers = range((view.depth - 1) % self.every, view.depth, self.every)
        for kind, at in kinds(view, clean).items():
            if kind not in self.kinds:
                continue
            rates = np.full((len(PARTS), view.depth), np.nan)
            if lost > MARGIN:
                patches = [Patch(part, l, at) for part in PARTS for l in layers]
                p = traced(view, methods, clean, spoiled, patches)[1:].softmax(-1)[:, said].numpy()
                rates[:, layers] = np.clip((p - low) / lost, 0, 1).reshape(len(PARTS), -1)
            for part, curve in zip(PARTS, rates, strict=True):
                one[f"{part}_{kind.replace(' ', '_')}_layers"] = Reading(curve, ("layer",), within=RATE)
        return one
