"""The table that ends a sweep: each of its runs with what tells it from the others, and the share of the cache that it
kept, where methods measured one."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.commands.words import counted, say
from harness.core.errors import HarnessError
from harness.core.score import primary
from harness.core.sinks import line
from harness.core.types import Metric
from harness.core.width import columns, listed
from harness.runs.record import RunRecord

HEADS = ["run", "differs", "score", "cache", "samples", "status"]


Row = tuple[Sequence[str], str, list[str]]
"""A run's words and name, and the cells after "differs"."""


class Sweep:
    """Notes how the runs of a sweep end, also those that could not begin."""

    def __init__(self, results: Path) -> None:
        self._rows: list[Row] = []
        self._home = os.getpid()
        self._folder = results / ".sweep" / f"{self._home}-{time.time_ns()}"
        """Where runs in processes of their own (Hydra's launchers) leave their rows."""

    def job(self, play: Callable[[dict[str, Any]], int]) -> Callable[[dict[str, Any]], int]:
        """`play`, with what it raises noted."""

        def noted(config: dict[str, Any]) -> int:
            try:
                return play(config)
            except HarnessError as e:
                self._add((config["overrides"], "-", ["", "", "", f"not run (exit {e.exit_code})"]))
                raise

        return noted

    def note(self, record: RunRecord, metrics: list[Metric]) -> None:
        """A run has ended."""
        from harness.leaderboard.kept import KEPT
        from harness.loggers.tables import plain_interval

        best, counts = primary(metrics), record.counts
        score = f"{best.name} {plain_interval(best.value, best.low, best.high)}" if best else ""
        kept = next((f"kept {m.value:.3f}" for m in metrics if m.name == KEPT), "")
        cells = [score, kept, f"{counts.done}/{counts.samples}", str(record.status)]
        self._add((record.config["overrides"], record.run, cells))

    def print(self) -> None:
        """The table, in the order in which the runs ended."""
        if self._folder.is_dir():
            self._rows += [json.loads(path.read_text()) for path in sorted(self._folder.iterdir())]
            shutil.rmtree(self._folder, ignore_errors=True)
        if not self._rows:
            return
        differ = varied([words for words, *_ in self._rows])
        rows = [[name, differs, *cells] for (_, name, cells), differs in zip(self._rows, differ, strict=True)]
        say("")
        say(f"{counted(len(rows), 'run')} of this sweep")
        shown = [i for i, head in enumerate(HEADS) if head != "cache" or any(row[i] for row in rows)]
        cells = [[line(row[i]) for i in shown] for row in rows]
        for text in listed([HEADS[i] for i in shown], cells, columns()):
            print(text)

    def _add(self, row: Row) -> None:
        if os.getpid() == self._home:
            self._rows.append(row)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{time.time_ns()}-{os.getpid()}.json").write_text(json.dumps(row))


def varied(runs: Sequence[Sequence[str]]) -> list[str]:
    """For each run the words that not all have, as a phrase: "vista, lam=0.05"."""
    shared = set.intersection(*map(set, runs))
    return [", ".join(_short(w) for w in words if w not in shared) for words in runs]


def _short(word: str) -> str:
    key, _, value = word.partition("=")
    return value if key in ("task", "method", "model") else f"{key.rpartition('.')[2]}={value}"
