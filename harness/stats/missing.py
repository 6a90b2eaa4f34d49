"""Samples that failed: missing from every other metric, counted in one of their own."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.types import Metric, Result
from harness.stats.columns import Columns, scored
from harness.stats.large import clusters_in


def failed(results: Sequence[Result], group: str = "all", of: str = "samples") -> Metric:
    """`failed`: the share of results without an outcome, 0 of none. `of` names in the note what they are."""
    lost = len(results) - len(scored(results))
    return Metric(
        "failed",
        lost / max(1, len(results)),
        group,
        n=len(results),
        clusters=len(clusters_in(results) if isinstance(results, Columns) else {r.cluster for r in results}),
        higher_is_better=False,
        note=f"{lost} of {len(results)} {of} failed and are missing" if lost else "",
    )
