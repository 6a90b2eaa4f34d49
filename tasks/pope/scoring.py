"""POPE's five metrics per split and their means, each with a standard error clustered by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Result
from harness.stats import jackknife, mean
from tasks.pope.parsers import PARSERS, unparsed

TP, FP, TN, FN, NEITHER = range(5)
"""Columns of the counts; NEITHER: the `exact` parser read neither yes nor no."""


def outcome(answer: str, label: str, parser: str) -> Outcome:
    """Score one answer against its label "yes" or "no"."""
    verdict = PARSERS[parser](answer, label)
    return Outcome(answer, {"correct": float(verdict == label)}, verdict, {"unparsed": unparsed(answer)})


def cell(verdict: str | None, label: str) -> int:
    """Which count an answer adds to."""
    if verdict is None:
        return NEITHER
    if verdict == "yes":
        return TP if label == "yes" else FP
    return TN if label == "no" else FN


def counts(verdicts: Sequence[str | None], labels: Sequence[str]) -> np.ndarray:
    """Confusion counts [5] in the order TP, FP, TN, FN, NEITHER. Raises ValueError unless the lengths agree."""
    return np.bincount([cell(v, y) for v, y in zip(verdicts, labels, strict=True)], minlength=5).astype(float)


def ratio(above: Any, below: Any) -> Any:
    """above / below, and 0 where below is 0 (the official script divides by zero there)."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


def accuracy(c: Any) -> Any:
    return ratio(c[..., TP] + c[..., TN], c.sum(-1))


def precision(c: Any) -> Any:
    return ratio(c[..., TP], c[..., TP] + c[..., FP])


def recall(c: Any) -> Any:
    return ratio(c[..., TP], c[..., TP] + c[..., FN])


def f1(c: Any) -> Any:
    return ratio(2 * c[..., TP], 2 * c[..., TP] + c[..., FP] + c[..., FN])


def yes_ratio(c: Any) -> Any:
    return ratio(c[..., TP] + c[..., FP], c.sum(-1))


RATES: dict[str, Callable[[Any], Any]] = {
    "accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1, "yes_ratio": yes_ratio,
}  # fmt: skip


def metrics(results: Sequence[Result], splits: Sequence[str], *, deterministic: bool) -> list[Metric]:
    """All rates per split, their unweighted mean over the splits, and the counts of what could not be read.

    `deterministic`: the three splits ask the same positives, so their recalls must agree; a note says if not.
    """
    scored = [r for r in results if r.outcome is not None]
    splits = [s for s in splits if any(r.group == s for r in scored)]
    if not splits:
        return []
    clusters = {c: i for i, c in enumerate(dict.fromkeys(r.cluster for r in scored))}
    table = np.zeros((len(clusters), len(splits), 5))
    for r in scored:
        assert r.outcome is not None
        table[clusters[r.cluster], splits.index(r.group), cell(r.outcome.verdict, r.target)] += 1
    found: list[Metric] = []
    for at, split in enumerate(splits):
        rows = [r for r in scored if r.group == split]
        present = table[:, at].sum(-1) > 0
        for name, rate in RATES.items():
            higher = None if name == "yes_ratio" else True
            primary = name == "accuracy" and len(splits) == 1
            if name == "accuracy":
                right = [r.outcome.scores["correct"] for r in rows if r.outcome]
                metric = mean(right, [r.cluster for r in rows]).metric(name, split, primary=primary)
            else:
                estimate = jackknife(table[present, at], rate, n=len(rows))
                metric = estimate.metric(name, split, higher_is_better=higher)
            found.append(_noted(metric, name, table[:, at].sum(0)))
    if len(splits) > 1:
        flat = table.reshape(len(clusters), -1)
        for name, rate in RATES.items():

            def over(c: Any, rate: Callable[[Any], Any] = rate) -> Any:
                return rate(c.reshape(*c.shape[:-1], len(splits), 5)).mean(-1)

            estimate = jackknife(flat, over, n=len(scored))
            higher = None if name == "yes_ratio" else True
            found.append(estimate.metric(name, "mean", primary=name == "accuracy", higher_is_better=higher))
        recalls = {float(recall(table[:, at].sum(0))) for at in range(len(splits))}
        if deterministic and len(scored) == len(results) and len(recalls) > 1:
            found = [
                m if m.name != "recall" else Metric(**{**_fields(m), "note": "the splits' positives were answered differently"})
                for m in found
            ]
    lost = len(results) - len(scored)
    doubtful = [float(r.outcome.details.get("unparsed", False)) for r in scored if r.outcome]
    group = "mean" if len(splits) > 1 else splits[0]
    found.append(
        mean(doubtful, [r.cluster for r in scored]).metric("unparsed", group, higher_is_better=False)
    )
    found.append(Metric("failed", float(lost), group, n=len(results), clusters=len(clusters), higher_is_better=False))
    return found


def _noted(metric: Metric, name: str, total: np.ndarray) -> Metric:
    if name in ("precision", "f1") and total[TP] + total[FP] == 0:
        return Metric(**{**_fields(metric), "note": "no yes was predicted: defined as 0"})
    return metric


def _fields(metric: Metric) -> dict[str, Any]:
    return {k: getattr(metric, k) for k in metric.__dataclass_fields__}
