"""How well a number tells two kinds of samples apart: the area under the ROC curve, with its interval over clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.clusters import codes, column, sums
from harness.stats.intervals import MIN_CLUSTERS, TOO_FEW, Estimate, quantile

Clusters = Sequence[Hashable] | NDArray[Any]
FOLDS = 5
RIDGE = 1.0
"""Weight of the squared coefficients beside the summed log-loss, on standardised features."""


def auroc(values: ArrayLike, right: ArrayLike, clusters: Clusters) -> Estimate:
    """The chance that a sample that is right has a larger value than one that is not, ties counted half.

    The interval is `A ± t SE` within [0, 1]; SE is DeLong's over whole clusters (Obuchowski 1997). NaN where all
    samples are of one kind.
    """
    x, good = column(values, "values"), np.asarray(right, bool)
    code, count = codes(clusters, len(x))
    ones, zeros = int(good.sum()), int((~good).sum())
    if not ones or not zeros:
        return Estimate(math.nan, None, None, None, len(x), count, "all right" if ones else "none right")
    below, above = np.sort(x[~good]), np.sort(x[good])
    place = np.empty(len(x))  # of each sample: the share of the other kind that it is told from
    place[good] = (np.searchsorted(below, x[good], "left") + np.searchsorted(below, x[good], "right")) / (2 * zeros)
    place[~good] = 1 - (np.searchsorted(above, x[~good], "left") + np.searchsorted(above, x[~good], "right")) / (
        2 * ones
    )
    value = float(place[good].mean())
    pull = sums(np.where(good, (place - value) / ones, (place - value) / zeros), code, count)
    if count < MIN_CLUSTERS:
        return Estimate(value, None, None, None, len(x), count, TOO_FEW)
    error = math.sqrt(count / (count - 1) * float((pull**2).sum()))
    half = quantile(0.975, count - 1) * error
    return Estimate(value, error, max(0.0, value - half), min(1.0, value + half), len(x), count)


def crossfitted(features: ArrayLike, right: ArrayLike, clusters: Clusters, seed: int = 0) -> np.ndarray:
    """Log-odds [n] of being right by a logistic probe on features [n, d], each sample by a probe that has not seen its
    cluster. Each fold's are centred on what its probe says of a mean sample."""
    x, good = np.asarray(features, np.float64), np.asarray(right, np.float64)
    code, count = codes(clusters, len(x))
    fold = np.random.default_rng(seed).permutation(count)[code] % min(FOLDS, max(2, count))
    out = np.zeros(len(x))
    for k in np.unique(fold):
        fit, held = fold != k, fold == k
        if len(np.unique(good[fit])) == 2:
            middle, scale = x[fit].mean(0), np.maximum(x[fit].std(0), 1e-9)
            weights = _logistic((x[fit] - middle) / scale, good[fit])
            out[held] = (x[held] - middle) / scale @ weights
    return out


def _logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of ridge logistic regression by Newton's method, without the intercept."""
    design = np.hstack([np.ones((len(x), 1)), x])
    ridge = RIDGE * np.diag([1e-6, *np.ones(x.shape[1])])
    w = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ w, -30, 30)))
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + ridge, design.T @ (y - p) - ridge @ w)
        w += step
        if np.abs(step).max() < 1e-8:
            break
    return w[1:]
