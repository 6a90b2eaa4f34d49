"""One run: the mean, its clustered error, its interval."""

import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import MIN_CLUSTERS, jackknife, mean, totals, wilson
from harness.stats.intervals import exact

ROWS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from([0.0, 1.0]), st.floats(0, 1, allow_nan=False)),
    min_size=1,
    max_size=80,
)


def test_worked_example():
    got = mean([1, 1, 0, 0, 0, 1], ["a", "a", "a", "b", "b", "c"])
    assert (got.value, got.stderr, got.n, got.clusters) == (0.5, pytest.approx(0.25, abs=1e-15), 6, 3)
    assert got.low is None and got.high is None and got.note == "too few clusters"
    assert got.metric("accuracy", primary=True).stderr is None


def test_agrees_with_statsmodels():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    clusters = rng.integers(0, 40, 700)
    scores = np.clip(rng.normal(0.5, 0.2, 40)[clusters] + rng.normal(0, 0.1, 700), 0, 1)
    fit = api.OLS(scores, np.ones(700)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    got = mean(scores, clusters, binary=False)
    assert got.value == pytest.approx(fit.params[0], abs=1e-12)
    assert got.stderr == pytest.approx(fit.bse[0], rel=1e-9)


def test_one_item_clusters_are_the_textbook_case():
    scores = np.random.default_rng(2).random(50)
    got = mean(scores, range(50), binary=False)
    stderr = scores.std(ddof=1) / math.sqrt(50)
    assert got.stderr == pytest.approx(stderr, rel=1e-12)
    assert got.high == pytest.approx(scores.mean() + 2.0095752371 * stderr, rel=1e-9)  # t_{.975, 49}


def test_effective_size_by_hand():
    """20 clusters of 5 equal scores are 20 rows: deff is clipped at 5, and t replaces z."""
    scores = np.repeat([1.0] * 12 + [0.0] * 8, 5)
    got = mean(scores, np.repeat(np.arange(20), 5))
    n_eff = 100 / 5 * (1.959963984540054 / 2.0930240544) ** 2  # t_{.975, 19}
    assert (got.low, got.high) == pytest.approx(wilson(0.6, n_eff), rel=1e-9)


def test_wilson_by_hand():
    assert wilson(0.5, 100) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_counts_clusters_not_rows(value):
    got = mean([value] * 200, np.repeat(np.arange(20), 10))
    far = 1 - 0.025 ** (1 / 20)  # Clopper and Pearson, none of 20
    assert (got.low, got.high) == pytest.approx((0, far) if value == 0 else (1 - far, 1), abs=1e-12)
    assert got.low == 0 if value == 0 else got.high == 1


def test_graded_interval_is_clipped():
    got = mean([1.0] * 19 + [0.0], range(20), binary=False)
    assert got.high == 1.0 and 0 < got.low < 0.95
    assert mean([1.0] * 19 + [0.0], range(20), binary=False, bounds=(0, 5)).high > 1


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_cluster_is_an_error(missing):
    with pytest.raises(ValueError, match="no cluster id"):
        mean([1, 0], ["a", missing])


@pytest.mark.parametrize(
    ("scores", "clusters", "says"),
    [([1, 0], ["a"], "one id per row"), ([1, math.nan], "ab", "NaN"), ([0.5, 1], "ab", "binary=False")],
)
def test_wrong_input(scores, clusters, says):
    with pytest.raises(ValueError, match=says):
        mean(scores, clusters)


def test_no_items():
    got = mean([], [])
    assert math.isnan(got.value) and (got.n, got.clusters, got.note) == (0, 0, "no items")
    assert mean([1.0], ["a"]).stderr is None


@settings(deadline=None, max_examples=60)
@given(ROWS, st.randoms())
def test_order_and_names_change_no_bit(rows, random):
    names = [f"image-{random.random()}-{i}" for i in range(26)]
    shuffled = random.sample(rows, len(rows))
    for kind, binary in ((1, True), (2, False)):
        first = mean([r[kind] for r in rows], [r[0] for r in rows], binary)
        second = mean([r[kind] for r in shuffled], [names[r[0]] for r in shuffled], binary)
        assert first == second


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_intervals_hold_the_value(rows):
    got = mean([r[1] for r in rows], [r[0] for r in rows])
    if got.clusters < MIN_CLUSTERS:
        assert got.low is None
    else:
        assert 0 <= got.low <= got.value <= got.high <= 1


def test_rare_events_by_hand():
    """2 of 40: Clopper and Pearson's published interval; 6 of 40 is Wilson's again."""
    got = mean([1.0] * 2 + [0.0] * 38, range(40))
    t = 2.0226909117  # t_{.975, 39}
    n = 40 * (1.959963984540054 / t) ** 2
    assert (got.low, got.high) == pytest.approx(exact(0.05, n), rel=1e-6)
    assert exact(0.05, 40) == pytest.approx((0.006114, 0.169197), abs=1e-6)
    many = mean([1.0] * 6 + [0.0] * 34, range(40))
    assert (many.low, many.high) == pytest.approx(wilson(0.15, n), rel=1e-6)


@pytest.mark.parametrize("p", [0.02, 0.005])
def test_coverage_of_rare_events(p):
    """Wilson's own interval holds 87 % at p = 0.005, n = 30, and a t interval of a ratio 41 %."""
    rng = np.random.default_rng(5)
    for count, size in ((30, 1), (60, 6), (500, 1)):
        clusters = np.repeat(np.arange(count), size)
        hits = [0, 0]
        for _ in range(400):
            rows = rng.random(count * size) < rng.beta(p * 4, (1 - p) * 4, count)[clusters]
            one = mean(rows.astype(float), clusters)
            two = jackknife(totals(np.stack([rows, np.ones(len(rows))], 1), clusters), lambda c: c[..., 0] / c[..., 1])
            hits[0] += one.low <= p <= one.high
            hits[1] += two.low <= p <= two.high
        assert min(hits) / 400 >= 0.91


@pytest.mark.parametrize(("count", "size", "p", "floor"), [(20, 6, 0.9, 0.92), (50, 6, 0.7, 0.93)])
def test_coverage(count, size, p, floor):
    """Items of one image share luck: a Beta-distributed rate per image, intra-cluster correlation 0.25."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(count), size)
    hits = 0
    for _ in range(800):
        rates = rng.beta(p * 3, (1 - p) * 3, count)
        got = mean((rng.random(count * size) < rates[clusters]).astype(float), clusters)
        hits += got.low <= p <= got.high
    assert floor <= hits / 800 <= 0.985


def test_ten_thousand_rows_take_milliseconds():
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 2, 10_000).astype(float)
    clusters = [f"coco:{i:012d}" for i in rng.integers(0, 500, 10_000)]
    mean(scores, clusters)
    start = time.process_time()
    mean(scores, clusters)
    assert time.process_time() - start < 0.2


def test_totals():
    assert totals([[1, 0], [0, 1], [1, 1]], ["a", "b", "a"]).tolist() == [[2, 1], [0, 1]]
