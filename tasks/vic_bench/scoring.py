"""ACC, Recall, Legality and ThinkGain by stage and world. Where the paper's formula is not known to us: `_local`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import Estimate, failed, jackknife, mean, paired_mean, totals

SCORES = (
    Score("correct", primary=True),
    Score("recall"),
    Score("legal"),
    Score("steps", higher_is_better=None),
    Score("all_legal"),
    Score("format_errors", higher_is_better=False),
    Score("unread", higher_is_better=False),
)


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`acc` (primary: the mean over all samples), by stage and world; the local measures of stages 2 and 3."""
    scored = [r for r in results if r.outcome is not None]
    if not scored:
        return [failed(results)]
    out = [replace(_mean(scored, "correct").metric("acc", primary=True), score="correct")]
    stages = sorted({_detail(r, "stage") for r in scored})
    worlds = list(dict.fromkeys(_detail(r, "world") for r in scored))
    for stage in stages:
        some = [r for r in scored if _detail(r, "stage") == stage]
        parts = [(f"stage {stage}", some)]
        parts += [(f"{w} stage {stage}", [r for r in some if _detail(r, "world") == w]) for w in worlds]
        for label, part in parts:
            if part:
                out += _stage(part, label, stage)
    for label, names in (("all", worlds), *((w, [w]) for w in worlds)):
        out += _gain([r for r in scored if _detail(r, "world") in names], label)
    unread = mean([r.outcome.scores["unread"] for r in scored if r.outcome], [r.cluster for r in scored])
    return [*out, unread.metric("unread", higher_is_better=False), failed(results)]


def _stage(results: Sequence[Result], label: str, stage: int) -> list[Metric]:
    out = [_mean(results, "correct").metric("acc", label)]
    if stage == 1:
        return out
    out.append(_mean(results, "recall", False).metric("recall_local", label))
    acted = [r for r in results if r.outcome and r.outcome.scores["steps"]]
    if acted:
        parts = np.array([[r.outcome.scores["legal"], r.outcome.scores["steps"]] for r in acted if r.outcome])
        by_item = totals(parts, [r.cluster for r in acted])
        estimate = jackknife(by_item, lambda c: c[..., 0] / c[..., 1], n=len(acted))
        out.append(estimate.metric("legality_local", label))
        out.append(_mean(acted, "all_legal").metric("legality_items_local", label))
    calls = mean([float(r.calls) for r in results], [r.cluster for r in results], False, (0.0, float("inf")))
    out.append(calls.metric("calls", label, higher_is_better=None))
    return out


def _gain(results: Sequence[Result], label: str) -> list[Metric]:
    """score(stage 3) - score(stage 2) on the items that have both; its note holds the relative gain."""
    sides = {s: {r.cluster: r for r in results if _detail(r, "stage") == s} for s in (2, 3)}
    both = [c for c in sides[2] if c in sides[3]]
    out = []
    for score in ("correct", "recall") if both else ():
        before, after = ([_score(sides[s][c], score) for c in both] for s in (2, 3))
        d = paired_mean(np.array(before), np.array(after), both)
        room = 1 - float(np.mean(before))
        relative = f"; {d.value / room:+.3f} of the room that stage 2 leaves" if room > 0 else ""
        name = f"thinkgain_{'acc' if score == 'correct' else 'recall'}_local"
        metric = Metric(name, d.value, label, d.stderr, d.low, d.high, len(both), len(both))
        out.append(replace(metric, note=f"stage 3 - stage 2{relative}"))
    return out


def _mean(results: Sequence[Result], name: str, whole: bool = True) -> Estimate:
    return mean([_score(r, name) for r in results], [r.cluster for r in results], whole)


def _score(result: Result, name: str) -> float:
    assert result.outcome
    return result.outcome.scores[name]


def _detail(result: Result, name: str) -> Any:
    assert result.outcome
    return result.outcome.details[name]
