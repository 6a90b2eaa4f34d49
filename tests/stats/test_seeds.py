"""Intervals over seeds and sequences together hold what they promise, and know when they know one seed only."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.seeds import ONE_SEED, over_seeds, seeds_difference


def drawn(rng: np.random.Generator, seeds: int, rows: int, spread: float, level: float = 0.6) -> np.ndarray:
    """Scores around `level`: harder and easier rows, better and worse seeds."""
    own = spread * rng.standard_normal((seeds, 1))
    return level + own + 0.2 * rng.standard_normal(rows) + 0.1 * rng.standard_normal((seeds, rows))


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.05), (5, 0.2), (3, 0.0)])
def test_intervals_hold_the_true_mean(seeds, spread):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = over_seeds(drawn(rng, seeds, 60, spread), range(60), (-9, 9))
        assert found.low is not None and found.high is not None
        held += found.low <= 0.6 <= found.high
    assert 0.92 <= held / 300 <= 1


def test_differences_without_an_effect_are_rarely_significant():
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        a, b = (dict(enumerate(drawn(rng, 3, 50, 0.1))) for _ in range(2))
        p = seeds_difference(a, b, range(50)).p
        assert p is not None
        found += p < 0.05
    assert found / 300 < 0.08


def test_shared_seeds_are_paired():
    rng = np.random.default_rng(3)
    a = drawn(rng, 4, 80, 0.3)
    paired = seeds_difference(dict(enumerate(a)), dict(enumerate(a + 0.01)), range(80))
    apart = seeds_difference(dict(enumerate(a)), dict(enumerate(a + 0.01, 9)), range(80))
    assert paired.value == pytest.approx(0.01) and paired.p is not None and paired.p < 1e-6
    assert apart.p is not None and apart.p > 0.5


def test_one_seed_is_said_and_perfect_scores_have_an_interval():
    one = over_seeds(np.ones((1, 200)), range(200))
    assert one.note == ONE_SEED and one.high == 1 and one.low is not None and 0.97 < one.low < 1
    few = over_seeds(np.ones((2, 5)), range(5))
    assert few.low is None and few.note == "too few clusters"


def test_rows_that_a_seed_lacks_are_refused():
    with pytest.raises(ValueError, match="leave out the rows"):
        over_seeds([[0.1, np.nan]], range(2))
