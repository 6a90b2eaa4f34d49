"""Squared errors beside those of predictors of known form, and accuracy by set. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core import Metric, Outcome, Result, Score, Unusable
from harness.core.series import predictions
from harness.stats import failed, jackknife, mean, totals

UNREAD = Score("unread", higher_is_better=False)
REGRESSION = (Score("error", higher_is_better=False, primary=True), UNREAD)
CLASSES = (Score("ic", primary=True), Score("ic2"), Score("iw"), Score("train"), UNREAD)
MSE, ACCURACY = "mse", "acc_ic"
"""The primary metrics."""
FAR = 1e6
"""The most that a squared error counts: one prediction without bounds must not hide all others."""


def said(answer: str) -> float | None:
    """The prediction of a reply, None where it has none."""
    try:
        return float(predictions(answer, 1)[0])
    except Unusable:
        return None


def number(answer: str, target: float, levels: Mapping[str, float], details: Mapping[str, Any]) -> Outcome:
    """Squared errors: the reply's (that of 0 where it cannot be read), and those of the predictors."""
    value = said(answer)
    scores = {"error": min((target - (value or 0.0)) ** 2, FAR), "unread": float(value is None)}
    scores |= {name: (target - level) ** 2 for name, level in levels.items()}
    return Outcome(answer, scores, None if value is None else f"{value:.4g}", details)


def label(answer: str, target: int, which: str, details: Mapping[str, Any]) -> Outcome:
    """Whether the label is right, as the score of its set."""
    value = said(answer)
    scores = {which: float(value == target), "unread": float(value is None)}
    return Outcome(answer, scores, None if value is None else f"{value:g}", details)


def regression(results: Sequence[Result]) -> list[Metric]:
    """`mse` (primary) and the `mse_` of each predictor, over all and by number of examples; `excess`: mse less that of
    bayes; `gap_closed`: (zero - mse) / (zero - bayes)."""
    scored = [(r, r.outcome.scores) for r in results if r.outcome]
    out: list[Metric] = []
    groups = list(dict.fromkeys(r.group for r, _ in scored))
    parts = [("all", scored)] + [(g, [x for x in scored if x[0].group == g]) for g in groups if len(groups) > 1]
    inf = float("inf")
    for group, part in parts if scored else ():
        clusters = [r.cluster for r, _ in part]
        for key in [k for k in part[0][1] if k != "unread"]:
            name = MSE if key == "error" else f"mse_{key}"
            found = mean([s[key] for _, s in part], clusters, False, (0.0, inf))
            metric = found.metric(name, group, primary=(name, group) == (MSE, "all"), higher_is_better=False)
            out.append(replace(metric, score=key))
        excess = mean([s["error"] - s["bayes"] for _, s in part], clusters, False, (-inf, inf))
        out.append(excess.metric("excess", group, higher_is_better=False))
        rows = totals([[s["zero"] - s["error"], s["zero"] - s["bayes"]] for _, s in part], clusters)
        closed = jackknife(rows, lambda c: c[..., 0] / c[..., 1], (-inf, inf), n=len(part))
        out.append(closed.metric("gap_closed", group))
    return [*out, *_unread(scored), failed(results)]


def accuracies(results: Sequence[Result]) -> list[Metric]:
    """`acc_ic` (primary), `acc_ic2`, `acc_iw` and `acc_train`: each over its own sequences; `copy`: how often a
    random label of an ic context is right."""
    scored = [(r, r.outcome.scores) for r in results if r.outcome]
    out: list[Metric] = []
    for score in CLASSES[:-1]:
        part = [(r, s[score.name]) for r, s in scored if score.name in s]
        if part:
            found = mean([v for _, v in part], [r.cluster for r, _ in part])
            out.append(replace(found.metric(f"acc_{score.name}", primary=score.primary), score=score.name))
    copied = [(r.cluster, float(r.outcome.details["copied"])) for r, s in scored if r.outcome and "ic" in s]
    if copied:
        level = mean([v for _, v in copied], [c for c, _ in copied], False)
        out.append(level.metric("copy", higher_is_better=None))
    return [*out, *_unread(scored), failed(results)]


def _unread(scored: Sequence[tuple[Result, Mapping[str, float]]]) -> list[Metric]:
    if not scored:
        return []
    found = mean([s["unread"] for _, s in scored], [r.cluster for r, _ in scored])
    return [found.metric("unread", higher_is_better=False)]
