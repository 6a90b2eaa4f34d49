"""Metrics that are functions of summed counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import blocks, jackknife, mean, totals
from harness.stats.intervals import exact, quantile


def f1(c):
    return 2 * c[..., 0] / (2 * c[..., 0] + c[..., 1] + c[..., 2])


def ratio(c):
    return c[..., 0] / c[..., 1]


def test_by_hand():
    """Ratio 6/12; without one cluster each: 5/9, 4/8, 3/7."""
    got = jackknife([[1, 3], [2, 4], [3, 5]], ratio, n=12)
    left = [5 / 9, 4 / 8, 3 / 7]
    centre = sum(left) / 3
    assert got.value == 0.5
    assert got.stderr == pytest.approx(math.sqrt(2 / 3 * sum((x - centre) ** 2 for x in left)), rel=1e-12)
    assert (got.low, got.n, got.clusters, got.note) == (None, 12, 3, "too few clusters")


def test_jackknife_of_a_mean_over_equal_clusters_is_the_clustered_error():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(30), 4)
    scores = rng.integers(0, 2, 120).astype(float)
    counts = totals(np.stack([scores, np.ones(120)], axis=1), clusters)
    assert jackknife(counts, ratio).stderr == pytest.approx(mean(scores, clusters).stderr, rel=1e-12)


def test_mean_over_splits():
    """Three splits of three images each: the macro mean, with one column pair per split."""
    rng = np.random.default_rng(1)
    counts = np.concatenate([rng.integers(0, 7, (40, 3)), np.full((40, 3), 6)], axis=1)
    got = jackknife(counts, lambda c: (c[..., :3] / c[..., 3:]).mean(axis=-1), n=720)
    assert got.value == pytest.approx(counts[:, :3].sum() / 720, rel=1e-12)
    assert got.low < got.value < got.high and got.n == 720


def test_undefined_is_said():
    zero = jackknife(np.zeros((12, 3)), f1)
    assert math.isnan(zero.value) and zero.note == "undefined" and zero.low is None
    fragile = np.zeros((12, 2))
    fragile[0] = 1
    assert jackknife(fragile, ratio).note == "undefined without one of the clusters"
    assert jackknife(np.zeros((0, 3)), f1).note == "no items"


def test_wrong_statistic():
    with pytest.raises(ValueError, match=r"counts\[\.\.\., i\]"):
        jackknife(np.ones((12, 3)), lambda c: c[0])


TABLES = st.lists(st.tuples(*[st.floats(0, 9, allow_nan=False, width=32)] * 3), min_size=1, max_size=40)


@settings(deadline=None)
@given(TABLES, st.randoms())
def test_order_of_clusters_changes_no_bit(table, random):
    first = jackknife(table, f1)
    second = jackknife(random.sample(table, len(table)), f1)
    assert repr(first) == repr(second)


def test_coverage_of_f1():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(600):
        rate = rng.beta(8, 2, (60, 1))
        tp, fp = rng.binomial(3, rate), rng.binomial(3, 1 - rate)
        counts = np.concatenate([tp, fp, 3 - tp], axis=1)
        got = jackknife(counts, f1)
        hits += got.low <= 0.8 <= got.high
    assert 0.92 <= hits / 600 <= 0.975


def test_blocks_agree_with_the_clustered_mean():
    """For a mean the delete-a-block jackknife and the clustered error are alike, and f is called count + 1 times."""
    rng = np.random.default_rng(0)
    values, clusters, calls = rng.random(900).tolist(), [i // 3 for i in range(900)], []

    def average(rows):
        calls.append(len(rows))
        return sum(rows) / len(rows)

    found = blocks(average, values, clusters)
    exact = mean(values, clusters, False)
    assert len(calls) == 51 and found.value == pytest.approx(exact.value)
    assert found.stderr == pytest.approx(exact.stderr, rel=0.35) and found.clusters == 300


def test_blocks_without_clusters_enough_have_no_interval():
    found = blocks(lambda rows: sum(rows) / len(rows), [0.0, 1.0] * 6, ["a", "b"] * 6)
    assert found.value == 0.5 and found.low is None and found.note
    assert math.isnan(blocks(len, [], []).value)


@pytest.mark.parametrize("clusters", [10, 30, 500])
@pytest.mark.parametrize("hits", [0, 2, 3, 6])
def test_clusters_that_all_agree_count_as_one_item_each(clusters, hits):
    """So does 2 of 6, whose jackknife error is 0 but for rounding."""
    got = jackknife([[hits, 6]] * clusters, ratio)
    size = clusters * (1.959964 / quantile(0.975, clusters - 1)) ** 2
    assert got.stderr == pytest.approx(0, abs=1e-15)
    assert (got.low, got.high) == pytest.approx(exact(hits / 6, size), rel=1e-6)


def test_clusters_that_nearly_agree_have_their_own_interval():
    got = jackknife([[3, 6]] * 29 + [[4, 6]], ratio)
    half = quantile(0.975, 29) * (got.stderr or 0)
    assert 0 < half < 0.02 and (got.low, got.high) == pytest.approx((got.value - half, got.value + half))
