"""The table that ends a sweep: each of its runs with what tells it from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.commands.words import say
from harness.core.errors import HarnessError
from harness.core.score import primary
from harness.core.sinks import line
from harness.core.types import Metric
from harness.core.width import columns, listed
from harness.runs.record import RunRecord

HEADS = ["run", "differs", "score", "samples", "status"]


class Sweep:
    """Notes how the runs of a sweep end, also those that could not begin."""

    def __init__(self) -> None:
        self._rows: list[tuple[Sequence[str], str, list[str]]] = []
        """Words, the run's name, and the cells behind "differs"."""

    def job(self, play: Callable[[dict[str, Any]], int]) -> Callable[[dict[str, Any]], int]:
        """`play`, with what it raises noted."""

        def noted(config: dict[str, Any]) -> int:
            try:
                return play(config)
            except HarnessError as e:
                self._rows.append((config["overrides"], "-", ["", "", f"not run (exit {e.exit_code})"]))
                raise

        return noted

    def note(self, record: RunRecord, metrics: list[Metric]) -> None:
        """A run has ended."""
        from harness.loggers.tables import plain_interval

        best, counts = primary(metrics), record.counts
        score = f"{best.name} {plain_interval(best.value, best.low, best.high)}" if best else ""
        cells = [score, f"{counts.done}/{counts.samples}", str(record.status)]
        self._rows.append((record.config["overrides"], record.run, cells))

    def print(self) -> None:
        """The table, in the order in which the runs were played."""
        if not self._rows:
            return
        differ = varied([words for words, *_ in self._rows])
        rows = [[name, differs, *cells] for (_, name, cells), differs in zip(self._rows, differ, strict=True)]
        say("")
        say(f"{len(rows)} runs of this sweep")
        for text in listed(HEADS, [[line(c) for c in row] for row in rows], columns()):
            print(text)


def varied(runs: Sequence[Sequence[str]]) -> list[str]:
    """For each run the words that not all have, as a phrase: "vista, lam=0.05"."""
    shared = set.intersection(*map(set, runs))
    return [", ".join(_short(w) for w in words if w not in shared) for words in runs]


def _short(word: str) -> str:
    key, _, value = word.partition("=")
    return value if key in ("task", "method", "model") else f"{key.rpartition('.')[2]}={value}"
