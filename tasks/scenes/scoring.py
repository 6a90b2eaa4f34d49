"""How well log-odds of labels rank what a picture shows. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Result, Score, Unusable
from harness.core.series import predictions
from harness.records.grouped import grouped
from harness.stats import failed, jackknife, mean, totals
from harness.stats.jackknife import blocks
from harness.stats.precision import average_precision, mean_average_precision

SCORES = (
    Score("precision", primary=True),
    Score("found", None),
    Score("said", None),
    Score("shown", None),
    Score("unread", higher_is_better=False),
)
"""`found` of what is `said` (log-odds above 0) is `shown`: counts, of which F1 is made."""


def judged(answer: str, target: Sequence[int], names: Sequence[str], details: dict[str, Any]) -> Outcome:
    """`precision`: mean precision down to each label of the picture, in the ranking of all labels."""
    shown = np.isin(np.arange(len(names)), target)
    try:
        told = np.array(predictions(answer, len(names)))
    except Unusable:
        scores = {"precision": 0.0, "found": 0.0, "said": 0.0, "shown": float(shown.sum()), "unread": 1.0}
        return Outcome(answer, scores, None, details)
    said = told > 0
    scores = {
        "precision": float(average_precision(told, shown)),
        "found": float((said & shown).sum()),
        "said": float(said.sum()),
        "shown": float(shown.sum()),
        "unread": 0.0,
    }
    return Outcome(answer, scores, ", ".join(names[i] for i in np.flatnonzero(said).tolist()) or "nothing", details)


def table(results: Sequence[Result], labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds [n, labels], of unread answers -inf, and what is shown, bool [n, labels]."""
    said, shown = [], []
    for r in results:
        assert r.outcome
        unread = r.outcome.scores["unread"] or r.outcome.answer is None
        said.append([-np.inf] * labels if unread else predictions(str(r.outcome.answer), labels))
        shown.append(np.isin(np.arange(labels), r.target))
    return np.array(said), np.array(shown)


def aggregate(results: Sequence[Result], labels: int) -> list[Metric]:
    """`precision` over all pictures (primary) and by how much they show, `map`, `f1`, `unread`, `failed`."""
    scored = [(r, r.outcome.scores) for r in results if r.outcome]
    if not scored:
        return [failed(results)]
    out = grouped(results, "precision", binary=False)
    clusters = [r.cluster for r, _ in scored]
    said, shown = table([r for r, _ in scored], labels)
    precision = blocks(lambda at: mean_average_precision(said[at], shown[at]), range(len(scored)), clusters)
    out.append(precision.metric("map"))
    counts = totals([[s["found"], s["said"], s["shown"]] for _, s in scored], clusters)
    f1 = jackknife(counts, lambda c: 2 * c[..., 0] / (c[..., 1] + c[..., 2]), n=len(scored))
    out.append(f1.metric("f1"))
    out.append(mean([s["unread"] for _, s in scored], clusters).metric("unread", higher_is_better=False))
    return [*out, failed(results)]
