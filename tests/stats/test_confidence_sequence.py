"""Looking after every cluster must not raise the rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.confidence_sequence import decided, radius

PLANNED = 500


def first_decision(x: np.ndarray, delta: float = 0.0) -> tuple[str | None, int]:
    for t in range(20, len(x) + 1, 5):
        if state := decided(x[:t], PLANNED, delta):
            return state, t
    return None, len(x)


def test_false_alarms_stay_below_nominal_and_effects_are_found_early():
    rng = np.random.default_rng(0)
    alarms = sum(first_decision(rng.standard_normal(PLANNED))[0] is not None for _ in range(300))
    assert alarms <= 0.05 * 300
    found = [first_decision(0.3 + rng.standard_normal(PLANNED)) for _ in range(100)]
    assert sum(state == "better" for state, _ in found) >= 97
    assert np.median([t for _, t in found]) < 250


def test_equal_within_the_margin_and_worse():
    rng = np.random.default_rng(1)
    assert first_decision(0.01 * rng.standard_normal(PLANNED), delta=0.05)[0] == "equal"
    assert first_decision(-0.5 + rng.standard_normal(PLANNED))[0] == "worse"


def test_formula():
    x = np.random.default_rng(2).standard_normal(100)
    rho2 = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 250
    wanted = math.sqrt(
        2 * x.var(ddof=1) * (100 * rho2 + 1) / (100**2 * rho2) * math.log(math.sqrt(100 * rho2 + 1) / 0.05)
    )
    assert radius(x, PLANNED) == pytest.approx(wanted, rel=1e-12)
    assert radius(x[:19], PLANNED) is None and decided(x[:19], PLANNED, 1.0) is None
