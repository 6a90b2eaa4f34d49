"""A run's directory: run.json, samples.jsonl, metrics.json, and the lock that keeps two writers apart."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, first_line
from harness.core.types import Metric
from harness.runs import journal, readings, record
from harness.runs.files import LOCK, sweep, write_json
from harness.runs.record import Damaged, RunRecord

METRICS = "metrics.json"


class RunDir:
    """`results/runs/<name>/`."""

    def __init__(self, results: Path, name: str):
        self.name = name
        self.path = results / "runs" / name

    @property
    def journal(self) -> Path:
        return self.path / journal.FILE

    @property
    def begun(self) -> bool:
        """Whether its journal has any rows."""
        return self.journal.exists() and self.journal.stat().st_size > 0

    def record(self) -> RunRecord | None:
        """run.json, or None before the run has begun."""
        return record.read(self.path)

    def write_record(self, value: RunRecord) -> None:
        record.write(self.path, value)

    def metrics(self) -> list[Metric]:
        """Raises Damaged, where the file was cut short: the run's command rewrites it."""
        path = self.path / METRICS
        try:
            return [_metric(m) for m in json.loads(path.read_bytes())] if path.exists() else []
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as e:
            raise Damaged(f"{path} cannot be read ({first_line(e)}): the run's command rewrites it") from e

    def write_metrics(self, metrics: list[Metric]) -> None:
        write_json(self.path / METRICS, [as_json(m) for m in metrics])

    def whole(self, value: RunRecord) -> bool:
        """Whether its files hold all that a run with this record wrote: every row, and metrics that can be read."""
        try:
            self.metrics()
        except Damaged:
            return False
        rows = journal.intact(self.journal)
        if rows is None:
            found, faults = journal.scan(self.journal)
            rows = -1 if faults else len(found)
        read = value.readings is None or len(readings.ids(self.path)) >= value.readings
        return read and rows == value.counts.done and (self.path / METRICS).exists()

    @contextmanager
    def locked(self, waiting: Any) -> Iterator[None]:
        """Hold the run for writing. `waiting()` is called once if another process holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK).open("a")
        except OSError as e:
            raise Missing(f"{self.path} cannot be written ({e.strerror}): choose another folder by results=DIR") from e
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            sweep(self.path, (record.FILE, METRICS, journal.FILE, readings.FILE))
            yield


KINDS = {
    **dict.fromkeys(("name", "group", "note", "score"), str),
    **dict.fromkeys(("value", "stderr", "low", "high"), (int, float, type(None))),
    **dict.fromkeys(("n", "clusters"), int),
    "primary": bool,
    "higher_is_better": (bool, type(None)),
}
"""Field of a metric -> what JSON may hold there."""


def as_json(metric: Metric) -> dict[str, Any]:
    """A metric for JSON, which has no NaN: an undefined value is null."""
    return asdict(metric) | ({"value": None} if math.isnan(metric.value) else {})


def _metric(value: Any) -> Metric:
    """Raises TypeError where a field is of another type. Fields that this version does not know are left out."""
    for name, kind in KINDS.items():
        if name in value and not isinstance(value[name], kind):
            raise TypeError(f"a metric's {name} is {value[name]!r:.40}")
    known: dict[str, Any] = {k: v for k, v in value.items() if k in KINDS}
    if known.get("value", 0) is None:
        known["value"] = math.nan
    return Metric(**known)
