"""Uncertainty of every number: clustered intervals, jackknife, paired comparison. NumPy and SciPy only."""

from harness.stats.clusters import clustered_error, codes, totals
from harness.stats.intervals import MIN_CLUSTERS, Estimate, mean, wilson
from harness.stats.jackknife import blocks, jackknife
from harness.stats.missing import failed
from harness.stats.paired import Difference, paired_jackknife, paired_mean

__all__ = [
    "MIN_CLUSTERS",
    "Difference",
    "Estimate",
    "blocks",
    "clustered_error",
    "codes",
    "failed",
    "jackknife",
    "mean",
    "paired_jackknife",
    "paired_mean",
    "totals",
    "wilson",
]
