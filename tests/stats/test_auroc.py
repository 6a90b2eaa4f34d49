"""AUROC by counting pairs, its interval by simulation, and a logistic probe that never sees what it judges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.auroc import auroc, crossfitted

RNG = np.random.default_rng(0)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 14)), min_size=2, max_size=40))
def test_it_is_the_share_of_pairs_in_order(rows):
    values, right, clusters = zip(*rows, strict=True)
    pairs = [(v > w) + (v == w) / 2 for v, a in zip(values, right, strict=True) if a
             for w, b in zip(values, right, strict=True) if not b]  # fmt: skip
    found = auroc(values, right, clusters)
    if not pairs:
        assert np.isnan(found.value) and found.low is None and found.note in ("all right", "none right")
        return
    assert found.value == pytest.approx(np.mean(pairs))
    assert (found.low is None) == (len(set(clusters)) < 10)
    turned = auroc([-v for v in values], right, clusters)
    assert turned.value == pytest.approx(1 - found.value) and turned.stderr == pytest.approx(found.stderr)


def test_the_interval_covers_the_truth_over_clusters():
    """Samples of a cluster are alike in value and in being right: DeLong's interval without clusters is too short."""
    covered = alone = 0
    for _ in range(200):
        cluster = np.repeat(np.arange(40), 9)
        both = RNG.normal(size=(40, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
        value = both[cluster, 0] + RNG.normal(size=360)
        right = both[cluster, 1] + RNG.normal(size=360) > 0
        found, plain = auroc(value, right, cluster), auroc(value, right, range(360))
        covered += within(TRUTH, found)
        alone += within(TRUTH, plain)
    assert 180 <= covered <= 199 and alone < covered - 20


def within(value, found):
    return found.low <= value <= found.high


def _truth():
    """AUROC of the population that the test above draws from."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 400_000))
    value, right = x + rng.normal(size=len(x)), 0.6 * x + 0.8 * y + rng.normal(size=len(x)) > 0
    return auroc(value, right, range(len(x))).value


TRUTH = _truth()


def test_a_probe_finds_a_direction_and_nothing_in_noise():
    cluster = np.repeat(np.arange(30), 10)
    x = RNG.normal(size=(300, 16))
    right = x[:, 3] + 0.5 * RNG.normal(size=300) > 0
    assert auroc(crossfitted(x, right, cluster), right, cluster).value > 0.85
    noise = RNG.random(300) > 0.5
    found = auroc(crossfitted(x, noise, cluster), noise, cluster)
    assert within(0.5, found)


def test_a_probe_learns_no_cluster():
    """Every cluster has its own direction and one label: what is known of a cluster says nothing of another."""
    cluster = np.repeat(np.arange(30), 10)
    x = np.eye(30)[cluster] + 0.01 * RNG.normal(size=(300, 30))
    right = (cluster % 2).astype(bool)
    assert abs(auroc(crossfitted(x, right, cluster), right, cluster).value - 0.5) < 0.25
