"""Runs as they lie in their directories, finished or still running, for `harness view`. Nothing is written there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import HarnessError
from harness.core.score import Score, judged, occurring, primary
from harness.core.types import Metric, Result
from harness.leaderboard.answers import ERROR, RIGHT, UNCOUNTED, WRONG
from harness.leaderboard.board import BoardEntry, Row, slug
from harness.plugins.build import build_task, target
from harness.runs import record
from harness.runs.directory import RunDir
from harness.runs.files import LOCK, held
from harness.runs.record import RunRecord, Status
from harness.runs.tail import Tail
from harness.stats import jackknife, mean, totals

NEWEST = 12
"""Samples that a run's page shows, newest first."""
LOGGED = 40
"""Lines of a run's log that are shown."""
SILENT = 120.0
"""Seconds without a sample after which a run that says `running` may have been killed."""


@dataclass
class LiveRun:
    """One run directory, looked at again and again."""

    directory: RunDir
    tail: Tail
    record: RunRecord | None = None
    fault: str = ""
    """Why its record cannot be read."""
    wanted: bool = False
    """Whether its samples are looked at: those of a run that is still running always are."""
    _stamp: int = field(default=-1, repr=False)
    _value: tuple[Any, Metric | None] = field(default=(None, None), repr=False)
    _summary: tuple[Any, dict[str, Any]] = field(default=(None, {}), repr=False)

    def look(self) -> None:
        """Read what is new."""
        try:
            stamp = (self.directory.path / record.FILE).stat().st_mtime_ns
        except OSError:
            stamp = -1
        running = self.record is not None and self.record.status is Status.RUNNING
        if stamp != self._stamp or (running and not held(self.directory.path)):
            self._stamp = stamp
            try:
                self.record, self.fault = self.directory.record(), ""
            except (HarnessError, OSError) as e:  # the last one that could be read stays
                self.fault = str(e)
        if self.wanted or self.record is None or not self.record.status.ended:
            while self.tail.read():
                pass
        else:
            self.tail.look()

    @property
    def done(self) -> int:
        """The number of finished samples."""
        return len(self.tail.rows) or (self.record.counts.done if self.record else 0)

    @property
    def slug(self) -> str:
        return slug(self.directory.name)

    @property
    def results(self) -> list[Result]:
        return list(self.tail.rows.values())

    @cached_property
    def task(self) -> Any:
        """The task by its configuration; None where it is a plug-in's, or another version's. No records are read."""
        try:
            config = self.record.config["task"] if self.record else {}
            return build_task(config) if target(config).startswith("harness.tasks.") else None
        except (HarnessError, KeyError, TypeError, ImportError, AttributeError):
            return None

    def score(self) -> Score:
        """By which samples are right or wrong."""
        declared = self.record.scores if self.record else ()
        return judged(declared, self.metrics(), occurring(self.results))

    def metrics(self) -> list[Metric]:
        """Those of a run that ended."""
        if self.record is None or not self.record.status.ended:
            return []
        try:
            return self.directory.metrics()
        except HarnessError:
            return []

    def value(self) -> Metric | None:
        """The primary metric: of the record, or of the samples so far."""
        key = (self.tail.lines, self._stamp)
        if key != self._value[0]:
            self._value = key, primary(self.metrics()) or self._running()
        return self._value[1]

    def _running(self) -> Metric | None:
        scored = [r for r in self.results if r.outcome]
        if not scored:
            return None
        if self.task is not None:
            try:
                found = primary(self.task.metrics(scored))
                if found is not None and math.isfinite(found.value):
                    return found
            except Exception:  # a metric that needs more samples than there are: the plain mean is shown
                pass
        return _plain(self.score(), scored)

    def state(self, result: Result, score: Score) -> str:
        """The character by which pages name it."""
        if result.outcome is None or not result.outcome.scores:
            return ERROR
        right = score.right(result.outcome.scores)
        return UNCOUNTED if right is None else RIGHT if right else WRONG

    def summary(self, now: float) -> dict[str, Any]:
        """What the list of runs shows."""
        key = (self.tail.lines, self._stamp, self.fault)
        if key != self._summary[0]:
            self._summary = key, self._counted()
        silent = now - self.tail.changed if self.tail.changed else math.inf
        made = self._summary[1]
        status = _status(self.directory.path, self.record, self.fault, silent)
        left = self._left(made["done"], made["planned"]) if silent < SILENT else None
        return {**made, "status": status, "changed": self.tail.changed or None, "left": left}

    def _counted(self) -> dict[str, Any]:
        r, done = self.record, self.done
        score = self.score()
        states = [self.state(x, score) for x in self.results]
        return {
            "run": self.directory.name,
            "slug": self.slug,
            "task": r.task if r else "",
            "data": r.data if r else "",
            "model": r.model if r else "",
            "method": r.method if r else "",
            "settings": entry_of(self).settings if r else "",
            "done": done,
            "planned": max(done, r.counts.samples if r else 0),
            "right": states.count(RIGHT) if states else None,
            "wrong": states.count(WRONG) if states else None,
            "errors": states.count(ERROR) if states else r.counts.errors if r else 0,
            "damaged": self.tail.faults,
            "started": r.started if r else None,
            "finished": r.finished if r and r.status.ended else None,
            "metric": _metric(self.value()),
        }

    def _left(self, done: int, planned: int) -> float | None:
        """Seconds that the rest takes, by what samples took so far; None where that is not known."""
        if self.record is None or self.record.status is not Status.RUNNING or not done or done >= planned:
            return None
        spent = sum(r.latency for r in self.results)
        return spent / done * (planned - done) if spent else None

    def log(self) -> list[list[Any]]:
        """[kind, text] a line, oldest first: what happened beside the answers."""
        r = self.record
        lines: list[list[Any]] = []
        if r and r.started:
            lines.append(["info", f"{r.started}  started: {r.command or self.directory.name}"])
        if self.fault:
            lines.append(["error", self.fault])
        if self.tail.faults:
            lines.append(["error", f"{self.tail.faults} damaged lines of the journal are left out"])
        failed = [x for x in self.results if x.error]
        lines += [["error", f"{x.id}: {x.error['type']}: {x.error['message']}"] for x in failed if x.error]
        if r and r.finished and r.status is not Status.RUNNING:
            lines.append(["info", f"{r.finished}  {r.status.value}: {r.counts.done} samples, {r.counts.errors} errors"])
        return [*lines[:1], *lines[1:][-LOGGED:]]


def found(results: Path, known: Mapping[str, LiveRun]) -> dict[str, LiveRun]:
    """Every run directory by its name, those that are known already kept."""
    folder = results / "runs"
    try:
        names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        names = []
    return {n: known.get(n) or LiveRun(d := RunDir(results, n), Tail(d.journal)) for n in names}


def entry_of(run: LiveRun) -> BoardEntry:
    """A run as boards know it, whether it ended or not."""
    r = run.record
    assert r is not None
    value = run.value()
    row: Row = {
        "run": run.directory.name,
        **{k: getattr(r, k) for k in ("task", "data", "model", "method", "task_version", "limit", "identity")},
        **{k: getattr(r, k) for k in ("config", "task_facts", "model_facts")},
        "status": r.status.value,
        "samples": r.counts.samples,
        "done": run.done,
        "errors": sum(x.error is not None for x in run.results) or r.counts.errors,
        "metric": value.name if value else None,
        "higher_is_better": value.higher_is_better if value else True,
        **{k: getattr(value, k) if value else None for k in ("value", "low", "high")},
    }
    return BoardEntry(row, [])


def row_of(result: Result) -> Row:
    """A result as the database gives it."""
    outcome, error = result.outcome, result.error or {}
    return {
        "id": result.id,
        "answer": outcome.answer if outcome else None,
        "verdict": outcome.verdict if outcome else None,
        "scores": dict(outcome.scores) if outcome else {},
        "fault": error.get("type"),
        "message": error.get("message"),
        "latency": result.latency,
        **{k: getattr(result, k) for k in ("new_tokens", "prompt", "prompt_tokens", "finish")},
    }


def item_of(result: Result) -> Row:
    """What a result says about its item."""
    noted = result.outcome.details if result.outcome else {}
    return {
        "id": result.id,
        "cluster": result.cluster,
        "group": result.group,
        "target": json.dumps(result.target),
        "question": noted.get("question"),
        "image": noted.get("image"),
        "scores": list(result.outcome.scores) if result.outcome else [],
    }


def _status(folder: Path, r: RunRecord | None, fault: str, silent: float) -> str:
    if r is None:
        starting = held(folder) or not (folder / LOCK).exists()
        return "damaged" if fault else "starting" if starting else "interrupted"
    if r.status is Status.RUNNING and silent > SILENT:
        return "silent"
    return r.status.value


def _plain(score: Score, scored: Sequence[Result]) -> Metric | None:
    """The mean of the judged score, or the ratio of its parts' sums."""
    above, below = score.parts
    rows = [(r, r.outcome.scores) for r in scored if r.outcome and above in r.outcome.scores]
    if not rows:
        return None
    clusters = [r.cluster for r, _ in rows]
    values = np.array([s[above] for _, s in rows], float)
    if below:
        pairs = np.array([[s[above], s.get(below, 0.0)] for _, s in rows], float)
        made = jackknife(totals(pairs, clusters), _share, n=len(rows))
        return made.metric(score.name, primary=True, higher_is_better=score.higher_is_better)
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    bounds = (-math.inf, math.inf) if not binary else (0.0, 1.0)
    made = mean(values, clusters, binary, bounds)
    return made.metric(score.name, primary=True, higher_is_better=score.higher_is_better)


def _share(counts: Any) -> Any:
    """Above over below; NaN where below is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return counts[..., 0] / counts[..., 1]


def _metric(m: Metric | None) -> dict[str, Any] | None:
    if m is None or not math.isfinite(m.value):
        return None
    numbers = {k: v if v is None or math.isfinite(v) else None for k, v in (("low", m.low), ("high", m.high))}
    return {"name": m.name, "value": m.value, **numbers, "higher": m.higher_is_better is not False}
