"""Other tools' logs as runs of ours, marked as imported: `harness import PATH`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import Missing, first_line
from harness.core.files import left_behind
from harness.core.types import Metric, Result
from harness.interop import eleuther_logs, inspect_logs
from harness.interop.log import Log, Odd, Stated
from harness.runs import journal
from harness.runs.directory import RunDir
from harness.runs.identity import digest, run_name
from harness.runs.record import Counts, RunRecord, Status
from harness.stats import mean
from harness.stats.intervals import Z

KINDS = (".json", ".eval")
DATA = "imported"
"""The records' label: imported runs are never ranked beside runs of our own."""


@dataclass(frozen=True)
class Found:
    """What an import came to: run names, those that were there before, one line per file that was left out, and what
    else a user should know."""

    made: list[str]
    known: list[str]
    odd: list[str]
    notes: list[str]


def bring(paths: Iterable[Path], results: Path) -> Found:
    """Write one run directory per task of each log below the paths. The same log twice is one run.

    Raises Missing where a path does not exist.
    """
    found = Found([], [], [], [])
    for path in paths:
        try:
            if not path.exists():
                raise Missing(f"{path} does not exist: give a results file, an .eval log, or a folder of them")
        except OSError as e:
            raise Missing(f"{path} cannot be read ({e.strerror})") from e
        folder = path.is_dir()
        for file in _files(path) if folder else [path]:
            try:
                if not file.is_file():
                    raise Odd(f"{file} is not a file")
                logs = list(_logs(file, asked=not folder))
            except Odd as e:
                found.odd.append(str(e))
                continue
            except Exception as e:  # a foreign file can be wrong in more ways than there are checks
                found.odd.append(f"{file} is not a log that can be read: {type(e).__name__}: {first_line(e)}")
                continue
            for log in logs:
                try:
                    name, fresh = _write(log, results)
                except (ValueError, TypeError, AttributeError, OverflowError) as e:
                    found.odd.append(f"{file}: task {log.task} cannot be kept: {type(e).__name__}: {first_line(e)}")
                    continue
                (found.made if fresh else found.known).append(name)
                found.notes.extend(filter(None, [log.note]))
    return found


def _files(folder: Path) -> list[Path]:
    """The logs below a folder, without hidden files and the copies of other programs."""
    return sorted(p for p in folder.rglob("*") if p.suffix in KINDS and p.is_file() and not left_behind(p, folder))


def _logs(path: Path, asked: bool) -> Iterator[Log]:
    """The logs in a file. In a folder, JSON files of another kind are passed over without a word."""
    if path.suffix == ".jsonl":
        raise Odd(eleuther_logs.alone(path))
    head = inspect_logs.head_of(path) if path.suffix == ".eval" else eleuther_logs.head_of(path)
    for reader in (inspect_logs, eleuther_logs):
        if reader.fits(path, head):
            yield from reader.read(path, head)
            return
    if asked:
        raise Odd(f"{path} is not a log of lm-eval (results_*.json), lmms-eval (*_results.json) or Inspect (.eval)")


def _write(log: Log, results: Path) -> tuple[str, bool]:
    """(name of the run, whether it is new)."""
    hashes = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in log.files}
    asked = [[r.id, r.prompt, r.target] for r in log.results]
    identity = {
        "imported": {"tool": log.tool, "version": log.version, "files": hashes, "task": log.task},
        "task": {
            "name": f"{log.tool}.{log.task}",
            "version": log.task_version,
            "fingerprint": digest({"asked": asked}),
        },
        "model": {"name": log.model, "fingerprint": ""},
        "methods": [],
    }
    task = f"{log.tool}.{log.task}"
    directory = RunDir(results, run_name(task, DATA, log.method, log.model, digest(identity)))
    if directory.record() is not None:
        return directory.name, False
    with directory.locked(lambda: None):
        journal.write(directory.journal, log.results)
        directory.write_metrics(_metrics(log))
        directory.write_record(_record(log, task, directory.name, identity))
    return directory.name, True


def _record(log: Log, task: str, name: str, identity: dict[str, Any]) -> RunRecord:
    errors = sum(r.error is not None for r in log.results)
    total = len(log.results)
    tool = {"lm_eval": "lm-eval", "lmms_eval": "lmms-eval", "inspect": "inspect_ai"}[log.tool]
    return RunRecord(
        run=name,
        status=Status.PARTIAL if log.aborted or errors else Status.DONE,
        task=task,
        task_version=log.task_version,
        data=DATA,
        model=log.model,
        method=log.method,
        methods=[m for m in log.method.split("+") if m != "vanilla"],
        limit=log.limit,
        identity=identity,
        config={"imported": identity["imported"], "task": {"name": task}, "model": {"name": log.model}},
        environment={"packages": {tool: log.version}},
        command=f"imported from {tool}",
        started=log.started,
        finished=log.finished,
        counts=Counts(total, total, errors),
        task_facts={"imported from": tool, **log.settings},
    )


def _metrics(log: Log) -> list[Metric]:
    """The log's metrics, each with an interval over clusters where its samples are at hand, or by its own error."""
    out = []
    for number, one in enumerate(log.stated):
        scored = [(r, r.outcome.scores[one.name]) for r in log.results if r.outcome and one.name in r.outcome.scores]
        metric = _measured(one, scored) or _stated(one, len(log.results))
        out.append(Metric(**{**metric.__dict__, "primary": number == 0, "higher_is_better": one.higher_is_better}))
    return out


def _measured(one: Stated, scored: Sequence[tuple[Result, float]]) -> Metric | None:
    """With our interval, if the stated value is the mean of the samples' scores."""
    values = [v for _, v in scored]
    if not values or not math.isclose(math.fsum(values) / len(values), one.value, rel_tol=1e-9, abs_tol=1e-9):
        return None
    whole = bool(np.isin(values, (0.0, 1.0)).all())
    bounds = (0.0, 1.0) if all(0 <= v <= 1 for v in values) else (-math.inf, math.inf)
    metric = mean(values, [r.cluster for r, _ in scored], whole, bounds).metric(one.name)
    return Metric(**{**metric.__dict__, "score": one.name})


def _stated(one: Stated, n: int) -> Metric:
    """With the log's own standard error, or none."""
    if one.stderr is None:
        return Metric(one.name, one.value, n=n, note="as the log states it, without an error")
    low, high = one.value - Z * one.stderr, one.value + Z * one.stderr
    return Metric(one.name, one.value, "all", one.stderr, low, high, n, 0, note="value and standard error of the log")
