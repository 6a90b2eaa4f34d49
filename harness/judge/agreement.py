"""How a judge's verdicts agree with an exact score, and with themselves when two answers change places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.core.score import Score
from harness.core.types import Result
from harness.stats import Estimate, jackknife, mean, totals
from harness.stats.clusters import Floats


def agreement(rows: Sequence[Result], score: str, exact: Score) -> dict[str, Any] | None:
    """Share of samples on which judge and exact score agree, and Cohen's kappa, each with its 95 % interval.

    Args:
        rows: Results that may hold `score`, the judge's.
        exact: Right at its best value (`Score.right`). The judge calls an answer right from 0.5 on.

    Source: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960).
    """
    pairs = [
        (r.cluster, right, r.outcome.scores[score] >= 0.5)
        for r in rows
        if r.outcome and score in r.outcome.scores and (right := exact.right(r.outcome.scores)) is not None
    ]
    if not pairs:
        return None
    clusters = [c for c, _, _ in pairs]
    table = np.array([[a and b, a and not b, not a and b, not a and not b] for _, a, b in pairs], dtype=float)
    same = mean([float(a == b) for _, a, b in pairs], clusters)
    return {
        "score": exact.name,
        "n": len(pairs),
        "accuracy": told(same),
        "kappa": told(jackknife(totals(table, clusters), kappa, (-1.0, 1.0), n=len(pairs))),
        "too_kind": int(table[:, 2].sum()),
        "too_strict": int(table[:, 1].sum()),
    }


def kappa(counts: Floats) -> Any:
    """Cohen's kappa of counts [..., 4]: both right, exact alone, judge alone, both wrong. NaN where chance agrees
    always: then one of the two has said the same about every answer."""
    both, exact, judge, neither = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    n = both + exact + judge + neither
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (both + neither) / n
        chance = ((both + exact) * (both + judge) + (neither + judge) * (neither + exact)) / n**2
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)


def told(found: Estimate) -> dict[str, Any]:
    """An estimate as JSON holds it; the value is None where it is not defined."""
    value = None if found.value != found.value else found.value
    kept = {"value": value, "low": found.low, "high": found.high}
    return kept | ({"note": found.note} if found.note else {})
