"""What a run comes to: its status, its metrics, and its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.core.task import Task
from harness.core.types import Metric, Result


def concluded(
    task: Task, results: Sequence[Result], total: int, *, interrupted: bool = False
) -> tuple[dict[str, Any], list[Metric]]:
    """The record's `status`, `counts` and `errors`, and the metrics: none where it was interrupted, or all failed.

    `total`: samples that were planned.
    """
    errors = [r.error for r in results if r.error]
    none = interrupted or len(errors) == len(results)
    ended = "done" if not errors else "failed" if none else "partial"
    facts = {
        "status": "interrupted" if interrupted else ended,
        "counts": {"samples": total, "done": len(results), "errors": len(errors), "requests": 0, "asked": 0},
        "errors": Counter(f"{e['type']}: {e['message']}" for e in errors).most_common(20),
    }
    return facts, [] if none else task.metrics(results)
