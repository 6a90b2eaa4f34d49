"""Every state of the gate, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import paired_mean
from harness.stats.corrections import holm
from harness.stats.decision import Check, judge


def runs(effect: float, clusters: int = 100, noise: float = 0.05, seed: int = 0):
    rng = np.random.default_rng(seed)
    return paired_mean(np.full(clusters, 0.5), 0.5 + effect + noise * rng.standard_normal(clusters), range(clusters))


def state(difference, delta: float = 0.01, **more) -> str:
    return judge([Check(difference, False, delta, **more)])[0].state


def test_every_state_is_reached():
    assert judge([Check(runs(-0.5), True, 0.01)])[0].state == "identical"
    assert state(runs(-0.05)) == "regressed"
    assert state(runs(0.05)) == "improved"
    assert state(runs(-0.02, 1000), delta=0.04) == "slipped"
    assert state(runs(0.0, 1000)) == "ok"
    assert state(runs(0.0, 20, 0.3)) == "inconclusive"


def test_a_significant_loss_below_the_margin_is_no_regression():
    d = runs(-0.02, 1000)
    assert state(d, delta=0.015) == "regressed" and state(d, delta=0.03) == "slipped"


def test_inconclusive_says_how_many_clusters_would_do():
    d = runs(0.0, 20, 0.3)
    (verdict,) = judge([Check(d, False, 0.05)])
    assert verdict.clusters_needed and verdict.clusters_needed > 100
    more = [runs(0.0, verdict.clusters_needed, 0.3, seed) for seed in range(100)]
    assert 60 < sum(judge([Check(m, False, 0.05)])[0].state in ("ok", "improved") for m in more) < 95  # 80 % power
    assert verdict.power == pytest.approx(0.05 / d.stderr)


def test_too_few_clusters_are_inconclusive_unless_a_budget_decides():
    a, b = np.array([1.0, 1, 1, 1]), np.array([1.0, 0, 0, 1])
    d = paired_mean(a, b, range(4))
    assert state(d) == "inconclusive"
    assert state(d, budget=(2, 1)) == "regressed" and state(d, budget=(2, 2)) == "ok"


def test_equal_scores_with_other_words_pass():
    a = np.array([1.0, 0] * 20)
    assert judge([Check(paired_mean(a, a, range(40)), False, 0.01)])[0].state == "ok"


def test_holm_keeps_many_checks_from_crying_wolf():
    borderline = [runs(-0.011, 100, 0.05, seed) for seed in range(40)]
    alone = [d for d in borderline if state(d) == "regressed"]
    together = judge([Check(d, False, 0.01) for d in borderline])
    assert len(alone) > 15 > sum(v.state == "regressed" for v in together)
    advisory = judge([Check(runs(-0.5), False, 0.01), *(Check(d, False, 0.01, blocking=False) for d in borderline)])
    assert advisory[0].state == "regressed"


def test_what_is_identical_or_has_a_budget_is_not_corrected_for():
    one, borderline = runs(-0.5), runs(-0.011, 100, 0.05, 3)
    alone = judge([Check(borderline, False, 0.01)])
    beside = [Check(one, True, 0.01)] * 4 + [Check(one, False, 0.01, budget=(0, 3))] * 4
    assert judge([Check(borderline, False, 0.01), *beside])[0] == alone[0]


@given(st.lists(st.tuples(st.floats(-0.1, 0.05), st.integers(0, 50)), min_size=1, max_size=12))
def test_the_bounds_agree_with_the_verdict(drawn):
    """However many checks are corrected for."""
    for v in judge([Check(runs(mean, 60, 0.1, seed), False, 0.02) for mean, seed in drawn]):
        assert v.low is not None and v.high is not None
        assert (v.high < 0) == (v.state in ("regressed", "slipped"))
        assert (v.low > 0) == (v.state == "improved")
        assert v.low > -0.02 or v.state != "ok"


def test_the_correction_equals_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(30) ** 3
    np.testing.assert_allclose(holm(p.tolist()), multipletests(p, method="holm")[1], rtol=1e-12)
    assert holm([]) == []


def test_a_check_in_which_no_score_differs_costs_the_others_nothing():
    """Other words with equal scores: such a check can show no loss, so it is not among the tests corrected for."""

    def check(wrong, delta):
        after = np.where(np.arange(200) < wrong, 0.0, 1.0)
        return Check(paired_mean(np.ones(200), after, range(200)), False, delta)

    alone = judge([check(8, 0.01)])
    beside = judge([check(8, 0.01), *[check(0, 0.0)] * 30])
    assert beside[0] == alone[0] and alone[0].state == "regressed"
    assert {v.state for v in beside[1:]} == {"ok"}
