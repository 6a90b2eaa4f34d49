"""The model's attention as a fixation map against the boxes of the object asked about (after OAT, DiffEye and GIFT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from harness.core.drawing import Mark
from harness.core.readings import COUNT, RATE, Reading
from harness.methods._shared.fixations import Box, cells, fixations, scores
from harness.steering import Batch, Probe, by_name
from harness.steering.attention_maps import on_grid

SCORES = {"pointing": RATE, "auc": RATE, "nss": (-np.inf, np.inf)}
"""By name, and within which bounds each lies."""


class Gaze(Probe):
    """Where the row that chooses the first token looks, layer by layer, scored against the task's boxes."""

    name = "gaze"
    reads_marks = True

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        if batch.prefill and (most := max(int(batch.image_mask(i).sum()) for i in range(len(batch.samples)))):
            front = (~batch.image(self)).int().argsort(dim=-1, stable=True)[:, :most]  # image columns, in their order
            self.keep("map", l, w[:, :, -1].float().mean(1).gather(-1, front), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        rows: list[dict[str, Reading]] = []
        for i, sample in enumerate(batch.samples):
            boxes, tokens = targets(sample.marks), int(batch.image_mask(i).sum())
            one = {"boxes": Reading(float(len(boxes)), within=COUNT)}
            seen = on_grid("map", self.kept("map", i, 1)[:, 0, :tokens], batch, i) if boxes and tokens else {}
            if seen:
                maps, box = seen["map"].values, seen["map"].box or (0.0, 0.0, 1.0, 1.0)
                inside = cells(boxes, maps.shape[1:], box)
                each = np.array([scores(m, inside) for m in maps]).T  # [scores, layers]
                deep = maps[len(maps) // 2 :].mean(0)
                for (name, ends), curve, value in zip(SCORES.items(), each, scores(deep, inside), strict=True):
                    one[f"{name}_layers"] = Reading(curve, ("layer",), within=ends)
                    one[name] = Reading(value, within=ends)
                one["found"] = Reading(1.0 + [bool(inside[at]) for at in fixations(deep)].index(True), within=COUNT)
            rows.append(one)
        return by_name(rows)


def targets(marks: Sequence[Mark]) -> list[Box]:
    """The boxes on the first picture that are in the key."""
    return [m.box for m in marks if m.box and m.role == "target" and not m.picture]
