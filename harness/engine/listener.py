"""Who watches a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from harness.core.types import Metric, Result, Sample
from harness.runs.record import RunRecord


class Listener(Protocol):
    """What watches a run: a console, a logger. Its faults never fail a run."""

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None: ...
    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None: ...
    def say(self, message: str) -> None: ...
    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None: ...
