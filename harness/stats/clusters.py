"""Rows to clusters. Sums are taken in an order that names and row order cannot change: no digit moves."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.stats.composites import note_table

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def codes(clusters: Sequence[Hashable] | NDArray[Any], n: int) -> tuple[Ints, int]:
    """Number the clusters of `n` rows from 0, in order of first appearance: (codes [n], G).

    A missing id (None, NaN, "") is an error: it must never become one big cluster.
    """
    ids: Iterable[Any] = clusters.tolist() if isinstance(clusters, np.ndarray) else clusters
    seen: dict[Any, int] = {}
    out = np.fromiter((seen.setdefault(c, len(seen)) for c in ids), dtype=np.intp)
    if len(out) != n:
        raise ValueError(f"{n} scores but {len(out)} cluster ids: give one id per row")
    for c in seen:
        if c is None or c != c or c == "":
            raise ValueError(f"a row has no cluster id ({c!r}): every sample must name its cluster")
    return out, len(seen)


def column(values: ArrayLike, name: str = "scores") -> Floats:
    """A finite float vector. A missing score is not a number: its row must be left out, not passed as NaN."""
    out = np.asarray(values, dtype=np.float64)
    if out.ndim != 1:
        raise ValueError(f"{name} must be one number per row, not shape {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"{name} holds NaN or infinity: leave out the rows that failed")
    return out


def sums(values: Floats, code: Ints, count: int) -> Floats:
    """Sum per cluster [G]. Rows are added in order of value, so that row order changes no bit."""
    order = np.lexsort((values, code))
    return np.asarray(np.bincount(code[order], values[order], count), dtype=np.float64)


def totals(rows: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any]) -> Floats:
    """One row of sufficient counts per cluster: rows [n, k] -> [G, k], the input of `jackknife`."""
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"rows must have shape [n, k], not {table.shape}")
    code, count = codes(clusters, len(table))
    found = np.stack([sums(column(c, "rows"), code, count) for c in table.T], axis=1)
    note_table(found, tuple(dict.fromkeys(clusters)))
    return found


def clustered_error(scores: Floats, code: Ints, count: int, centre: float) -> float | None:
    """Cluster-robust standard error of the mean, `sqrt(G/(G-1) * sum D_c^2) / n`; None below two clusters."""
    return spread_error(sums(scores - centre, code, count), len(scores)) if count > 1 else None


def spread_error(spread: Floats, n: int) -> float | None:
    """The same of `n` rows, of each cluster's sum of differences from the centre [G]."""
    count = len(spread)
    return math.sqrt(count / (count - 1) * math.fsum((spread * spread).tolist())) / n if count > 1 else None


def canonical(table: Floats) -> Floats:
    """The rows of [G, k] in lexicographic order, whatever the clusters are called."""
    return table[np.lexsort(table.T[::-1])]
