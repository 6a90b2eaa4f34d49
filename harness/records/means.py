"""Metrics of a task that needs no other than the means of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core.score import Score
from harness.core.types import Metric, Result
from harness.stats import Estimate, failed, jackknife, large, mean, totals
from harness.stats.columns import Columns, scored


def means(results: Sequence[Result], scores: Sequence[Score], primary: str = "") -> list[Metric]:
    """The mean of each score over scored samples, with an interval over clusters, and `failed`.

    Args:
        scores: What the task declares; `above/below` is a ratio of sums.
        primary: What the metric of the primary score is called; empty: as the score.
    """
    counted = scored(results)
    found = []
    for score in scores if counted else ():
        name = primary if score.primary and primary else score.name
        metric = _estimate(counted, score).metric(name, primary=score.primary, higher_is_better=score.higher_is_better)
        found.append(replace(metric, score=score.name))
    return [*found, failed(results)]


def _estimate(results: Sequence[Result], score: Score) -> Estimate:
    above, below = score.parts
    if isinstance(results, Columns):
        if not below:
            return large.mean(results, above)
        return jackknife(large.totals(results, (above, below)), lambda c: c[..., 0] / c[..., 1], n=len(results))
    rows = [r for r in results if r.outcome]
    values = np.array([[r.outcome.scores[k] for k in (above, below) if k] for r in rows if r.outcome], dtype=float)
    clusters = [r.cluster for r in rows]
    if below:
        return jackknife(totals(values, clusters), lambda c: c[..., 0] / c[..., 1], n=len(results))
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    inside = bool(((values >= 0) & (values <= 1)).all())
    bounds = (0.0, 1.0) if inside else (-np.inf, np.inf)
    return mean(values[:, 0], clusters, binary=binary, bounds=bounds)
