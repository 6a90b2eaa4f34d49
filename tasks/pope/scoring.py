"""Confusion counts and the five metrics of POPE, with intervals over images. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core import Metric, Result, Score
from harness.stats import Estimate, failed, jackknife, mean, totals

FLAGS = ("unparsed", "doubtful")
"""Shares of answers whose verdict is a guess, or contradicts the only word for yes or no in them."""
SCORES = (Score("correct", primary=True), *(Score(name, higher_is_better=False) for name in FLAGS))
SPLITS = ("random", "popular", "adversarial")
CELLS = ("TP", "FP", "TN", "FN", "neither")
"""Positive class: yes. `neither` holds answers that parser=exact reads as neither yes nor no."""

Array = NDArray[Any]


def cell(label: str, verdict: str | None) -> int:
    """The place in CELLS of a label and a verdict."""
    if verdict is None:
        return 4
    if verdict == "yes":
        return 0 if label == "yes" else 1
    return 2 if label == "no" else 3


def confusion(results: Sequence[Result]) -> dict[str, int]:
    """Counts over scored results; error rows are left out."""
    counts: dict[str, int] = dict.fromkeys(CELLS, 0)
    for r in results:
        if r.outcome is not None:
            counts[CELLS[cell(r.target, r.outcome.verdict)]] += 1
    return counts


def _ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0: the rule for a run that never says yes."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)


def accuracy(c: Array) -> Array:
    """(TP + TN) / N, counts [..., 5]; NaN without rows."""
    return (c[..., 0] + c[..., 2]) / c.sum(-1)


def precision(c: Array) -> Array:
    """TP / (TP + FP); 0 if nothing was answered yes."""
    return _ratio(c[..., 0], c[..., 0] + c[..., 1])


def recall(c: Array) -> Array:
    """TP / (TP + FN); 0 without a yes question that was answered."""
    return _ratio(c[..., 0], c[..., 0] + c[..., 3])


def f1(c: Array) -> Array:
    """2 P R / (P + R); 0 if both are 0."""
    p, r = precision(c), recall(c)
    return _ratio(2 * p * r, p + r)


def yes_ratio(c: Array) -> Array:
    """(TP + FP) / N, from the verdicts; NaN without rows."""
    return (c[..., 0] + c[..., 1]) / c.sum(-1)


METRICS: dict[str, tuple[Callable[[Array], Array], bool | None]] = {
    "accuracy": (accuracy, True),
    "precision": (precision, True),
    "recall": (recall, True),
    "f1": (f1, True),
    "yes_ratio": (yes_ratio, None),
}


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """Every metric per split and as unweighted mean of the splits ("mean"); primary: the mean accuracy."""
    scored = {s: [r for r in results if r.group == s and r.outcome is not None] for s in SPLITS}
    scored = {s: rows for s, rows in scored.items() if rows}
    metrics: list[Metric] = []
    for split, rows in scored.items():
        metrics += confused(split, rows)
    if scored:
        metrics += _mean(scored)
    return metrics + _failed(results)


def confused(split: str, rows: Sequence[Result]) -> list[Metric]:
    """The five metrics and the flags of scored rows, whose targets and verdicts are yes or no."""
    clusters = [r.cluster for r in rows]
    table = totals(_one_hot(rows), clusters)
    total = table.sum(0)
    counts = ", ".join(f"{name} {int(n)}" for name, n in zip(CELLS, total, strict=True) if name != "neither" or n)
    out = []
    for name, (f, up) in METRICS.items():
        if name == "accuracy":
            estimate = mean([float(cell(r.target, _verdict(r)) in (0, 2)) for r in rows], clusters)
            estimate = _noted(estimate, counts)
        else:
            estimate = _noted(jackknife(table, f), _undefined(name, total))
        out.append(estimate.metric(name, split, higher_is_better=up))
    return [*out, *_flags(rows, split)]


def _mean(scored: dict[str, list[Result]]) -> list[Metric]:
    """Leaving out an image leaves it out of every split: [G, splits * 5] counts."""
    rows = [r for split in scored.values() for r in split]
    clusters = [r.cluster for r in rows]
    k = len(CELLS)
    hot, wide = _one_hot(rows), np.zeros((len(rows), len(scored) * k))
    start = 0
    for i, split in enumerate(scored.values()):
        wide[start : start + len(split), i * k : (i + 1) * k] = hot[start : start + len(split)]
        start += len(split)
    table = totals(wide, clusters)
    partial = "" if len(scored) == len(SPLITS) else f"mean over {', '.join(scored)} only"
    out = []
    for name, (f, up) in METRICS.items():
        if name == "accuracy" and len({len(split) for split in scored.values()}) == 1:
            # Splits of one size: the mean of the splits is the mean over rows, and 0/1 scores have the better interval.
            estimate = mean([float(cell(r.target, _verdict(r)) in (0, 2)) for r in rows], clusters)
        else:
            estimate = jackknife(table, lambda c, f=f: f(c.reshape(*c.shape[:-1], -1, k)).mean(-1))
        notes = [partial, *(_undefined(name, total) for total in table.sum(0).reshape(-1, k))]
        if name == "recall":
            notes.append(check_recall(scored))
        estimate = _noted(estimate, *dict.fromkeys(notes))
        out.append(estimate.metric(name, "mean", primary=name == "accuracy", higher_is_better=up))
    return [*out, *_flags(rows, "mean")]


def check_recall(scored: dict[str, list[Result]]) -> str:
    """The free check: the yes questions are the same in all splits, so one model must answer them alike.

    Returns a warning, or "" where all is well or the questions differ.
    """
    asked = {s: sorted((r.cluster, r.prompt) for r in rows if r.target == "yes") for s, rows in scored.items()}
    if any(questions != next(iter(asked.values())) for questions in asked.values()):
        return ""
    hits = {s: confusion([r for r in rows if r.target == "yes"])["TP"] for s, rows in scored.items()}
    if len(set(hits.values())) == 1:
        return ""
    listed = ", ".join(f"{s} {n}" for s, n in hits.items())
    return f"the same yes questions were answered differently in the splits (right: {listed}): not deterministic"


def _undefined(name: str, total: Array) -> str:
    """The zero-division rule, where it was used."""
    tp, fp, _, fn, _ = total
    if name == "precision" and tp + fp == 0:
        return "never answered yes: 0 by definition"
    if name == "recall" and tp + fn == 0:
        return "no yes question was answered yes or no: 0 by definition"
    if name == "f1" and tp == 0:
        return "no true positive: 0 by definition"
    return ""


def _flags(rows: Sequence[Result], group: str) -> Iterator[Metric]:
    """Over the answers that have the score: rows of older versions have no `doubtful`."""
    for name in FLAGS:
        scored = [(r.outcome.scores[name], r.cluster) for r in rows if r.outcome and name in r.outcome.scores]
        if scored:
            estimate = mean([value for value, _ in scored], [cluster for _, cluster in scored])
            yield estimate.metric(name, group, higher_is_better=False)


def _failed(results: Sequence[Result]) -> list[Metric]:
    """Share of rows that could not be scored; they are missing from all other metrics, not wrong."""
    groups = {s: [r for r in results if r.group == s] for s in SPLITS} | {"mean": list(results)}
    return [failed(rows, group, of="rows") for group, rows in groups.items() if rows]


def _verdict(result: Result) -> str | None:
    return result.outcome.verdict if result.outcome is not None else None


def _one_hot(rows: Sequence[Result]) -> Array:
    return np.eye(len(CELLS))[[cell(r.target, _verdict(r)) for r in rows]]


def _noted(estimate: Estimate, *notes: str) -> Estimate:
    return replace(estimate, note="; ".join(filter(None, (estimate.note, *notes))))
