"""Numbers per image token as numbers per key column."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def right_aligned(rows: Sequence[Tensor]) -> Tensor:
    """Vectors of several lengths as [n, N], padded with zeros on their left."""
    out = rows[0].new_zeros(len(rows), max(map(len, rows)))
    for i, row in enumerate(rows):
        out[i, out.shape[1] - len(row) :] = row
    return out


def spread(values: Tensor, image: Tensor, fill: float) -> Tensor:
    """`values` [b, N], right-aligned, at the image columns [b, k], `fill` elsewhere.

    Image tokens are counted from the last: layers with a sliding window have lost the first ones.
    """
    behind = image.long().flip(-1).cumsum(-1).flip(-1)
    at = (values.shape[1] - behind).clamp(min=0, max=values.shape[1] - 1)
    return torch.where(image, values.gather(1, at), fill)
