"""Repeated timings."""

import numpy as np
import pytest

from harness.stats.speed import change


def test_five_against_five_by_hand():
    """All of one side above the other: 2 of the 252 orders are as extreme."""
    got = change([1.0, 1.1, 1.2, 1.3, 1.4], [2.4, 2.0, 2.2, 2.1, 2.3])
    assert got.p == pytest.approx(2 / 252, rel=1e-12) and got.ratio == pytest.approx(2.2 / 1.2, rel=1e-12)


def test_noise_seldom_alarms_and_a_slowdown_does():
    rng = np.random.default_rng(0)
    alarms = [change(*np.exp(rng.normal(0, 0.05, (2, 8)))).p < 0.01 for _ in range(500)]
    assert np.mean(alarms) < 0.02
    found = [change(np.exp(rng.normal(0, 0.05, 8)), 1.2 * np.exp(rng.normal(0, 0.05, 8))).p < 0.01 for _ in range(100)]
    assert np.mean(found) > 0.95


def test_too_few_and_bad_values():
    with pytest.raises(ValueError, match="4 and 5 repeats: 5 a side"):
        change([1] * 4, [1] * 5)
    with pytest.raises(ValueError, match="above 0"):
        change([1] * 5, [1, 1, 1, 1, 0])
