"""Runs for another command: found by what their words mean now, played once, or several times for their cost."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.errors import NO, HarnessError, Missing, first_line
from harness.runs.stored import StoredRun, named


class Crashed(HarnessError):
    """A run that code of a task, a method or a model ended: nothing of it has a score."""


def current(words: Sequence[str], results: Path) -> StoredRun:
    """The finished run that `harness eval` with these words would return from the store, under the code of today.

    Raises Missing where there is none, with the reason; Crashed where it failed.
    """
    from harness.api.playing import each
    from harness.engine.changes import since
    from harness.engine.plan import compose

    composed: list[tuple[str, str]] = []

    def job(config: dict[str, Any]) -> int:
        plan = compose(config)
        composed.append((plan.directory.name, since(plan) if plan.directory.record() is None else ""))
        return 0

    with _crashes(words):
        each(_quietly(words, results), job)
    (name, reason) = composed[-1]
    run = named(results, name)
    if run is None or not run.record.status.ended:
        state = f"{name} is {run.record.status}" if run else reason or "no finished run to compare"
        raise Missing(f"{state}: {_command(words)}, or harness gate --run")
    return _scored(run)


def play(words: Sequence[str], results: Path) -> StoredRun:
    """`harness eval` with these words. Raises HarnessError where it cannot start, Crashed where it fails."""
    from harness.api.playing import played
    from harness.loggers.console import Console

    with _crashes(words):
        run = played(_quietly(words, results), lambda _: Console(quiet=True, tables=False))
    return _scored(run)


def timings(words: Sequence[str], repeats: int) -> list[dict[str, float]]:
    """The costs of `repeats` runs (see `StoredRun.cost`), each played from nothing into a folder of its own."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="harness-timing-") as scratch:
            found.append(play(words, Path(scratch)).cost())
    return found


def _quietly(words: Sequence[str], results: Path) -> list[str]:
    return [*words, f"results={results}", "logger=quiet"]


@contextmanager
def _crashes(words: Sequence[str]) -> Iterator[None]:
    """Whatever is raised is one error: Crashed unless a user can fix it."""
    try:
        yield
    except HarnessError as e:
        if e.exit_code != NO and not _of_code(e):
            raise
        raise Crashed(f"{type(e).__name__}: {first_line(e)}: {_command(words)}") from e
    except (Exception, SystemExit) as e:  # code of anybody's plug-in
        raise Crashed(f"{type(e).__name__}: {first_line(e)}: {_command(words)}") from e


def _of_code(error: HarnessError) -> bool:
    """Whether a task, a model or a method of these words can no longer be made: its module does not import, or its
    `__init__` fails with values that it took before."""
    cause = isinstance(error.__cause__, ImportError | SyntaxError | AttributeError | TypeError | ValueError)
    return cause and re.match(r"(method\.\S+|task|model): ", str(error)) is not None


def _scored(run: StoredRun) -> StoredRun:
    """Raises Crashed for a run without any score."""
    if run.record.status.scored:
        return run
    worst = f"{run.record.errors[0][1]} x {run.record.errors[0][0]}" if run.record.errors else str(run.record.status)
    raise Crashed(f"no sample has a score: {worst} (harness show {run.name})")


def _command(words: Sequence[str]) -> str:
    return f"harness eval {shlex.join(words)}"
