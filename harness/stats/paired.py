"""Two runs on the same items: the difference B - A, its interval and p value, over clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.clusters import Floats, clustered_error, codes, column, sums
from harness.stats.intervals import MIN_CLUSTERS, TOO_FEW, quantile
from harness.stats.jackknife import Statistic, column_sums, evaluate, spread

EXACT_BELOW = 30
"""With fewer clusters the p value comes from swapping whole clusters, not from t."""
LIST_ALL = 13
"""Up to this many clusters all 2^G swaps are listed."""
DRAWS = 9999


@dataclass(frozen=True)
class Difference:
    """B - A over the items that both answered. None where no honest value exists (see `note`)."""

    value: float
    stderr: float | None
    low: float | None
    high: float | None
    p: float | None
    """Two-sided; `test` names where it comes from."""
    n: int
    clusters: int
    right_to_wrong: int | None = None
    """Items whose score fell from A to B."""
    wrong_to_right: int | None = None
    """Items whose score rose."""
    design_effect: float | None = None
    """Clustered over unclustered variance of the difference; None for other metrics than means."""
    mde: float | None = None
    """Smallest true difference detected with 80 % power at two-sided 5 %."""
    test: str = ""
    """"cluster t", "cluster swap" or "McNemar"."""
    note: str = ""


def paired_mean(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any], *, exact: bool | None = None
) -> Difference:
    """Mean of `b - a`, rows paired by position. `exact`: cluster swap test (None: below 30 clusters)."""
    before, after = column(a, "a"), column(b, "b")
    if before.shape != after.shape:
        raise ValueError(f"a has {len(before)} rows and b {len(after)}: pair the rows first")
    d = after - before
    n = len(d)
    code, count = codes(clusters, n)
    if n == 0:
        return Difference(math.nan, None, None, None, None, 0, 0, note="no items in common")
    value = math.fsum(d.tolist()) / n
    fell, rose = int((d < 0).sum()), int((d > 0).sum())
    stderr = clustered_error(d, code, count, value)
    binary = bool(np.isin(before, (0.0, 1.0)).all() and np.isin(after, (0.0, 1.0)).all())
    if count < EXACT_BELOW if exact is None else exact:
        p, test = swap_mean(sums(d, code, count), value, n), "cluster swap"
    elif count == n and binary:
        p, test = mcnemar(fell, rose), "McNemar"
    else:
        p, test = student_p(value, stderr, count), "cluster t"
    deff = None
    if stderr is not None and (rows := _variance(d, value)) > 0:
        deff = stderr**2 / (rows / n)
    return _difference(value, stderr, p=p, test=test, n=n, count=count, flips=(fell, rose), deff=deff)


def paired_jackknife(
    counts_a: ArrayLike,
    counts_b: ArrayLike,
    f: Statistic,
    *,
    n: int | None = None,
    flips: tuple[int, int] | None = None,
    exact: bool | None = None,
) -> Difference:
    """`f(sum of counts_b) - f(sum of counts_a)`, jackknife over clusters of the difference.

    Both tables are [G, k]; row c of both belongs to the same cluster. `n`: items in both (default: the sum of
    `counts_a`); `flips`: (right to wrong, wrong to right), which counts alone cannot tell.
    """
    left, right = _aligned(counts_a, counts_b)
    count = len(left)
    total_a, total_b = column_sums(left), column_sums(right)
    rows = round(float(total_a.sum())) if n is None else n
    if count == 0:
        return Difference(math.nan, None, None, None, None, rows, 0, note="no items in common")
    value = float(evaluate(f, total_b) - evaluate(f, total_a))
    changed = flips or (None, None)
    if not math.isfinite(value):
        return Difference(value, None, None, None, None, rows, count, *changed, note="undefined")
    stderr = spread(evaluate(f, total_b - right) - evaluate(f, total_a - left)) if count > 1 else math.nan
    stderr = stderr if math.isfinite(stderr) else None
    if count < EXACT_BELOW if exact is None else exact:
        p, test = swap_counts(left, right, f, value), "cluster swap"
    else:
        p, test = student_p(value, stderr, count), "cluster t"
    return _difference(value, stderr, p=p, test=test, n=rows, count=count, flips=changed)


def student_p(value: float, stderr: float | None, count: int) -> float | None:
    """Two-sided p of `value / stderr` by t with G - 1 degrees of freedom."""
    from scipy.special import stdtr

    if stderr is None:
        return None
    if value == 0:
        return 1.0
    return 2 * float(stdtr(count - 1, -abs(value) / stderr)) if stderr > 0 else 0.0


def mcnemar(fell: int, rose: int) -> float:
    """Exact two-sided McNemar test on the discordant pairs. Only where every cluster has one item."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(fell, rose), fell + rose, 0.5))) if fell + rose else 1.0


def swap_mean(cluster_sums: Floats, value: float, n: int) -> float:
    """p of the exact cluster swap test for a mean. Swapping a cluster changes the sign of its sum."""
    size = np.sort(np.abs(cluster_sums))
    return _tail((1.0 - 2.0 * _swaps(len(size))) @ size / n, value, len(size))


def swap_counts(left: Floats, right: Floats, f: Statistic, value: float) -> float:
    """p of the exact cluster swap test for a statistic of summed counts."""
    first, second = _unordered(left, right)
    swap = _swaps(len(first))
    moved = swap @ (second - first)
    drawn = evaluate(f, column_sums(second) - moved) - evaluate(f, column_sums(first) + moved)
    return _tail(drawn, value, len(first))


def least_p(count: int) -> float:
    """The smallest p value that the default test gives in this many clusters, where every one of them differs the same
    way: of the swaps only all and none are as extreme, and drawn ones hold their share of these two."""
    if count >= EXACT_BELOW:
        return 0.0
    share = 2 / 2**count
    return share if count <= LIST_ALL else (1 + DRAWS * share) / (1 + DRAWS)


@lru_cache(maxsize=8)
def _swaps(count: int) -> Floats:
    """Which clusters are swapped [draws, G], 0 or 1: every way up to 13 clusters, else 9999 seeded draws."""
    if count <= LIST_ALL:
        return ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
    return np.random.default_rng(0).integers(0, 2, (DRAWS, count)).astype(np.float64)


def _tail(drawn: Floats, value: float, count: int) -> float:
    """How often a swap is at least as extreme; rounding never breaks a tie, and an undefined draw counts."""
    extreme = int((~(np.abs(drawn) < abs(value) * (1 - 1e-9) - 1e-14)).sum())
    return extreme / len(drawn) if count <= LIST_ALL else (1 + extreme) / (1 + len(drawn))


def _aligned(counts_a: ArrayLike, counts_b: ArrayLike) -> tuple[Floats, Floats]:
    left, right = np.asarray(counts_a, dtype=np.float64), np.asarray(counts_b, dtype=np.float64)
    if left.ndim != 2 or left.shape != right.shape:
        raise ValueError(f"counts must be two tables [clusters, k] of one shape, not {left.shape} and {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("counts hold NaN or infinity: leave out the rows that failed")
    order = np.lexsort(np.hstack([left, right]).T[::-1])
    return left[order], right[order]


def _unordered(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Each cluster's rows, smaller first, clusters sorted: the same draws for (A, B) and (B, A)."""
    apart = left != right
    at = apart.argmax(axis=1)
    row = np.arange(len(left))
    swap = (apart.any(axis=1) & (left[row, at] > right[row, at]))[:, None]
    return _aligned(np.where(swap, right, left), np.where(swap, left, right))


def _variance(d: Floats, centre: float) -> float:
    return math.fsum(((d - centre) ** 2).tolist()) / (len(d) - 1) if len(d) > 1 else 0.0


def _difference(
    value: float,
    stderr: float | None,
    *,
    p: float | None,
    test: str,
    n: int,
    count: int,
    flips: tuple[int | None, int | None],
    deff: float | None = None,
) -> Difference:
    low = high = mde = None
    note = TOO_FEW if count < MIN_CLUSTERS else ""
    if stderr is None and not note:
        note = "undefined without one of the clusters"
    if stderr is not None and not note:
        t = quantile(0.975, count - 1)
        low, high = value - t * stderr, value + t * stderr
        mde = (t + quantile(0.8, count - 1)) * stderr
    return Difference(value, stderr, low, high, p, n, count, *flips, deff, mde, test, note)
