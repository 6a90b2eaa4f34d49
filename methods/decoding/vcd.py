"""VCD: subtract what the model would say about a noised picture (arXiv 2311.16922)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, drawn_for, plausible
from harness.steering import Batch, Inputs, Steering, View

STEPS = 1000
"""Length of the diffusion schedule."""


class Vcd(Steering):
    """Visual contrastive decoding: z + alpha (z - z'), cut to tokens that are plausible under z."""

    name = "vcd"
    refills = True

    def __init__(self, alpha: float, beta: float, noise_step: int, seed: int):
        """`alpha`: strength of the contrast. `beta` in [0, 1]: a token needs this share of the most likely one's
        probability (0: no cut). `noise_step`: 0 to 999. `seed`: of the noise, not of sampling.
        """
        if not 0 <= noise_step < STEPS:
            raise UsageError(f"method.vcd.noise_step={noise_step} must lie in 0..{STEPS - 1}")
        check_share("method.vcd.beta", beta)
        self.alpha, self.beta, self.noise_step, self.seed = alpha, beta, noise_step, seed
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def contrasts(self) -> bool:
        return bool(self.alpha)

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        if not sample.sees:
            return None
        pixels = sample.tensors["pixel_values"]
        if self._last is None or self._last[0] is not pixels:  # questions about one picture come in a row
            self._last = (pixels, noised(pixels, self.noise_step, self.seed))
        return sample.change(pixel_values=self._last[1])

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        other = batch.stream(self)
        if other is None:
            return plausible(z, z, self.beta) if self.beta and not self.alpha else None
        return plausible(z + self.alpha * (z - other), z, self.beta)


def alpha_bar(step: int) -> float:
    """Share of the signal's variance that is left after `step` (from 0) of a sigmoid diffusion schedule."""
    beta = torch.linspace(-6, 6, STEPS, dtype=torch.float64).sigmoid() * (0.5e-2 - 1e-5) + 1e-5
    return float((1 - beta).cumprod(0)[step])


def noised(pixels: Tensor, step: int, seed: int) -> Tensor:
    """Normalised pixels under Gaussian noise, not clipped.

    The noise depends on the picture and the seed alone, so all questions about a picture see the same.
    """
    noise = torch.randn(pixels.shape, generator=drawn_for(pixels, seed)).to(pixels)
    keep = alpha_bar(step)
    return math.sqrt(keep) * pixels + math.sqrt(1 - keep) * noise
