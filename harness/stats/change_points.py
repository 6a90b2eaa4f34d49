"""Where a series of scores changed its level: a weighted piecewise-constant fit (Friedrich et al. 2008, Potts)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.clusters import Floats, column

PENALTY = 3.0
"""Cost of a further segment, times log T."""


@dataclass(frozen=True)
class Step:
    """A change between points `at` - 1 and `at`. Means are weighted; `stderr` is that of `after` - `before`."""

    at: int
    before: float
    after: float
    stderr: float
    sure: bool
    """Two points or more follow it before the next step."""

    @property
    def size(self) -> float:
        return self.after - self.before

    @property
    def interval(self) -> tuple[float, float]:
        """The step's 95 % interval, by the normal distribution."""
        return self.size - 1.96 * self.stderr, self.size + 1.96 * self.stderr


def steps(values: ArrayLike, sigma: ArrayLike, delta: float = 0.0) -> list[Step]:
    """Steps of at least `delta`, in order.

    Minimises `sum (y_t - mean)^2 / sigma_t^2 + 3 log T` per segment by dynamic programming, O(T^2). `sigma` [T]: the
    standard error of each point against its neighbours, above 0.
    """
    y, s = column(values, "values"), column(sigma, "sigma")
    if len(y) != len(s) or not (s > 0).all():
        raise ValueError("sigma must be above 0, one per value")
    if len(y) < 2:
        return []
    bounds = [0, *_cuts(y, 1 / s**2), len(y)]
    found = []
    for a, b, c in zip(bounds, bounds[1:], bounds[2:], strict=False):
        (before, v0), (after, v1) = _level(y[a:b], s[a:b]), _level(y[b:c], s[b:c])
        if abs(after - before) >= delta:
            found.append(Step(b, before, after, math.sqrt(v0 + v1), c - b >= 2))
    return found


def _cuts(y: Floats, w: Floats) -> list[int]:
    """Starts of the segments but the first."""
    size = len(y)
    penalty = PENALTY * math.log(size)
    W, S, Q = (np.concatenate([[0.0], np.cumsum(x)]) for x in (w, w * y, w * y * y))
    best, start = np.zeros(size + 1), np.zeros(size + 1, dtype=int)
    for e in range(1, size + 1):
        s = np.arange(e)
        cost = best[s] + (Q[e] - Q[s]) - (S[e] - S[s]) ** 2 / (W[e] - W[s]) + penalty
        start[e] = int(cost.argmin())
        best[e] = cost[start[e]]
    cuts, e = [], size
    while (e := int(start[e])) > 0:
        cuts.append(e)
    return cuts[::-1]


def _level(y: Floats, s: Floats) -> tuple[float, float]:
    """Weighted mean and its variance."""
    w = 1 / s**2
    return float((w * y).sum() / w.sum()), float(1 / w.sum())


def noise(values: ArrayLike) -> float:
    """A robust standard deviation of a series that is mostly level: `1.4826 median |y_t - y_(t-1)| / sqrt(2)`."""
    y = column(values, "values")
    return 1.4826 * float(np.median(np.abs(np.diff(y)))) / math.sqrt(2) if len(y) > 1 else math.nan


def floored(sigma: Sequence[float | None], floor: float) -> Floats:
    """Standard errors with a floor: two equal runs do not make a point infinitely sure."""
    return np.array([max(floor, s) if s is not None and math.isfinite(s) else floor for s in sigma])
