"""Pictures on the device that learns from them, and the patches that a tower reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.core.series import Examples

PATCH = 12
"""Pixels along each side of a patch."""
MEAN, STD = 0.5, 0.25


def patches(pixels: Tensor) -> Tensor:
    """uint8 [n, side, side, 3] -> normalised float32 [n, patches, 432] in raster order."""
    n, side = pixels.shape[0], pixels.shape[1] // PATCH
    cut = pixels.unflatten(1, (side, PATCH)).unflatten(3, (side, PATCH)).transpose(2, 3)
    return (cut.reshape(n, side * side, -1).float() / 255 - MEAN) / STD


@dataclass(frozen=True)
class Pictures:
    """Pixels uint8 [n, side, side, 3], what each patch shows [n, patches], and labels [n, C] as 0 and 1."""

    pixels: Tensor
    shown: Tensor
    labels: Tensor

    @classmethod
    def of(cls, examples: Examples, device: torch.device) -> Pictures:
        """`examples`: of a course with labels; their values are pixels."""
        assert examples.labels is not None
        parts = (np.ascontiguousarray(x) for x in (examples.values, examples.targets, examples.labels))
        pixels, shown, labels = (torch.from_numpy(np.array(x)).to(device) for x in parts)
        return cls(pixels, shown.long(), labels.float())

    def __len__(self) -> int:
        return len(self.pixels)

    def drawn(self, rng: np.random.Generator, n: int) -> Pictures:
        """`n` of them at random, each seen in a mirror half of the time."""
        at = rng.integers(len(self), size=n)
        flip = torch.from_numpy(rng.random(n) < 0.5).to(self.pixels.device)
        some = self[torch.from_numpy(at).to(self.pixels.device)]
        side = round(some.shown.shape[1] ** 0.5)
        shown = some.shown.view(n, side, side)
        pixels = torch.where(flip[:, None, None, None], some.pixels.flip(2), some.pixels)
        return Pictures(pixels, torch.where(flip[:, None, None], shown.flip(2), shown).flatten(1), some.labels)

    def __getitem__(self, rows: Tensor | slice) -> Pictures:
        return Pictures(self.pixels[rows], self.shown[rows], self.labels[rows])

    @property
    def values(self) -> Tensor:
        """Patches of all of them."""
        return patches(self.pixels)
