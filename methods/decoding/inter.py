"""INTER: add what only picture and question together support, at the steps where it matters (arXiv 2507.05056)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, drawn_for, plausible
from harness.steering import Batch, Inputs, Steering, View


class Inter(Steering):
    """Interaction guidance sampling: z_f + phi, where phi = z_f - z_i - z_q + z_0 is the Harsanyi dividend."""

    name = "inter"
    refills = True

    def __init__(self, scale: float, k: float, beta: float, seed: int):
        """`scale`: factor of phi. `k`: phi is dropped at steps where its variance over the vocabulary is below. `beta`:
        least share of the most likely token's probability. `seed`: of the noise picture.
        """
        check_share("method.inter.beta", beta)
        if k < 0:
            raise UsageError(f"method.inter.k={k} must be 0 or more")
        self.scale, self.k, self.beta, self.seed = scale, k, beta, seed

    @property
    def contrasts(self) -> bool:
        return bool(self.scale)

    def contrast(self, sample: Inputs, view: View) -> Sequence[Inputs] | None:
        """Without the picture's content, without the question, without both."""
        if not sample.sees:
            return None
        pixels = sample.tensors["pixel_values"]
        noise = uniform(pixels, self.seed)
        bare = view.ask(self, sample, text=lambda q: "")
        return [sample.change(pixel_values=noise), bare, bare.change(pixel_values=noise)]

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        z_i, z_q, z_0 = (batch.stream(self, n) for n in range(3))
        if z_i is None or z_q is None or z_0 is None:
            return plausible(z, z, self.beta) if self.beta and not self.scale else None
        return plausible(z + self.scale * interaction(z, z_i, z_q, z_0, self.k), z, self.beta)


def interaction(z: Tensor, z_i: Tensor, z_q: Tensor, z_0: Tensor, k: float) -> Tensor:
    """phi [b, V], zero where its unbiased variance over the vocabulary is below k."""
    phi = z - z_i - z_q + z_0
    return torch.where(phi.var(-1, keepdim=True) < k, 0.0, phi)


def uniform(pixels: Tensor, seed: int) -> Tensor:
    """Noise in [0, 1) of the pixels' shape, not normalised, as in the released example; the same for all questions
    about a picture."""
    return torch.rand(pixels.shape, generator=drawn_for(pixels, seed)).to(pixels)
