"""CHAIR's metrics over captions, with intervals over pictures. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, jackknife, mean, totals
from harness.tasks.chair.captions import Caption

SCORES = (
    Score("hallucinated/mentioned", higher_is_better=False, primary=True),
    Score("hallucinates", higher_is_better=False),
    Score("hallucinated", higher_is_better=False),
    Score("mentioned", higher_is_better=None),
    Score("recalled"),
    Score("objects", higher_is_better=None),
    Score("tokens", higher_is_better=None),
    Score("empty", higher_is_better=False),
)
COUNTS = tuple(s.name for s in SCORES[1:])


def score(caption: Caption, objects: frozenset[str]) -> dict[str, float]:
    """One caption's counts. `hallucinates`: 1 if it names an object that is not there (CHAIR_s)."""
    wrong = sum(node not in objects for node in caption.nodes)
    return {
        "hallucinates": float(wrong > 0),
        "hallucinated": float(wrong),
        "mentioned": float(len(caption.nodes)),
        "recalled": float(len(set(caption.nodes) & objects)),
        "objects": float(len(objects)),
        "tokens": float(caption.length),
        "empty": float(caption.length == 0),
    }


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """chair_i (primary), chair_s, recall, mean length in tokens, mentions a caption, empty and failed captions."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results, of="captions")]
    table = np.array([[r.outcome.scores[k] for k in COUNTS] for r in scored if r.outcome])
    clusters = [r.cluster for r in scored]
    column = dict(zip(COUNTS, table.T, strict=True))

    def ratio(above: str, below: str):
        counts = totals(np.stack([column[above], column[below]], axis=1), clusters)
        if counts[:, 1].sum() == 0:
            note = f"no object was {'mentioned' if below == 'mentioned' else 'annotated'}: 0 by definition"
            return replace(mean(np.zeros(len(scored)), clusters), note=note, low=None, high=None, stderr=None)
        return jackknife(counts, lambda c: c[..., 0] / c[..., 1], n=len(scored))

    wide = (0.0, float("inf"))
    chair_i = ratio("hallucinated", "mentioned").metric("chair_i", primary=True, higher_is_better=False)
    return [
        replace(chair_i, score="hallucinated/mentioned"),
        mean(column["hallucinates"], clusters).metric("chair_s", higher_is_better=False),
        ratio("recalled", "objects").metric("recall"),
        mean(column["tokens"], clusters, False, wide).metric("length", higher_is_better=None),
        mean(column["mentioned"], clusters, False, wide).metric("mentions", higher_is_better=None),
        mean(column["empty"], clusters).metric("empty", higher_is_better=False),
        failed(results, of="captions"),
    ]
