"""What is known after each session, and what was forgotten. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Result, Score, Unusable
from harness.core.series import predictions
from harness.stats import failed, mean
from harness.stats.jackknife import blocks
from harness.stats.precision import average_precision
from harness.tasks.increments.course import EACH, LEARNT, SESSIONS

SCORES = (Score("precision", primary=True), Score("last"), Score("unread", higher_is_better=False))
LABELS = len(LEARNT)


def judged(answer: str, target: Sequence[int], details: dict[str, Any]) -> Outcome:
    """`precision`: of the picture, the mean precision down to each category that it shows in the ranking of the
    categories so far, as a mean over the sessions after which it shows one; `last`: after the last."""
    shown = np.isin(np.arange(LABELS), target)
    try:
        table = np.array(predictions(answer, SESSIONS * LABELS)).reshape(SESSIONS, LABELS)
    except Unusable:
        return Outcome(answer, {"precision": 0.0, "last": 0.0, "unread": 1.0}, None, details)
    each = [
        float(average_precision(table[t, : (t + 1) * EACH], shown[: (t + 1) * EACH]))
        for t in range(SESSIONS)
        if shown[: (t + 1) * EACH].any()
    ]
    said = ", ".join(LEARNT[i] for i in np.flatnonzero(table[-1] > 0)) or "nothing"
    return Outcome(answer, {"precision": float(np.mean(each)), "last": each[-1], "unread": 0.0}, said, details)


def tables(results: Sequence[Result]) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds [n, sessions, labels], of unread answers -inf, and what is shown, bool [n, labels]."""
    said, shown = [], []
    for r in results:
        assert r.outcome
        unread = r.outcome.scores["unread"] or r.outcome.answer is None
        flat = [-np.inf] * (SESSIONS * LABELS) if unread else predictions(str(r.outcome.answer), SESSIONS * LABELS)
        said.append(np.reshape(flat, (SESSIONS, LABELS)))
        shown.append(np.isin(np.arange(LABELS), r.target))
    return np.array(said), np.array(shown)


def precisions(said: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Average precision [sessions, labels] over the pictures; NaN where no picture shows the label."""
    return average_precision(said.transpose(1, 2, 0), shown.T[None])


def figures(said: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """`amap`: mAP of the categories so far, as a mean over sessions; `map_last` after the last; `forgetting`: how far
    the categories of earlier sessions have fallen from the best that they had; `of1`, `cf1`: F1 after the last over
    all decisions, and as a mean over categories, at log-odds 0."""
    found = precisions(said, shown)
    by = [np.nanmean(found[t, : (t + 1) * EACH]) for t in range(SESSIONS)]
    early = found[:, : (SESSIONS - 1) * EACH]
    known = np.arange(SESSIONS)[:, None] >= np.arange(early.shape[1]) // EACH
    best = np.where(known, early, -1.0).max(0)
    yes = said[:, -1] > 0
    hits = (yes & shown).sum(0), yes.sum(0) + shown.sum(0)
    with np.errstate(invalid="ignore"):
        by_label = 2 * hits[0] / hits[1]
    return {
        "amap": float(np.mean(by)),
        "map_last": float(by[-1]),
        "forgetting": float(np.nanmean(best - early[-1])),
        "of1": float(2 * hits[0].sum() / max(1, hits[1].sum())),
        "cf1": float(np.nanmean(by_label[shown.any(0)])) if shown.any() else 0.0,
    }


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`precision` (primary) and `last` over pictures, then `figures`, whose intervals are a jackknife over blocks of
    pictures, mAP after each session, `unread` and `failed`."""
    rows = [r for r in results if r.outcome]
    if not rows:
        return [failed(results)]
    clusters = [r.cluster for r in rows]
    of: Callable[[str], list[float]] = lambda name: [r.outcome.scores[name] for r in rows if r.outcome]  # noqa: E731
    out = [mean(of(n), clusters, binary=False).metric(n, primary=n == "precision") for n in ("precision", "last")]
    said, shown = tables(rows)
    made: dict[tuple[int, ...], dict[str, float]] = {}

    def figure(at: list[int], name: str) -> float:
        if (key := tuple(at)) not in made:
            made[key] = figures(said[at], shown[at])
        return made[key][name]

    for name in figures(said, shown):
        found = blocks(lambda at, name=name: figure(at, name), range(len(rows)), clusters)
        out.append(found.metric(name, higher_is_better=name != "forgetting"))
    by = precisions(said, shown)
    for t in range(SESSIONS):
        value = float(np.nanmean(by[t, : (t + 1) * EACH]))
        out.append(Metric("map", value, f"session {t + 1}", n=len(rows), clusters=len(set(clusters))))
    out.append(mean(of("unread"), clusters).metric("unread", higher_is_better=False))
    return [*out, failed(results)]
