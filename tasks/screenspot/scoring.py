"""Point in box by platform and kind of element, and both averages by their names. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, jackknife, mean, totals

SCORES = (
    Score("hit", primary=True),
    Score("unparsed", higher_is_better=False),
    Score("outside", higher_is_better=False),
)
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


def hit(point: tuple[float, float] | None, box: Box) -> bool:
    """Borders belong to the box."""
    return point is not None and box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`accuracy` by cell, over kinds and platforms, `avg_micro` (primary) and `avg_macro6`; baselines; formats."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results)]
    clusters = [r.cluster for r in scored]
    scores = {k: np.array([r.outcome.scores[k] for r in scored if r.outcome]) for k in ("hit", "unparsed", "outside")}
    cells = [r.group for r in scored]
    out = [mean(scores["hit"], clusters).metric("avg_micro", primary=True), _macro(scores["hit"], cells, clusters)]
    for labels in (cells, [c.rpartition("_")[0] for c in cells], [c.rpartition("_")[2] for c in cells]):
        for label in sorted(set(labels)):
            at = [i for i, x in enumerate(labels) if x == label]
            out.append(mean(scores["hit"][at], [clusters[i] for i in at]).metric("accuracy", label))
    out += [mean(scores[k], clusters).metric(k, higher_is_better=False) for k in ("unparsed", "outside")]
    for name in ("random_click", "centre_click"):
        values = [float(r.outcome.details[name]) for r in scored if r.outcome and name in r.outcome.details]
        if len(values) == len(scored):
            out.append(mean(values, clusters, False).metric(name, higher_is_better=None))
    return [*out, failed(results)]


def _macro(hits: np.ndarray, cells: Sequence[str], clusters: Sequence[str]) -> Metric:
    """The unweighted mean of the cells (six in v1 and v2)."""
    names = sorted(set(cells))
    at = {c: i for i, c in enumerate(names)}
    wide = np.zeros((len(cells), 2 * len(names)))
    for row, (cell, value) in enumerate(zip(cells, hits, strict=True)):
        wide[row, at[cell]] = value
        wide[row, len(names) + at[cell]] = 1
    k = len(names)
    estimate = jackknife(totals(wide, clusters), lambda c: (c[..., :k] / c[..., k:]).mean(-1), n=len(cells))
    return estimate.metric(f"avg_macro{k}")
