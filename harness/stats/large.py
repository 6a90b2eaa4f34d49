"""Statistics of results in columns, some rows after the other: the same numbers, in memory for clusters alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from harness.stats.clusters import Floats, column, sums
from harness.stats.columns import Columns
from harness.stats.composites import note_table
from harness.stats.intervals import Estimate, of_spread


def clusters_in(results: Columns) -> NDArray[np.uint64]:
    """What stands for each cluster, once."""
    found = np.empty(0, np.uint64)
    for clusters, _ in results.parts():
        found = np.union1d(found, clusters)
    return found


def totals(results: Columns, names: Sequence[str]) -> Floats:
    """Sums of scores over each cluster [G, names]."""
    return _sums(results, names, clusters_in(results))


def _sums(results: Columns, names: Sequence[str], known: NDArray[np.uint64], less: float = 0.0) -> Floats:
    """As `totals`, over these clusters, `less` taken off each score."""
    table = np.zeros((len(known), len(names)))
    for clusters, values in results.parts(*names):
        there, code = np.unique(clusters, return_inverse=True)
        at = np.searchsorted(known, there)
        for j in range(len(names)):
            table[at, j] += sums(column(values[:, j], "rows") - less, code, len(there))
    note_table(table, tuple(known.tolist()))
    return table


def mean(results: Columns, name: str) -> Estimate:
    """As `harness.stats.mean` of the score: a proportion where it is 0 or 1 everywhere, bounded where it is within."""
    known = clusters_in(results)
    sizes, binary, inside = np.zeros(len(known), np.int64), True, True
    for clusters, values in results.parts(name):
        scores = column(values[:, 0])
        binary = binary and bool(np.isin(scores, (0.0, 1.0)).all())
        inside = inside and bool(((scores >= 0) & (scores <= 1)).all())
        there, count = np.unique(clusters, return_counts=True)
        sizes[np.searchsorted(known, there)] += count
    n = len(results)
    m = math.fsum(chain.from_iterable(values[:, 0].tolist() for _, values in results.parts(name))) / n
    spread = _sums(results, (name,), known, m)[:, 0]
    bounds = (0.0, 1.0) if inside else (-math.inf, math.inf)
    return of_spread(m, spread, n, int(sizes.max()), binary, bounds)
