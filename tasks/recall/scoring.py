"""Share of asked positions that are right, by slice. Pure functions of finished results."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core import Metric, Outcome, Result, Score, Unusable
from harness.core.series import predictions
from harness.stats import failed, mean

SCORES = (Score("correct", primary=True), Score("whole"), Score("unread", higher_is_better=False))


def judged(answer: str, target: Sequence[int], details: dict[str, object]) -> Outcome:
    """`correct`: the share of the target's tokens that are right at their place; `whole`: whether all are."""
    try:
        said = predictions(answer, len(target))
    except Unusable:
        return Outcome(answer, {"correct": 0.0, "whole": 0.0, "unread": 1.0}, None, details)
    right = [a == b for a, b in zip(said, target, strict=True)]
    scores = {"correct": sum(right) / len(right), "whole": float(all(right)), "unread": 0.0}
    return Outcome(answer, scores, " ".join(f"{v:g}" for v in said), details)


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`accuracy` over all slices (primary) and by slice, `whole` likewise, `unread`, `failed`; clusters: sequences."""
    scored = [(r, r.outcome.scores) for r in results if r.outcome]
    out: list[Metric] = []
    groups = list(dict.fromkeys(r.group for r, _ in scored))
    for name, key in (("accuracy", "correct"), ("whole", "whole")) if scored else ():
        parts = [("all", scored)] + [(g, [x for x in scored if x[0].group == g]) for g in groups]
        for group, part in parts:
            found = mean([s[key] for _, s in part], [r.cluster for r, _ in part], key == "whole")
            primary = (name, group) == ("accuracy", "all")
            out.append(found.metric(name, group, primary=primary))
    if scored:
        unread = mean([s["unread"] for _, s in scored], [r.cluster for r, _ in scored])
        out.append(unread.metric("unread", higher_is_better=False))
    return [*out, failed(results)]
