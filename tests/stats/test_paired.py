"""Two runs on the same items."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import jackknife, mean, paired_jackknife, paired_mean, totals


def f1(c):
    return 2 * c[..., 0] / (2 * c[..., 0] + c[..., 1] + c[..., 2])


def ratio(c):
    return c[..., 0] / c[..., 1]


def test_by_hand():
    a = np.array([1, 1, 0, 0, 1, 0] * 10, dtype=float)
    b = np.array([1, 0, 1, 1, 1, 0] * 10, dtype=float)
    clusters = np.repeat(np.arange(30), 2)
    got = paired_mean(a, b, clusters)
    assert got.value == pytest.approx(1 / 6)
    assert (got.right_to_wrong, got.wrong_to_right, got.n, got.clusters) == (10, 20, 60, 30)
    sums = np.array([-1, 2, 0] * 10) - 2 / 6
    stderr = math.sqrt(30 / 29 * (sums**2).sum()) / 60
    assert got.stderr == pytest.approx(stderr, rel=1e-12)
    t, power = 2.0452296421, 0.8541919  # t_{.975, 29}, t_{.8, 29}
    assert got.high == pytest.approx(1 / 6 + t * stderr, rel=1e-9)
    assert got.mde == pytest.approx((t + power) * stderr, rel=1e-6)
    assert got.design_effect == pytest.approx(stderr**2 / ((b - a).var(ddof=1) / 60), rel=1e-12)
    assert got.test == "cluster t" and got.p == pytest.approx(0.1608, abs=1e-4)


def test_a_run_against_itself():
    a = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    got = paired_mean(a, a, np.arange(200) % 40)
    assert (got.value, got.low, got.high, got.p, got.design_effect) == (0, 0, 0, 1, None)
    assert (got.right_to_wrong, got.wrong_to_right) == (0, 0)
    assert paired_mean(a, a, np.arange(200) % 12).p == 1


def test_swap_test_lists_every_swap():
    a, b = [0.2, 0.1, 0.5, 0.4, 0.9], [0.5, 0.4, 0.4, 0.9, 0.9]
    got = paired_mean(a, b, ["x", "x", "y", "z", "w"])
    size = [0.6, -0.1, 0.5, 0.0]
    seen = [abs(sum(s * e for s, e in zip(size, signs, strict=True))) for signs in itertools.product((1, -1), repeat=4)]
    assert got.p == sum(s >= 1.0 - 1e-9 for s in seen) / 16 and got.test == "cluster swap"
    assert got.low is None and got.note == "too few clusters"


def test_swap_test_of_one_item_clusters_is_mcnemar():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 2, (2, 12)).astype(float)
    by_swap = paired_mean(a, b, range(12), exact=True)
    by_row = paired_mean(a, b, range(12), exact=False)
    assert by_row.test == "McNemar" and by_swap.p == pytest.approx(by_row.p, rel=1e-12)


def test_ratio_difference_matches_the_mean_on_equal_clusters():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(40), 3)
    a, b = rng.integers(0, 2, (2, 120)).astype(float)
    one = np.ones(120)
    ca, cb = (totals(np.stack([s, one], axis=1), clusters) for s in (a, b))
    mean_way, count_way = paired_mean(a, b, clusters), paired_jackknife(ca, cb, ratio, n=120)
    for name in ("value", "stderr", "low", "high", "p", "mde"):
        assert getattr(count_way, name) == pytest.approx(getattr(mean_way, name), rel=1e-9)
    exact = paired_jackknife(ca[:20], cb[:20], ratio), paired_mean(a[:60], b[:60], clusters[:60])
    assert exact[0].test == "cluster swap" and exact[0].p == pytest.approx(exact[1].p, abs=0.02)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=120), st.randoms()
)
def test_order_and_names_change_no_bit(rows, random):
    names = [f"page-{random.random()}-{i}" for i in range(41)]
    shuffled = random.sample(rows, len(rows))
    first = paired_mean([r[1] for r in rows], [r[2] for r in rows], [r[0] for r in rows])
    second = paired_mean([r[1] for r in shuffled], [r[2] for r in shuffled], [names[r[0]] for r in shuffled])
    assert first == second


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 6), min_size=2, max_size=40), st.randoms())
def test_swapping_the_runs_swaps_the_sign(rows, random):
    a, b = np.array(rows)[:, :3], np.array(rows)[:, 3:]
    order = random.sample(range(len(rows)), len(rows))
    ab, ba = paired_jackknife(a, b, f1), paired_jackknife(b[order], a[order], f1)
    assert (ab.test, ab.note, ab.p is None) == (ba.test, ba.note, ba.p is None)
    if ab.p is not None:
        assert ab.p == pytest.approx(ba.p, rel=1e-12)
        assert ab.value == -ba.value and ab.stderr == ba.stderr


def test_wrong_input():
    with pytest.raises(ValueError, match="pair the rows"):
        paired_mean([1], [1, 0], ["a"])
    with pytest.raises(ValueError, match="one shape"):
        paired_jackknife(np.ones((3, 2)), np.ones((4, 2)), ratio)
    assert paired_mean([], [], []).note == "no items in common"


def luck(rng, count, size):
    """Two equally good runs on the same images: answers share the image's luck. [2, count, size], 0 or 1."""
    rate = rng.beta(6, 2, (2, count, 1)) * 0.3 + rng.beta(6, 2, (1, count, 1)) * 0.7
    return (rng.random((2, count, size)) < rate).astype(float)


@pytest.mark.parametrize(("count", "size", "tries"), [(20, 18, 1500), (50, 6, 2000), (500, 6, 1000)])
def test_false_alarms_without_a_difference(count, size, tries):
    """Nominal 5 %, for the mean, F1 and a ratio whose denominators differ between the runs."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(count), size)
    half = size // 2
    alarms = np.zeros(3)
    for _ in range(tries):
        pair = luck(rng, count, size)
        alarms[0] += paired_mean(pair[0].ravel(), pair[1].ravel(), clusters).p <= 0.05
        hits, alerts = pair[..., :half].sum(2), half - pair[..., half:].sum(2)
        alarms[1] += paired_jackknife(*np.stack([hits, alerts, half - hits], axis=2), f1).p <= 0.05
        shown = np.arange(size) < rng.integers(1, size + 1, (2, count, 1))
        alarms[2] += paired_jackknife(*np.stack([(pair * shown).sum(2), shown.sum(2)], axis=2), ratio).p <= 0.05
    assert ((alarms / tries >= 0.03) & (alarms / tries <= 0.07)).all(), alarms / tries


def test_difference_is_tighter_than_two_runs():
    rng = np.random.default_rng(6)
    a, b = luck(rng, 100, 6)
    clusters = np.repeat(np.arange(100), 6)
    one = mean(a.ravel(), clusters).stderr
    assert paired_mean(a.ravel(), b.ravel(), clusters).stderr < math.hypot(one, one)
    assert jackknife(np.stack([a.sum(1), np.full(100, 6)], axis=1), ratio).stderr == pytest.approx(one)
