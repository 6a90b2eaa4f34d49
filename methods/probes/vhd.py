"""Vision-aware head divergence: how far each head's output moves when the picture is removed (arXiv 2412.13949)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from harness.core.readings import COUNT, RATE, Reading
from harness.methods.attention.vhr import vision_aware
from harness.steering import Batch, Inputs, Probe, View


class Vhd(Probe):
    """A stream without the picture gets the same tokens; heads of both are compared at the row that chooses each."""

    name = "vhd"
    scope = "all"

    def __init__(self, top: float):
        """`top`: share of each layer's heads that T-VHD sums up."""
        self.top = top

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        return view.without_image(sample) if sample.sees else None

    def heads(self, l: int, x: Tensor, batch: Batch) -> None:
        if (blind := batch.own(self)) is not None:
            self.keep("vhd", l, vision_aware(x[: batch.size, -1].float(), x[blind, -1].float()), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        found: dict[str, list[Reading | None]] = {}
        for i, count in enumerate(passes):
            vhd = self.kept("vhd", i, count)  # [layers, steps, heads]
            if not vhd.size:
                return {}
            of_token = token_vhd(vhd, self.top)
            one = {
                "first": Reading(of_token[0], within=COUNT),
                "answer": Reading(of_token.mean(), within=COUNT),
                "least": Reading(of_token.min(), within=COUNT),
                "concentration": Reading(concentration(vhd[:, 0]), within=RATE),
                "layers": Reading(vhd[:, 0].mean(1), ("layer",), within=COUNT),
                "heads": Reading(vhd[:, 0], ("layer", "head")),
                "steps": Reading(of_token, ("step",), within=COUNT),
            }
            for name, reading in one.items():
                found.setdefault(name, []).append(reading)
        return found


def token_vhd(vhd: np.ndarray, top: float) -> np.ndarray:
    """T-VHD [steps] of vhd [layers, steps, heads]: the sum over layers of the largest ones of each."""
    count = max(1, round(top * vhd.shape[-1]))
    return np.sort(vhd, -1)[..., -count:].sum((0, 2))


def concentration(vhd: np.ndarray) -> float:
    """The share that the largest tenth of all heads has of the divergence of vhd [layers, heads]; NaN where there is
    none."""
    flat = np.sort(vhd.reshape(-1))
    total = flat.sum()
    return float(flat[-max(1, round(len(flat) / 10)) :].sum() / total) if total else float("nan")
