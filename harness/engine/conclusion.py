"""What a run comes to: its status, its metrics, and its errors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.core.task import Task
from harness.core.types import Metric, Result
from harness.runs.record import Counts, RunRecord, Status
from harness.stats import mean


@dataclass(frozen=True)
class Conclusion:
    """The record's `status`, `counts` and `errors`, and the metrics: none where it was interrupted, or all failed."""

    status: Status
    counts: Counts
    errors: list[tuple[str, int]]
    metrics: list[Metric]

    def of(self, record: RunRecord) -> RunRecord:
        """The record of the run that came to this."""
        counts = replace(self.counts, requests=record.counts.requests, asked=record.counts.asked)
        return replace(record, status=self.status, counts=counts, errors=self.errors)


def concluded(task: Task, results: Sequence[Result], total: int, *, interrupted: bool = False) -> Conclusion:
    """What these results come to. `total`: samples that were planned."""
    errors = [r.error for r in results if r.error]
    none = interrupted or len(errors) == len(results)
    ended = Status.DONE if not errors else Status.FAILED if none else Status.PARTIAL
    return Conclusion(
        Status.INTERRUPTED if interrupted else ended,
        Counts(total, len(results), len(errors)),
        Counter(f"{e['type']}: {e['message']}" for e in errors).most_common(20),
        [] if none else [*task.metrics(results), *measured(results)],
    )


def measured(results: Sequence[Result]) -> list[Metric]:
    """The means of what methods measured on the way, with intervals over clusters."""
    found = []
    for name in dict.fromkeys(name for r in results for name in r.measures):
        given = [(r.outcome.scores[name], r.cluster) for r in results if r.outcome and name in r.outcome.scores]
        values, clusters = zip(*given, strict=True)
        bounds = (0.0, 1.0) if min(values) >= 0 and max(values) <= 1 else (-math.inf, math.inf)
        found.append(mean(values, clusters, binary=False, bounds=bounds).metric(name, higher_is_better=None))
    return found
