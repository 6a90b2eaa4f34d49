"""Sample-size planning: what is planned is what seeded simulations find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import MIN_CLUSTERS, paired_mean
from harness.stats.paired_tables import mean_differences
from harness.stats.power import Spread, assumed, clusters_for, detectable, fewest, found


def simulated(rng, runs, clusters, size, discordance, effect, alike):
    """Differences -1, 0, 1 [runs, clusters, size]: a sample copies its cluster's draw with probability `alike`."""
    up = (discordance + effect) / 2

    def draw(*shape):
        u = rng.random(shape)
        return np.where(u < up, 1, np.where(u < discordance, -1, 0))

    common, own = draw(runs, clusters, 1), draw(runs, clusters, size)
    return np.where(rng.random((runs, clusters, size)) < alike, common, own).astype(float)


@pytest.mark.parametrize(
    ("size", "discordance", "effect", "alike"),
    [(1, 0.2, 0.06, 0.0), (6, 0.1, 0.03, 0.0), (6, 0.1, 0.04, 0.5), (18, 0.06, 0.02, 0.4)],
)
def test_the_planned_size_has_the_planned_power(size, discordance, effect, alike):
    factor = 1 + (size - 1) * alike**2  # the correlation inside of a cluster is alike²
    clusters = clusters_for(assumed(discordance, effect, 1000 * size, 1000, factor), effect)
    assert clusters
    d = simulated(np.random.default_rng(0), 1000, clusters, size, discordance, effect, alike)
    p = mean_differences(d.sum(2), np.full(d.shape[:2], float(size)))[:, 3]
    assert 0.765 < (p < 0.05).mean() < 0.835  # 0.8, and 2.7 standard errors of the simulation
    plan = assumed(discordance, effect, clusters * size, clusters, factor)
    assert found(plan, effect) == pytest.approx(0.8, abs=0.01)


def test_a_pilot_plans_as_the_truth_does():
    truth = assumed(0.1, 0.0, 200 * 6, 200, 1 + 5 * 0.25)
    d = simulated(np.random.default_rng(1), 1, 200, 6, 0.1, 0.0, 0.5)[0]
    sums = d.sum(1)
    stderr = math.sqrt(200 / 199 * ((sums - sums.mean()) ** 2).sum()) / d.size
    assert detectable(Spread(stderr, 200, d.size)) == pytest.approx(detectable(truth), rel=0.15)


@given(st.floats(0.001, 0.2), st.integers(2, 2000), st.floats(0.01, 0.3), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_size_and_effect_are_inverse(stderr, clusters, effect, power):
    spread = Spread(stderr, clusters, 6.0 * clusters)
    needed = clusters_for(spread, effect, power)
    assert needed and detectable(spread.at(needed), power) <= effect
    assert needed == MIN_CLUSTERS or detectable(spread.at(needed - 1), power) > effect


def test_the_worked_example_of_the_page():
    """SE 0.6 points over 500 clusters: 1.7 points at 80 %."""
    assert detectable(Spread(0.006, 500, 9000)) == pytest.approx(0.0169, abs=1e-4)
    assert clusters_for(Spread(0.006, 500, 9000), 0.01) == pytest.approx(500 * (0.0169 / 0.01) ** 2, rel=0.01)


@pytest.mark.parametrize("discordance", [0.0, 0.01, 1.2])
def test_a_discordance_that_cannot_be(discordance):
    with pytest.raises(ValueError, match="cannot hold an effect"):
        assumed(discordance, 0.02, 100, 10)


@pytest.mark.parametrize("alpha", [0.05, 0.002, 0.001, 0.0003, 0.00025, 1e-4, 1e-6])
def test_no_plan_is_too_small_for_the_test_that_judges_it(alpha):
    least = fewest(alpha)
    assert clusters_for(Spread(0.01, 100, 600), 0.5, alpha=alpha) == least >= MIN_CLUSTERS
    p = paired_mean(np.zeros(least), np.linspace(0.4, 0.6, least), range(least)).p
    assert p is not None and p <= alpha * 1.5  # the drawn swaps hold all and none by chance
    assert found(Spread(1e-6, least - 1, least - 1), 0.5, alpha) == 0


@pytest.mark.parametrize(("discordance", "effect"), [(0.3, 0.3), (0.35, 0.3), (0.2, 0.15)])
def test_the_fewest_clusters_have_the_power(discordance, effect):
    clusters, size = 10, 18
    assert clusters_for(assumed(discordance, effect, 1000 * size, 1000), effect) == clusters
    d = simulated(np.random.default_rng(2), 200, clusters, size, discordance, effect, 0.0)
    ids = np.repeat(np.arange(clusters), size)
    rows = d.reshape(200, -1)
    p = [paired_mean(np.zeros(len(ids)), row, ids).p for row in rows]
    assert np.mean([value is not None and value < 0.05 for value in p]) >= 0.75


def test_an_effect_out_of_reach():
    assert clusters_for(Spread(0.1, 10, 10), 1e-7) is None
