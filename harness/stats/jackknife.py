"""Delete-one-cluster jackknife for anything that is a function of summed counts: F1, precision, ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.stats.clusters import Floats, canonical, codes
from harness.stats.composites import composite
from harness.stats.intervals import MIN_CLUSTERS, TOO_FEW, Estimate, ratio, student

Statistic = Callable[[Floats], Any]
"""Counts [..., k] -> values [...]; NaN where undefined."""


def jackknife(
    counts: ArrayLike, f: Statistic, bounds: tuple[float, float] = (0.0, 1.0), *, n: int | None = None
) -> Estimate:
    """`f` of the summed counts with a 95 % interval.

    `counts` [G, k]: one row per cluster (see `totals`), for example TP, FP, FN, TN. `n`: rows behind them, by
    default the sum of all counts, which is right where each row falls into one cell.
    """
    return replace(_estimate(counts, f, bounds, n), made_of=composite(counts, f))


def _estimate(counts: ArrayLike, f: Statistic, bounds: tuple[float, float], n: int | None) -> Estimate:
    table = matrix(counts)
    count = len(table)
    total = column_sums(table)
    rows = round(float(total.sum())) if n is None else n
    if count == 0:
        return Estimate(math.nan, None, None, None, rows, 0, "no items")
    value = float(evaluate(f, total))
    if count < 2:
        return Estimate(value, None, None, None, rows, count, TOO_FEW)
    stderr = spread(evaluate(f, total - table))
    if not math.isfinite(value):
        return Estimate(value, None, None, None, rows, count, "undefined")
    if not math.isfinite(stderr):
        return Estimate(value, None, None, None, rows, count, "undefined without one of the clusters")
    if count < MIN_CLUSTERS:
        return Estimate(value, stderr, None, None, rows, count, TOO_FEW)
    low, high = ratio(value, stderr, count, bounds)
    return Estimate(value, stderr, low, high, rows, count)


def blocks(
    f: Callable[[list[Any]], float], rows: Sequence[Any], clusters: Sequence[Hashable], count: int = 50
) -> Estimate:
    """Any function of rows with a 95 % interval: the jackknife without one block of clusters at a time.

    For statistics that are not functions of sums (BLEU over a corpus, a macro average by class). Clusters are dealt in
    turn into at most `count` blocks, each about as large, so that `f` is computed `count` + 1 times. Source: Kott,
    "The delete-a-group jackknife", Journal of Official Statistics 17 (2001).
    """
    code, clustered = codes(clusters, len(rows))
    if not rows:
        return Estimate(math.nan, None, None, None, 0, 0, "no items")
    value = float(f(list(rows)))
    used = min(count, clustered)
    if used < MIN_CLUSTERS or not math.isfinite(value):
        return Estimate(value, None, None, None, len(rows), clustered, TOO_FEW if used < MIN_CLUSTERS else "undefined")
    block = (code % used).tolist()
    left_out = [float(f([r for r, b in zip(rows, block, strict=True) if b != out])) for out in range(used)]
    stderr = spread(np.array(left_out))
    if not math.isfinite(stderr):
        return Estimate(value, None, None, None, len(rows), clustered, "undefined without one block of rows")
    low, high = student(value, stderr, used, (-math.inf, math.inf))
    return Estimate(value, stderr, low, high, len(rows), clustered)


def matrix(counts: ArrayLike) -> Floats:
    """Counts as a finite [G, k] table, in an order that the clusters' names cannot change."""
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"counts must have shape [clusters, k], not {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("counts hold NaN or infinity: leave out the rows that failed")
    return canonical(table)


def column_sums(table: Floats) -> Floats:
    """Exact sums over clusters [k]."""
    return np.array([math.fsum(c.tolist()) for c in table.T])


def evaluate(f: Statistic, counts: Floats) -> Floats:
    """`f` without warnings about 0/0. Raises ValueError if it does not reduce the last axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.asarray(f(counts), dtype=np.float64)
    if out.shape != counts.shape[:-1]:
        raise ValueError(f"the statistic turned {counts.shape} into {out.shape}: write it with counts[..., i]")
    return out


def spread(left_out: Floats) -> float:
    """`sqrt((G-1)/G * sum (theta_(c) - mean)^2)` of the values [G] without one cluster each."""
    if not np.isfinite(left_out).all():
        return math.nan
    count = len(left_out)
    away = left_out - math.fsum(left_out.tolist()) / count
    return math.sqrt((count - 1) / count * math.fsum((away * away).tolist()))
