"""Play runs for another command: once, or several times for their cost."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.types import Metric
from harness.runs.record import RunRecord


def play(words: Sequence[str], results: Path) -> str:
    """`harness eval` with these words; the name of the run. Raises UsageError where it fails."""
    from harness.config.compose import run
    from harness.engine.evaluate import evaluate
    from harness.loggers.console import Console

    names: list[str] = []

    class Watched(Console):
        def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
            names.append(record.run)
            super().ended(record, metrics, from_store=from_store)

    code = run([*words, f"results={results}", "logger=quiet"], lambda config: evaluate(config, Watched(quiet=True)))
    if code not in (0, 3) or not names:
        raise UsageError(f"harness eval {' '.join(words)} ended with {code}: fix that first")
    return names[-1]


def timings(words: Sequence[str], repeats: int) -> list[dict[str, float]]:
    """The costs of `repeats` runs (see `StoredRun.cost`), each played from nothing into a folder of its own."""
    from harness.runs.stored import stored

    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="harness-timing-") as scratch:
            play(words, Path(scratch))
            (run,) = stored(Path(scratch))
            found.append(run.cost())
    return found
