"""Many comparisons at once equal one at a time."""

import numpy as np
import pytest

from harness.stats import paired_jackknife, paired_mean, totals
from harness.stats.paired_tables import mean_differences, ratio_differences


@pytest.mark.parametrize("count", [40, 12, 5])
def test_means_equal_paired_mean(count):
    rng = np.random.default_rng(count)
    clusters = np.repeat(np.arange(count), rng.integers(1, 7, count))
    a, b = (rng.integers(0, 2, len(clusters)).astype(float) for _ in "ab")
    expected = paired_mean(a, b, clusters, exact=False)
    sums = np.bincount(clusters, b - a, count)[None]
    (got,) = mean_differences(sums, np.bincount(clusters, minlength=count)[None].astype(float))
    _same(got, expected)


def test_clusters_without_a_shared_item_do_not_count():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(30), 4)
    a, b = (rng.integers(0, 2, 120).astype(float) for _ in "ab")
    keep = (clusters > 3) & (rng.random(120) < 0.9)
    expected = paired_mean(a[keep], b[keep], clusters[keep], exact=False)
    sums = np.bincount(clusters[keep], (b - a)[keep], 30)[None]
    (got,) = mean_differences(sums, np.bincount(clusters[keep], minlength=30)[None].astype(float))
    _same(got, expected)


@pytest.mark.parametrize("count", [40, 12])
def test_ratios_equal_the_paired_jackknife(count):
    rng = np.random.default_rng(count)
    clusters = np.repeat(np.arange(count), 3)
    named = rng.integers(1, 6, len(clusters)).astype(float)
    tables = [totals(np.stack([rng.binomial(named.astype(int), 0.2), named], 1), clusters) for _ in "ab"]
    expected = paired_jackknife(*tables, lambda c: c[..., 0] / c[..., 1], exact=False)
    (got,) = ratio_differences(tables[0][None], tables[1][None])
    _same(got, expected)


def _same(got, expected):
    wanted = [expected.value, expected.low, expected.high, expected.p if expected.clusters >= 10 else None]
    for g, w in zip(got, wanted, strict=True):
        assert np.isnan(g) if w is None else g == pytest.approx(w, rel=1e-9, abs=1e-12)
