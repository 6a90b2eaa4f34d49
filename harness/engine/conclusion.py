"""What a run comes to: its status, its metrics, and its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.core.task import Task
from harness.core.types import Metric, Result
from harness.runs.record import Counts, RunRecord, Status


@dataclass(frozen=True)
class Conclusion:
    """The record's `status`, `counts` and `errors`, and the metrics: none where it was interrupted, or all failed."""

    status: Status
    counts: Counts
    errors: list[tuple[str, int]]
    metrics: list[Metric]

    def of(self, record: RunRecord) -> RunRecord:
        """The record of the run that came to this."""
        return replace(record, status=self.status, counts=self.counts, errors=self.errors)


def concluded(task: Task, results: Sequence[Result], total: int, *, interrupted: bool = False) -> Conclusion:
    """What these results come to. `total`: samples that were planned."""
    errors = [r.error for r in results if r.error]
    none = interrupted or len(errors) == len(results)
    ended = Status.DONE if not errors else Status.FAILED if none else Status.PARTIAL
    return Conclusion(
        Status.INTERRUPTED if interrupted else ended,
        Counts(total, len(results), len(errors), 0, 0),
        Counter(f"{e['type']}: {e['message']}" for e in errors).most_common(20),
        [] if none else task.metrics(results),
    )
