"""Steps in a series."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from harness.stats.change_points import floored, noise, steps


def series(size: int, jump: float, at: int, seed: int) -> np.ndarray:
    y = np.random.default_rng(seed).standard_normal(size)
    y[at:] += jump
    return y


def test_quiet_series_stay_quiet_and_fresh_steps_are_found():
    quiet = sum(bool(steps(series(60, 0, 0, s), np.ones(60))) for s in range(300))
    assert quiet <= 9  # 3 %; the specification simulated 0.7 %
    found = [steps(series(60, 4, 57, s), np.ones(60)) for s in range(200)]
    assert sum(any(abs(step.at - 57) <= 1 for step in f) for f in found) >= 190


def test_the_fit_is_the_best_of_all():
    rng = np.random.default_rng(3)
    y, sigma = rng.standard_normal(9) + np.repeat([0, 6, 1], 3), rng.uniform(0.5, 1.5, 9)

    def cost(bounds) -> float:
        total = 0.0
        for a, b in itertools.pairwise(bounds):
            w = 1 / sigma[a:b] ** 2
            level = (w * y[a:b]).sum() / w.sum()
            total += (w * (y[a:b] - level) ** 2).sum() + 3 * math.log(9)
        return total

    every = [(0, *c, 9) for k in range(5) for c in itertools.combinations(range(1, 9), k)]
    best = min(every, key=cost)
    assert [s.at for s in steps(y, sigma)] == list(best[1:-1])


def test_sizes_errors_and_what_is_only_possible():
    y, sigma = [1.0] * 6 + [3.0] * 6 + [9.0], [0.1] * 13
    first, last = steps(y, sigma)
    assert (first.at, first.size, first.sure) == (6, pytest.approx(2), True)
    assert first.stderr == pytest.approx(0.1 * math.sqrt(1 / 6 + 1 / 6))
    assert (last.at, last.sure) == (12, False)
    assert first.interval[0] == pytest.approx(2 - 1.96 * first.stderr)
    assert [s.at for s in steps(y, sigma, delta=3)] == [12]


def test_noise_ignores_a_step():
    y = np.random.default_rng(0).standard_normal(400) * 0.3
    y[200:] += 50
    assert noise(y) == pytest.approx(0.3, rel=0.15)
    assert floored([None, 0.0, 0.2], 0.1).tolist() == [0.1, 0.1, 0.2]
    assert steps([1.0], [1.0]) == []


def test_bad_sigma_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        steps([1.0, 2.0], [0.0, 1.0])
