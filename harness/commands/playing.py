"""Runs for another command: found by what their words mean now, played once, or several times for their cost."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import INTERRUPTED, NO, HarnessError, Missing, first_line
from harness.core.types import Metric
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun, named


class Crashed(HarnessError):
    """A run that code of a task, a method or a model ended: nothing of it has a score."""


def current(words: Sequence[str], results: Path) -> StoredRun:
    """The finished run that `harness eval` with these words would return from the store, under the code of today.

    Raises Missing where there is none, with the reason; Crashed where it failed.
    """
    from harness.engine.changes import since
    from harness.engine.plan import compose

    composed: list[tuple[str, str]] = []

    def job(config: dict[str, Any]) -> int:
        plan = compose(config)
        composed.append((plan.directory.name, since(plan) if plan.directory.record() is None else ""))
        return 0

    _each(words, results, job)
    (name, reason) = composed[-1]
    run = named(results, name)
    if run is None or not run.record.status.ended:
        state = f"{name} is {run.record.status}" if run else reason or "no finished run to compare"
        raise Missing(f"{state}: {_command(words)}, or harness gate --run")
    return _scored(run)


def play(words: Sequence[str], results: Path) -> StoredRun:
    """`harness eval` with these words. Raises HarnessError where it cannot start, Crashed where it fails."""
    from harness.engine.evaluate import evaluate
    from harness.loggers.console import Console

    names: list[str] = []

    class Watched(Console):
        def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
            names.append(record.run)
            super().ended(record, metrics, from_store=from_store)

    code = _each(words, results, lambda config: evaluate(config, Watched(quiet=True)))
    run = named(results, names[-1]) if names else None
    if run is None:
        raise Crashed(f"{_command(words)} ended with {code} and left no run")
    return _scored(run)


def timings(words: Sequence[str], repeats: int) -> list[dict[str, float]]:
    """The costs of `repeats` runs (see `StoredRun.cost`), each played from nothing into a folder of its own."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="harness-timing-") as scratch:
            found.append(play(words, Path(scratch)).cost())
    return found


def _each(words: Sequence[str], results: Path, job: Callable[[dict[str, Any]], int]) -> int:
    """`job` with the configuration that the words compose. Whatever it raises is one error: Crashed unless a user can
    fix it."""
    from harness.config.compose import run

    faults: list[Exception] = []

    def guarded(config: dict[str, Any]) -> int:
        try:
            return job(config)
        except HarnessError as e:
            faults.append(e)
            return e.exit_code
        except Exception as e:  # code of anybody's plug-in
            faults.append(e)
            return NO

    code = run([*words, f"results={results}", "logger=quiet"], guarded)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    for fault in faults:
        if isinstance(fault, HarnessError) and fault.exit_code != NO:
            raise fault
        raise Crashed(f"{type(fault).__name__}: {first_line(fault)}: {_command(words)}") from fault
    return code


def _scored(run: StoredRun) -> StoredRun:
    """Raises Crashed for a run without any score."""
    if run.record.status.scored:
        return run
    worst = f"{run.record.errors[0][1]} x {run.record.errors[0][0]}" if run.record.errors else str(run.record.status)
    raise Crashed(f"no sample has a score: {worst} (harness show {run.name})")


def _command(words: Sequence[str]) -> str:
    return f"harness eval {shlex.join(words)}"
