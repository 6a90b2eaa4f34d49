"""The terminal: live progress with rate, time left and running score, and the final table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console as Terminal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.core.score import primary
from harness.core.sinks import line
from harness.core.types import Metric, Result, Sample
from harness.judge.report import lines
from harness.loggers.tables import metrics_table, plain_interval, terminal, text
from harness.runs.record import RunRecord, Status

SCORE_EVERY = 2.0
"""Seconds between two looks at the running score, at least."""
SHARE = 20
"""A look waits for so many times what the last one took: it reads all results so far."""
LINE_EVERY = 15.0
"""Seconds between two progress lines where the output is not a terminal."""


class Ending(Protocol):
    """Who is told how the runs of a sweep end."""

    def note(self, record: RunRecord, metrics: list[Metric]) -> None: ...


class Console:
    """Progress goes to stderr, the final table to stdout. `tables`: False where the caller shows the run itself. Of a
    run in a `sweep` a line takes the place of its table: the sweep ends with one of them all."""

    def __init__(self, *, quiet: bool = False, tables: bool = True, sweep: Ending | None = None):
        self.quiet, self.tables, self.sweep = quiet, tables, sweep
        self.err = Terminal(stderr=True, highlight=False, emoji=False, soft_wrap=True)
        self.out = terminal()
        self._bar: Progress | None = None

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None:
        total = len(samples)
        self._total, self._done, self._errors = (
            total,
            len(finished),
            sum(r.error is not None for r in finished),
        )
        self._new = 0
        self._began = self._scored = self._spoke = time.monotonic()
        self._score, self._looked = "", 0.0
        if self.quiet:
            return
        resumed = f", continuing after {len(finished)}" if finished else ""
        what = f"{record.task} ({record.data}), method {record.method}, model {record.model}"
        front = [*(["a system message"] if record.system else []), *([record.fewshot] if record.fewshot else [])]
        what += f", with {' and '.join(front)} in front" if front else ""
        self.err.print(text(f"{what}: {total} samples{resumed}"))
        if self.err.is_terminal:
            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[score]}", markup=False),
                console=self.err,
                transient=True,
            )
            self._bar.start()
            self._line = self._bar.add_task("", total=total, completed=len(finished), rate="", score="")

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None:
        self._done += len(results)
        self._new += len(results)
        self._errors += sum(r.error is not None for r in results)
        now = time.monotonic()
        if self.quiet:
            return
        if now - self._scored > max(SCORE_EVERY, SHARE * self._looked):
            metric = score()
            self._scored = time.monotonic()
            self._looked = self._scored - now
            if metric is not None:
                self._score = line(f"{metric.name} {metric.value:.3f}")
        rate = self._new / max(now - self._began, 1e-9)
        errors = f", {self._errors} errors" if self._errors else ""
        if self._bar is not None:
            self._bar.update(self._line, completed=self._done, rate=f"{rate:.1f}/s{errors}", score=self._score)
        elif now - self._spoke > LINE_EVERY and self._done < self._total:
            self._spoke = now
            left = (self._total - self._done) / max(rate, 1e-9)
            score_text = f", {self._score} so far" if self._score else ""
            self.err.print(text(f"  {self._done}/{self._total}, {rate:.1f}/s, {left:.0f} s left{errors}{score_text}"))

    def say(self, message: str) -> None:
        self.err.print(text(f"harness: {message}"))

    def tell(self, lines: Sequence[str]) -> None:
        """Lines as they are, beside the results."""
        for told in lines:
            self.err.print(text(told))

    def stop(self) -> None:
        """Ends the progress bar, also of a run that an error ended."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        self.stop()
        if metrics and self.tables and self.sweep is None:
            self.out.print(metrics_table(record, metrics))
        if self.sweep is not None:
            self.sweep.note(record, metrics)
        for told in lines(record.judge) if record.judge and record.status.ended and self.tables else ():
            self.out.print(text(f"  {told}"))
        if metrics and not any(m.primary for m in metrics) and not record.judge:
            self.say("no score judges this run: judge=NAME has a model grade its answers (docs/judge.md)")
        counts = record.counts
        if counts.errors:
            self.say(f"{counts.errors} of {counts.done} samples ended in an error row:")
            for message, n in record.errors[:5]:
                self.err.print(text(f"  {n} x {message}"))
            self.err.print("  the same command with retry=errors asks them again")
        if record.stopped:
            self.say(f"stopped: {record.stopped}; debug=true shows the first error in full")
        if record.status == Status.INTERRUPTED:
            self.say(f"stopped after {counts.done} of {counts.samples} samples; rerun the same command to resume")
            return
        if not self.tables:
            return
        how = "from the store" if from_store else f"{record.wall_seconds or 0.0:.1f} s"
        if not from_store and not counts.asked and record.rescored_from:
            how = f"rescored from {record.rescored_from}, no model asked"
        best = primary(metrics) if self.sweep is not None else None
        score = f": {best.name} {plain_interval(best.value, best.low, best.high)}" if best else ""
        self.out.print(text(f"run {record.run} ({record.status}, {how}){score}"), soft_wrap=True)
