"""The metrics of a task that judges each answer by one score, over all samples and over each group."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.types import Metric, Result
from harness.stats import mean


def grouped(results: Sequence[Result], score: str, *, binary: bool = True) -> list[Metric]:
    """The mean of a score, overall (primary) and by group, in the order in which groups come; none without results.

    Args:
        binary: Whether each score is 0 or 1, so that the mean is a proportion.
    """
    rows = [(r.group, r.cluster, r.outcome.scores[score]) for r in results if r.outcome]
    out = []
    for group in dict.fromkeys(["all", *(of for of, _, _ in rows)]) if rows else ():
        some = [(value, cluster) for of, cluster, value in rows if group in ("all", of)]
        found = mean([v for v, _ in some], [c for _, c in some], binary)
        out.append(found.metric(score, group, primary=group == "all"))
    return out
