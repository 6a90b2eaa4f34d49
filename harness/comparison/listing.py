"""Runs as a list: a row each, and what tells it from the others of its label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.comparison.distinct import by_label
from harness.core.sinks import line
from harness.core.types import Metric
from harness.runs.record import Damaged
from harness.runs.stored import StoredRun

HEADS = ["run", "status", "samples", "score", "started (UTC)", "differs from others of its label"]


def rows(runs: Sequence[StoredRun], warn: Callable[[str], None]) -> list[list[str]]:
    """What is listed of these runs: one cell for each of `HEADS`. `warn` is told of metrics that cannot be read."""
    differs = by_label([run.record for run in runs])
    return [_cells(run, phrase, warn) for run, phrase in zip(runs, differs, strict=True)]


def told(run: StoredRun, warn: Callable[[str], None]) -> Metric | None:
    """The run's primary metric; None, with a line, where its metrics cannot be read."""
    try:
        return run.primary
    except Damaged as e:
        warn(str(e))
        return None


def _cells(run: StoredRun, differs: str, warn: Callable[[str], None]) -> list[str]:
    from harness.loggers.tables import plain_interval

    metric, record, counts = told(run, warn), run.record, run.record.counts
    score = f"{metric.name} {plain_interval(metric.value, metric.low, metric.high)}" if metric else ""
    started = (record.started or "")[:19].replace("T", " ")
    return list(map(line, (run.name, record.status, f"{counts.done}/{counts.samples}", score, started, differs)))
