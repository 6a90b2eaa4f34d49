"""Runs for checks: composed as `harness eval` composes them, played in silence, their faults raised."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.checks.check import Failed
from harness.core.types import Metric, Result, Sample
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun, named


class Silent:
    """Watches a run and keeps its name."""

    run = ""

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None:
        self.run = record.run

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None:
        return

    def say(self, message: str) -> None:
        return

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        self.run = record.run


def composed(words: Sequence[str], job: Callable[[dict[str, Any]], int]) -> int:
    """`job` with the configuration that the words compose. Raises what it raises, and what composing raises."""
    from harness.config.compose import run

    faults: list[Exception] = []

    def guarded(config: dict[str, Any]) -> int:
        try:
            return job(config)
        except Exception as e:
            faults.append(e)
            return 1

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = run([*words, "logger=quiet"], guarded)
    if faults:
        raise faults[0]
    if code and (line := said.getvalue().strip().removeprefix("harness: ")):
        raise Failed(line)
    return code


def configuration(words: Sequence[str]) -> dict[str, Any]:
    """The configuration that these words compose."""
    found: list[dict[str, Any]] = []
    composed(words, lambda config: found.append(config) or 0)
    return found[0]


def played(words: Sequence[str], results: Path) -> StoredRun:
    """The run of these words, played. Raises Failed where a sample ended in an error row."""
    from harness.engine.evaluate import evaluate

    silent = Silent()
    composed([*words, f"results={results}"], lambda config: evaluate(config, silent))
    run = named(results, silent.run)
    if run is None:
        raise Failed("the run left no record")
    for row in run.results():
        if row.error:
            errors = run.record.counts.errors
            raise Failed(
                f"{errors} of {run.record.counts.done} samples ended in an error row, {row.id} first: "
                f"{row.error['type']}: {row.error['message']}{_place(row.error.get('traceback') or '')}"
            )
    return run


def resumed(words: Sequence[str], results: Path, run: StoredRun) -> StoredRun:
    """The same run once half of its journal is gone, as after a kill; its older rows are not asked again."""
    lines = run.directory.journal.read_bytes().splitlines(keepends=True)
    run.directory.journal.write_bytes(b"".join(lines[: len(lines) // 2]))
    record = json.loads((run.directory.path / "run.json").read_text())
    (run.directory.path / "run.json").write_text(json.dumps(record | {"status": "running"}))
    return played(words, results)


def told(run: StoredRun) -> dict[str, str]:
    """Answers by sample."""
    return {r.id: r.outcome.answer for r in run.results() if r.outcome}


def equal(one: dict[str, str], two: dict[str, str]) -> None:
    """Raises Failed for the first answer that differs."""
    for id_, answer in one.items():
        if answer != two.get(id_):
            raise Failed(f"sample {id_}: {answer!r} and {two.get(id_)!r}")


def _place(trace: str) -> str:
    """Where a stored traceback ends, in the plug-in if it passed through it."""
    frames = [(Path(f).name, n, f) for f, n in re.findall(r'File "([^"]+)", line (\d+)', trace)]
    own = [f for f in frames if "site-packages" not in f[2] and "/harness/" not in f[2]] or frames
    return f" ({own[-1][0]}, line {own[-1][1]})" if own else ""
