"""Agreement of a judge with an exact score."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.score import Score
from harness.core.types import Outcome, Result
from harness.judge.agreement import agreement, kappa


def results(table):
    """One result in a cluster of its own for each (exact, judge); judge None: no verdict."""
    return [
        Result(f"{i}", f"c{i}", "all", "", Outcome("", {"exact": e, **({} if j is None else {"judge:j@1": j})}))
        for i, (e, j) in enumerate(table)
    ]


def test_kappa_is_cohens():
    counts = np.array([20, 5, 10, 15])
    cohen = pytest.importorskip("statsmodels.stats.inter_rater").cohens_kappa([[20, 5], [10, 15]])
    assert float(kappa(counts)) == pytest.approx(cohen.kappa) == pytest.approx(0.4)
    rows = results([(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15 + [(1, None)] * 3)
    found = agreement(rows, "judge:j@1", Score("exact", primary=True))
    assert found["n"] == 50 and found["too_kind"] == 10 and found["too_strict"] == 5
    assert found["accuracy"]["value"] == 0.7 and found["accuracy"]["low"] < 0.7 < found["accuracy"]["high"]
    assert found["kappa"]["low"] == pytest.approx(cohen.kappa_low, abs=0.03)
    assert found["kappa"]["high"] == pytest.approx(cohen.kappa_upp, abs=0.03)


def test_the_way_up_is_the_exact_scores_own():
    rows = results([(0, 1)] * 12 + [(1, 0)] * 8)
    assert agreement(rows, "judge:j@1", Score("exact", higher_is_better=False))["accuracy"]["value"] == 1
    assert agreement(rows, "judge:j@1", Score("exact"))["kappa"]["value"] == pytest.approx(-0.923, abs=1e-3)


def test_a_judge_that_says_the_same_about_all_has_no_kappa():
    """Where the exact score is constant, too; otherwise it agrees no better than chance."""
    assert agreement(results([(1, 1)] * 20), "judge:j@1", Score("exact"))["kappa"]["value"] is None
    assert agreement(results([(1, 1), (0, 1)] * 10), "judge:j@1", Score("exact"))["kappa"]["value"] == 0
    assert agreement(results([(1, None)] * 5), "judge:j@1", Score("exact")) is None
