"""A mean with its interval: a proportion's with an effective size for 0/1 scores, Student's t for graded ones."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.core.types import Metric
from harness.stats.clusters import Floats, codes, column, spread_error, sums
from harness.stats.composites import Composite, note_metric

MIN_CLUSTERS = 10
"""Below this many clusters no interval is honest."""
TOO_FEW = "too few clusters"
RARE = 5
"""Effective hits or misses below which a proportion's interval is the exact one: there Wilson's and t's fall short."""
ROUNDING = 1e-12
"""A standard error of a ratio below it is 0 but for rounding."""
Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """One number with its uncertainty. `low`, `high`: the 95 % interval, None where none is honest."""

    value: float
    stderr: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    note: str = ""
    made_of: Composite | None = field(default=None, repr=False, compare=False)
    """The sums behind it, where somebody asks (see `harness.stats.composites`)."""

    def metric(
        self, name: str, group: str = "all", *, primary: bool = False, higher_is_better: bool | None = True
    ) -> Metric:
        """The same number as a metric of a run. Without an interval its standard error is also left out."""
        note_metric(name, group, self.made_of, higher_is_better)
        stderr = None if self.low is None else self.stderr
        return Metric(
            name=name,
            value=self.value,
            group=group,
            stderr=stderr,
            low=self.low,
            high=self.high,
            n=self.n,
            clusters=self.clusters,
            primary=primary,
            higher_is_better=higher_is_better,
            note=self.note,
        )


def quantile(p: float, df: int) -> float:
    """Student's t quantile."""
    from scipy.special import stdtrit  # scipy.stats costs half a second to import

    return float(stdtrit(df, p))


def mean(
    scores: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any],
    binary: bool = True,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Mean score over rows with a 95 % interval over clusters (Miller, arXiv 2411.00640).

    `binary`: scores are 0 or 1 and the interval is `proportion`'s; otherwise it is `m ± t SE`, clipped to `bounds`.
    """
    s = column(scores)
    n = len(s)
    code, count = codes(clusters, n)
    if binary and not np.isin(s, (0.0, 1.0)).all():
        raise ValueError("scores are not all 0 or 1: call mean(..., binary=False)")
    if n == 0:
        return Estimate(math.nan, None, None, None, 0, 0, "no items")
    m = math.fsum(s.tolist()) / n
    return of_spread(m, sums(s - m, code, count), n, int(np.bincount(code).max()), binary, bounds)


def of_spread(m: float, spread: Floats, n: int, largest: int, binary: bool, bounds: tuple[float, float]) -> Estimate:
    """A mean `m` over `n` rows, at most `largest` in a cluster. `spread` [G]: each cluster's differences from it."""
    count, stderr = len(spread), spread_error(spread, n)
    if stderr is None or count < MIN_CLUSTERS:
        return Estimate(m, stderr, None, None, n, count, TOO_FEW)
    if binary:
        low, high = proportion(m, effective_size(m, stderr, n, largest, count))
    else:
        low, high = student(m, stderr, count, bounds)
    return Estimate(m, stderr, low, high, n, count)


def effective_size(m: float, stderr: float, n: int, largest: int, count: int) -> float:
    """How many independent rows `n` clustered ones are worth. `largest`: rows in the largest cluster."""
    if m in (0.0, 1.0):
        return float(count)
    deff = min(max(stderr**2 / (m * (1 - m) / (n - 1)), 1.0), float(largest))
    return n / deff * (Z / quantile(0.975, count - 1)) ** 2


def proportion(m: float, n: float) -> tuple[float, float]:
    """95 % interval of a proportion over `n` (effective) rows: Wilson's, or the exact one where events are rare."""
    return exact(m, n) if min(m, 1 - m) * n < RARE else wilson(m, n)


def exact(m: float, n: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of `m` over `n` (effective) rows, as Korn and Graubard use it for surveys."""
    from scipy.special import betaincinv

    hits, misses = m * n, (1 - m) * n
    low = 0.0 if m == 0 else float(betaincinv(hits, misses + 1, 0.025))
    return low, 1.0 if m == 1 else float(betaincinv(hits + 1, misses, 0.975))


def wilson(m: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion `m` over `n` (effective) rows."""
    scale = 1 + Z**2 / n
    centre = (m + Z**2 / (2 * n)) / scale
    half = Z / scale * math.sqrt(m * (1 - m) / n + Z**2 / (4 * n * n))
    return (0.0 if m == 0 else max(0.0, centre - half)), (1.0 if m == 1 else min(1.0, centre + half))


def ratio(value: float, stderr: float, count: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """`value ± t_{G-1} SE`; between 0 and 1 with rare events the exact interval at the size that has this SE.

    Where the SE is 0, every cluster has the same ratio, and the exact interval takes each for one item: none of zero
    width would be honest.
    """
    if bounds == (0.0, 1.0) and 0 <= value <= 1:
        alike = stderr < ROUNDING
        size = float(count) if alike or value in (0, 1) else value * (1 - value) / stderr**2
        size = max(size * (Z / quantile(0.975, count - 1)) ** 2, 1.0)
        if alike or min(value, 1 - value) * size < RARE:
            return exact(value, size)
    return student(value, stderr, count, bounds)


def student(value: float, stderr: float, count: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """`value ± t_{G-1} SE`, clipped."""
    half = quantile(0.975, count - 1) * stderr
    return max(bounds[0], value - half), min(bounds[1], value + half)
