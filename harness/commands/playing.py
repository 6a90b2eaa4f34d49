"""Play runs for another command: once, or several times for their cost."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import UsageError


def play(words: Sequence[str], results: Path) -> None:
    """`harness eval` with these words. Raises UsageError where it fails."""
    from harness.commands.eval import job
    from harness.config.compose import run

    code = run([*words, f"results={results}", "logger=quiet"], job)
    if code not in (0, 3):
        raise UsageError(f"harness eval {' '.join(words)} ended with {code}: mend that first")


def timings(words: Sequence[str], repeats: int) -> list[dict[str, float]]:
    """The costs of `repeats` runs (see `StoredRun.cost`), each played from nothing into a folder of its own."""
    from harness.engine.runs import stored

    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="harness-timing-") as scratch:
            play(words, Path(scratch))
            (run,) = stored(Path(scratch))
            found.append(run.cost())
    return found
