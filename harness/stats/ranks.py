"""Rank correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def spearman(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Spearman's rank correlation of x and y [..., n] along the last axis, ties at their mean rank; NaN where one of
    them is constant."""
    from scipy.stats import rankdata  # half a second to import

    a, b = (rankdata(v, axis=-1) - (np.shape(v)[-1] + 1) / 2 for v in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
