"""Paired comparisons from sums per cluster: one run against many at once, without a loop over items."""

from __future__ import annotations

import numpy as np

from harness.stats.clusters import Floats
from harness.stats.intervals import MIN_CLUSTERS


def mean_differences(sums: Floats, sizes: Floats) -> Floats:
    """[K, 4]: difference, low, high, two-sided p by t, as `paired_mean` gives them.

    `sums` [K, G]: each cluster's summed difference to run k over the items that both have; `sizes` [K, G]: how many.
    Clusters without a shared item do not count. NaN below 10 clusters, and where nothing is shared.
    """
    n, count = sizes.sum(1), (sizes > 0).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sums.sum(1) / n
        away = sums - value[:, None] * sizes
        stderr = np.sqrt(count / (count - 1) * (away * away).sum(1)) / n
    return _with_interval(value, stderr, count)


def ratio_differences(before: Floats, after: Floats) -> Floats:
    """[K, 4] as above, for ratios of sums: `before`, `after` [K, G, 2] hold numerators and denominators over shared
    items; the error is the delete-one-cluster jackknife's, as in `paired_jackknife`."""
    there = (before[..., 1] != 0) | (after[..., 1] != 0) | (before[..., 0] != 0) | (after[..., 0] != 0)
    count = there.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _ratio(after.sum(1)) - _ratio(before.sum(1))
        out = _ratio(after.sum(1)[:, None] - after) - _ratio(before.sum(1)[:, None] - before)
        out = np.where(there, out, 0.0)
        centre = out.sum(1) / count
        away = np.where(there, out - centre[:, None], 0.0)
        stderr = np.sqrt((count - 1) / count * (away * away).sum(1))
    return _with_interval(value, stderr, count)


def _ratio(counts: Floats) -> Floats:
    return counts[..., 0] / counts[..., 1]


def _with_interval(value: Floats, stderr: Floats, count: Floats) -> Floats:
    from scipy.special import stdtr, stdtrit

    df = np.maximum(count - 1, 1)
    half = stdtrit(df, 0.975) * stderr
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(value == 0, 1.0, 2 * stdtr(df, -np.abs(value) / stderr))
    made = np.stack([value, value - half, value + half, p], 1)
    made[(count < MIN_CLUSTERS) | ~np.isfinite(stderr)] = np.nan
    made[:, 0] = value
    return made
