"""A run's directory: run.json, samples.jsonl, metrics.json, and the lock that keeps two writers apart."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import Missing
from harness.core.types import Metric
from harness.runs import record
from harness.runs.files import write_json
from harness.runs.record import RunRecord


class RunDir:
    """`results/runs/<name>/`."""

    def __init__(self, results: Path, name: str):
        self.name = name
        self.path = results / "runs" / name

    @property
    def journal(self) -> Path:
        return self.path / "samples.jsonl"

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
        path = self.path / "metrics.json"
        return [Metric(**m) for m in json.loads(path.read_text())] if path.exists() else []

    def write_metrics(self, metrics: list[Metric]) -> None:
        write_json(self.path / "metrics.json", [asdict(m) for m in metrics])

    @contextmanager
    def locked(self, waiting: Any) -> Iterator[None]:
        """Hold the run for writing. `waiting()` is called once if another process holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a")
        except OSError as e:
            raise Missing(f"{self.path} cannot be written ({e.strerror}): choose another folder by results=DIR") from e
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
