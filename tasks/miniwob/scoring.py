"""Success rates by both definitions, overall and task by task. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, mean

SCORES = (
    Score("sr_pos", primary=True),
    Score("sr_strict"),
    Score("raw"),
    Score("steps", higher_is_better=None),
    Score("format_errors", higher_is_better=False),
    Score("refused", higher_is_better=False),
    Score("unfinished", higher_is_better=False),
)


def positive(raw: float) -> float:
    """BrowserGym, RCI, Synapse: any positive reward is a success."""
    return float(raw > 0)


def strict(raw: float) -> float:
    return float(raw == 1)


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`sr_pos` (primary), `sr_strict` and `raw`, over all and by task; steps, format_errors, refused, unfinished."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results, of="episodes")]
    tasks = [r.group for r in scored]
    columns = {s.name: np.array([r.outcome.scores[s.name] for r in scored if r.outcome]) for s in SCORES}
    bounds = {"raw": (-1.0, 1.0), "steps": (0.0, float("inf"))}
    out = []
    for score in SCORES:
        name = score.name
        whole = name in ("sr_pos", "sr_strict", "unfinished")
        limits = bounds.get(name, (0.0, 1.0) if whole else (0.0, float("inf")))
        m = mean(columns[name], tasks, whole, limits).metric(name, higher_is_better=score.higher_is_better)
        out.append(replace(m, primary=score.primary))
    for task in sorted(set(tasks)):
        at = [i for i, t in enumerate(tasks) if t == task]
        ids = [scored[i].id for i in at]
        out += [mean(columns[name][at], ids).metric(name, task) for name in ("sr_pos", "sr_strict")]
    return [*out, failed(results, of="episodes")]
