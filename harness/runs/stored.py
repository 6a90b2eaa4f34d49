"""Finished and unfinished runs as they lie in `results/runs/`, found by name or by what they ran."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import Missing, UsageError, nearest
from harness.core.readings import Reading
from harness.core.score import primary
from harness.core.types import Metric, Result
from harness.plugins.registry import unknown
from harness.runs import journal, readings, record
from harness.runs.directory import RunDir
from harness.runs.record import Damaged, Misplaced, RunRecord

if TYPE_CHECKING:
    from harness.runs.columns import Column

FILTERS = ("task", "data", "model", "method", "status", "seed", "limit")
LEFT_OUT = "left out: "


@dataclass(frozen=True)
class StoredRun:
    """One run directory."""

    directory: RunDir
    record: RunRecord

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def metrics(self) -> list[Metric]:
        return self._metrics

    @cached_property
    def _metrics(self) -> list[Metric]:
        return self.directory.metrics()

    @property
    def primary(self) -> Metric | None:
        return primary(self.metrics)

    def cost(self) -> dict[str, float]:
        """What a sample cost: `seconds`, `tokens_per_second`, `passes` and `positions` of the decoder (samples that
        an interrupted process did not account for are left out), and `peak_memory_gib` of the run. Where a model thinks
        before it answers, `thinking_tokens`, and their share of the time by tokens, `thinking_seconds`."""
        played = [r for r in self.results() if r.calls]
        seconds = sum(r.latency for r in played)
        found: dict[str, float] = {}
        if seconds:
            found["seconds"] = seconds / len(played)
            found["tokens_per_second"] = sum(r.new_tokens for r in played) / seconds
        if seconds and (thought := sum(r.thinking_tokens for r in played)):
            share = sum(r.latency * r.thinking_tokens / r.new_tokens for r in played if r.new_tokens)
            found |= {"thinking_tokens": thought / len(played), "thinking_seconds": share / len(played)}
        work = self.record.work
        if work.get("samples"):
            found |= {k: work[k] / work["samples"] for k in ("passes", "positions") if k in work}
        if self.record.peak_memory_bytes:
            found["peak_memory_gib"] = self.record.peak_memory_bytes / 2**30
        return found

    def results(self) -> list[Result]:
        return journal.read(self.directory.journal)

    def readings(self, name: str | None = None) -> dict[str, dict[str, Reading]]:
        """What probes read, by sample and `probe.name`; empty where the run had none. `name`: one reading alone."""
        return readings.read(self.directory.path, name)

    def columns(self, number: Mapping[str, int]) -> list[Column]:
        """What probes read, as arrays over the samples that are numbered."""
        from harness.runs.columns import columns

        return columns(self.directory.path, number)

    def faults(self) -> list[str]:
        """One phrase for each damaged line of its journal, whose samples are not among its results."""
        return journal.scan(self.directory.journal)[1]


def folder(name: str | Path) -> Path:
    """The results folder. Raises Missing if it holds no runs."""
    path = Path(name)
    if not (path / "runs").is_dir():
        raise Missing(f"{path} holds no runs: harness eval makes the first one, or name another folder by results=DIR")
    return path


def stored(results: Path, damaged: Callable[[str], None] = lambda _: None) -> list[StoredRun]:
    """Every readable run, newest first; of those that started in the same second, the one written last. Hidden folders
    are not looked at.

    `damaged` is told one line about each run that cannot be read.
    """
    runs = []
    for path in (results / "runs").glob("*/run.json"):
        if path.parent.name.startswith("."):
            continue
        directory = RunDir(results, path.parent.name)
        try:
            found, written = record.read(directory.path), path.stat().st_mtime_ns
        except (OSError, Damaged) as e:
            damaged(f"{e}: left out; the run's command rewrites it")
            continue
        except Misplaced as e:
            damaged(f"{LEFT_OUT}{e}")
            continue
        if found is not None:
            runs.append(((found.started or "", written, directory.name), StoredRun(directory, found)))
    return [run for _, run in sorted(runs, key=lambda pair: pair[0], reverse=True)]


def select(results: Path, filters: Sequence[str], damaged: Callable[[str], None] = lambda _: None) -> list[StoredRun]:
    """Runs for which every KEY=VALUE holds. Raises UsageError for an unknown key."""
    wanted = {}
    for word in filters:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"invalid filter {word!r}: write KEY=VALUE with one of {', '.join(FILTERS)}")
        if key not in FILTERS:
            raise UsageError(f"unknown filter: {key}: {nearest(key, FILTERS)}")
        if key == "status" and value not in (known := [status.value for status in record.Status]):
            raise UsageError(f"unknown status: {value}: {nearest(value, known)}")
        if key in ("seed", "limit") and not re.fullmatch(r"-?\d+|None", value):
            raise UsageError(f"invalid filter {word}: {key} is a whole number")
        wanted[key] = value
    return [r for r in stored(results, damaged) if all(str(getattr(r.record, k)) == v for k, v in wanted.items())]


def readable(runs: Iterable[StoredRun], damaged: Callable[[str], None]) -> list[StoredRun]:
    """Those whose metrics can be read; `damaged` is told one line about each of the others."""
    found = []
    for run in runs:
        try:
            run.metrics  # noqa: B018
        except Damaged as e:
            damaged(f"{e}: left out")
        else:
            found.append(run)
    return found


def named(results: Path, name: str) -> StoredRun | None:
    """The run of exactly this name. Raises Damaged where its record cannot be read, and Misplaced where it is another
    run's."""
    directory = RunDir(results, name)
    found = record.read(directory.path)
    return None if found is None else StoredRun(directory, found)


def find(results: Path, word: str) -> StoredRun:
    """The run of that name, unique beginning or unique hash. Raises UsageError with the nearest names, and Damaged
    where that run cannot be read or its folder holds another."""
    faults: list[str] = []
    runs = stored(results, faults.append)
    exact = [r for r in runs if r.name == word]
    found = exact or [r for r in runs if r.name.startswith(word) or r.name.rsplit("-", 1)[-1].startswith(word)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{word} may mean {len(found)} runs, name one: {', '.join(r.name for r in found[:5])}")
    if fault := next((f for f in faults if f"/{word}" in f), ""):
        raise Damaged(fault.removeprefix(LEFT_OUT))
    if not runs:
        raise UsageError(f"{results} holds no runs: harness eval makes the first one")
    raise UsageError(unknown("run", word, [r.name for r in runs]))
