"""Whether a program became slower: repeated timings on one machine, by ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_REPEATS = 5
"""Fewer repeats a side cannot reach p < 0.01 (five against five: at best 2/252)."""
ALPHA = 0.01


@dataclass(frozen=True)
class SpeedChange:
    """`ratio`: median now over median before. `p`: two-sided, Mann-Whitney."""

    ratio: float
    p: float


def change(before: Sequence[float], now: Sequence[float]) -> SpeedChange:
    """Compare positive costs (seconds, bytes, tokens per second) of repeated runs, `MIN_REPEATS` or more a side.

    Mann-Whitney's U, exact where no two values are equal; logarithms change no rank, and make the medians' distance a
    ratio. Raises ValueError for too few or non-positive values.
    """
    from scipy.stats import mannwhitneyu

    if min(len(before), len(now)) < MIN_REPEATS:
        raise ValueError(f"{len(before)} and {len(now)} repeats: {MIN_REPEATS} a side are needed")
    if min(*before, *now) <= 0:
        raise ValueError("costs must be above 0")
    left, right = np.log(before), np.log(now)
    ratio = math.exp(float(np.median(right) - np.median(left)))
    return SpeedChange(ratio, float(mannwhitneyu(left, right, alternative="two-sided").pvalue))
