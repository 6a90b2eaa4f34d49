"""Models that were trained several times and answer the same rows: intervals over seeds and clusters of rows together.

Seeds and rows are crossed, both drawn at random: the variance of a mean is that over clusters (of the seeds' mean row)
plus that over seeds (of each seed's mean) divided by their number. Degrees of freedom are Satterthwaite's.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.clusters import Floats, clustered_error, codes
from harness.stats.intervals import MIN_CLUSTERS, RARE, TOO_FEW, Estimate, exact, quantile
from harness.stats.paired import Difference

ONE_SEED = "one seed: the interval is over sequences alone"


def over_seeds(
    values: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any], bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """The mean of [seeds, rows], every seed with the same rows, with its 95 % interval.

    With one seed the interval is over clusters alone, and the note says so.
    """
    table = _table(values)
    seeds, n = table.shape
    code, count = codes(clusters, n)
    if n == 0:
        return Estimate(math.nan, None, None, None, 0, 0, "no items")
    value = float(table.mean())
    stderr, df = _error(table, code, count)
    note = ONE_SEED if seeds == 1 else ""
    if stderr is None or count < MIN_CLUSTERS:
        return Estimate(value, stderr, None, None, n, count, TOO_FEW)
    if bounds == (0.0, 1.0):
        size = value * (1 - value) / stderr**2 if stderr > 0 and 0 < value < 1 else float(count)
        if min(value, 1 - value) * size < RARE:
            return Estimate(value, stderr, *exact(value, size), n, count, note)
    half = quantile(0.975, df) * stderr
    return Estimate(value, stderr, max(bounds[0], value - half), min(bounds[1], value + half), n, count, note)


def seeds_difference(
    a: Mapping[int, Floats], b: Mapping[int, Floats], clusters: Sequence[Hashable] | NDArray[Any]
) -> Difference:
    """Mean of B - A, rows paired by position. `a`, `b`: seed -> scores [rows].

    Where both have the same seeds, seeds are paired as well: batches of one seed are the same for every model.
    """
    before, after = _table(np.stack([a[s] for s in sorted(a)])), _table(np.stack([b[s] for s in sorted(b)]))
    n = before.shape[1]
    code, count = codes(clusters, n)
    value = float(after.mean() - before.mean())
    if set(a) == set(b):
        stderr, df = _error(after - before, code, count)
    else:
        rows = clustered_error(after.mean(0) - before.mean(0), code, count, value)
        parts = [(None if rows is None else rows**2, count - 1), *(_seeds(t) for t in (before, after))]
        stderr, df = _combined(parts)
    if stderr is None or count < MIN_CLUSTERS:
        return Difference(value, stderr, None, None, None, n, count, note=TOO_FEW)
    half = quantile(0.975, df) * stderr
    note = ONE_SEED if min(len(a), len(b)) == 1 else ""
    return Difference(value, stderr, value - half, value + half, _p(value, stderr, df), n, count, test="t", note=note)


def _table(values: ArrayLike) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError("scores must be finite, [seeds, rows]: leave out the rows that some seed lacks")
    return table


def _error(table: Floats, code: Any, count: int) -> tuple[float | None, int]:
    """(standard error, degrees of freedom) of the mean of [seeds, rows]."""
    rows = clustered_error(table.mean(0), code, count, float(table.mean()))
    return _combined([(None if rows is None else rows**2, count - 1), _seeds(table)])


def _seeds(table: Floats) -> tuple[float, int]:
    """Variance over seeds of the mean, and its degrees of freedom; 0 with one seed, which tells nothing."""
    seeds = len(table)
    return (float(table.mean(1).var(ddof=1)) / seeds if seeds > 1 else 0.0), seeds - 1


def _combined(parts: Sequence[tuple[float | None, int]]) -> tuple[float | None, int]:
    if parts[0][0] is None:
        return None, 0
    known = [(v, df) for v, df in parts if v and df > 0]
    total = sum(v for v, _ in known)
    below = sum(v * v / df for v, df in known)
    return math.sqrt(total), max(1, int(total * total / below)) if below else max(1, parts[0][1])


def _p(value: float, stderr: float, df: int) -> float:
    from scipy.special import stdtr

    if value == 0:
        return 1.0
    return 2 * float(stdtr(df, -abs(value) / stderr)) if stderr > 0 else 0.0
