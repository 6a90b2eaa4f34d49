"""VHR: double the heads whose output changes when the picture is removed (arXiv 2412.13949)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Inputs, Steering, View

ROUNDING = 1e-5
"""Below this share of a head's output a divergence is rounding: rows of one batch are not summed alike."""


class Vhr(Steering):
    """Vision-aware head reinforcement. Heads are chosen once per sample, in the first pass, layer after layer."""

    name = "vhr"
    refills = ("reinforced",)
    # No shared prefix: every prompt row is scaled, and which heads depends on the question.
    scope = "all"

    def __init__(self, alpha: float, last: int, second: bool, both: bool):
        """`alpha`: factor of the chosen heads. `last`: how many last layers, of 32. `second`: also layer 1. `both`:
        also scale the stream without the picture while deeper layers are being chosen.
        """
        if not 0 <= last <= 32:
            raise UsageError(f"method.vhr.last={last} must lie in 0..32")
        self.alpha, self.last, self.second, self.both = alpha, last, second, both
        self.prefix = "none" if alpha != 1 else "plain"
        self.reinforced: dict[int, Tensor] = {}

    def layers(self, view: View) -> Sequence[int]:
        if self.alpha == 1:
            return ()
        count = min(view.depth, max(1, view.scaled(self.last))) if self.last else 0
        return sorted({*range(view.depth - count, view.depth), *([1] if self.second and view.depth > 1 else [])})

    @property
    def contrasts(self) -> bool:
        return self.alpha != 1

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        return view.without_image(sample) if sample.sees else None

    def heads(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        own = batch.own(self)
        if own is None:
            return None
        if batch.prefill:
            divergence = vision_aware(x[: batch.size, -1].float(), x[own, -1].float())
            self.reinforced[l] = divergence > divergence.median(-1, keepdim=True).values
            if x.shape[2] % 2 == 0:  # torch takes the lower of the two in the middle
                middle = divergence.sort(-1).values[:, x.shape[2] // 2 - 1 : x.shape[2] // 2 + 1].mean(-1, keepdim=True)
                self.reinforced[l] = divergence > middle
        factor = torch.where(self.reinforced[l], self.alpha, 1.0).to(x)[:, None, :, None]
        out = x.clone()
        out[: batch.size] = x[: batch.size] * factor
        if self.both:
            out[own] = x[own] * factor
        return out


def vision_aware(seeing: Tensor, blind: Tensor) -> Tensor:
    """VHD [b, H] of head outputs [b, H, d] with and without the picture; 0 for heads that surge without it."""
    divergence = (seeing - blind).norm(dim=-1)
    divergence = divergence.masked_fill(divergence < ROUNDING * seeing.norm(dim=-1), 0.0)
    surge = blind.square().sum(-1)

    def high(v: Tensor) -> Tensor:
        return v > v.mean(-1, keepdim=True) + v.std(-1, keepdim=True)

    return divergence.masked_fill(high(divergence) & high(surge), 0.0)
