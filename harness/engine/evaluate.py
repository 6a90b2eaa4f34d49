"""One run from its configuration to its numbers: identity, resume, schedule, metrics, store."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import DONE, INCOMPLETE, INTERRUPTED, NO, UsageError
from harness.core.types import Metric, Result, Sample
from harness.engine import calibration, memory
from harness.engine.build import build_decoding
from harness.engine.changes import since
from harness.engine.composed import Run, compose
from harness.engine.conclusion import concluded
from harness.engine.environment import environment
from harness.engine.journal import Journal
from harness.engine.play import planned, scheduler, steering
from harness.engine.rescoring import Taken, candidates, take
from harness.engine.rundir import ENDED, SCHEMA
from harness.engine.schedule import Interrupted
from harness.engine.sequential import Sequential
from harness.engine.sharded import Sharded

EXIT = {"done": DONE, "partial": INCOMPLETE, "failed": NO, "interrupted": INTERRUPTED}


class Listener(Protocol):
    """What watches a run: a console, a logger. Its faults never fail a run."""

    def started(self, record: dict[str, Any], samples: Sequence[Sample], finished: list[Result]) -> None: ...
    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None: ...
    def say(self, message: str) -> None: ...
    def ended(self, record: dict[str, Any], metrics: list[Metric], *, from_store: bool) -> None: ...


def evaluate(config: dict[str, Any], listener: Listener) -> int:
    """Play one run to its end, or answer from what is already there. Returns the exit code."""
    rows = _rows(config["batch_size"])
    if config["retry"] not in (None, "errors"):
        raise UsageError(f"retry={config['retry']} is unknown: give retry=errors or leave it out")
    if config["limit"] is not None and (not isinstance(config["limit"], int) or config["limit"] < 1):
        raise UsageError(f"limit={config['limit']} leaves nothing to do: give 1 or more, or leave it out")
    run = compose(config)
    answered = _answered(run, run.directory.record())
    older = [] if answered else candidates(run)
    if not answered and not older:
        _ = run.methods  # refuses bad values before anything is written
    with run.directory.locked(lambda: listener.say(f"another process plays {run.directory.name}: waiting for it")):
        record = run.directory.record()
        if record and _answered(run, record):
            listener.ended(record, run.directory.metrics(), from_store=True)
            return EXIT[record["status"]]
        taken = take(run, older, listener.say)
        if record is None and not taken.rows and (line := since(run)):
            listener.say(line)
        drop = bool(record) and _retried(run, record)
        record, metrics = _play(run, rows, listener, taken, drop_errors=drop)
        if record["status"] != "interrupted":
            _ingest(run, listener)
        listener.ended(record, metrics, from_store=False)
        return EXIT[record["status"]]


def _retried(run: Run, record: dict[str, Any]) -> bool:
    """Whether failed samples of a finished run are asked again."""
    return run.config["retry"] == "errors" and record["status"] in ("partial", "failed")


def _answered(run: Run, record: dict[str, Any] | None) -> bool:
    return record is not None and record["status"] in ENDED and not _retried(run, record)


def _play(
    run: Run, rows: int | None, listener: Listener, taken: Taken, *, drop_errors: bool
) -> tuple[dict[str, Any], list[Metric]]:
    """Play what is missing, score all, write the run's record. What it held in memory is free when it returns."""
    task, model, config = run.task, run.model, run.config
    samples = planned(task, config)
    early = Sequential.of(run, config, samples) if config["stop_early"] else None
    if early:
        samples = early.shuffled(samples, config["seed"])
    decoding = build_decoding(config["decoding"], task)
    journal = Journal(run.directory.journal, drop_errors=drop_errors)
    record = _record(run, decoding, len(samples), taken.facts)
    run.directory.write_record(record)
    journal.append(taken.rows)
    results = {r.id: r for r in (*journal.finished, *taken.rows)}
    listener.started(record, samples, list(results.values()))
    began, cpu = time.monotonic(), time.process_time()

    def score() -> Metric | None:
        metrics = task.metrics(list(results.values()))
        return next((m for m in metrics if m.primary), None)

    def report(batch: list[Result]) -> None:
        journal.append(batch)
        results.update((r.id, r) for r in batch)
        listener.progress(batch, score)

    interrupted = False
    counts = None
    before: Counter[str] | None = None
    sharded: Sharded | None = None
    try:
        with _interruptible(listener) as stop:
            missing = [s for s in samples if s.id not in results]
            if missing and config["executor"]["name"] == "ray":
                sharded = Sharded(config, rows, report, stop, listener.say)
                facts = sharded.start()
                record |= {"calibrations": facts["calibrations"], "model_facts": facts["model_facts"]}
                record["environment"] = environment() | {"hardware": facts["hardware"]}
            elif missing:
                inner = steering(run.methods)
                model.load(inner)
                memory.start()
                record["calibrations"] = calibration.provide(
                    inner, model, config["calibration"], Path(config["results"]), listener.say
                )
                record["model_facts"] = model.describe()
                before = Counter(model.work())
                record["environment"] = environment() | {"hardware": _hardware()}
            if missing:
                looks = {"window": early.window, "enough": lambda: early.decided(results)} if early else {}
                player = sharded or scheduler(run, rows, report, stop=stop, **looks)
                counts = player.counts
                with memory.settled():
                    player.run(samples, results.keys())
    except Interrupted:
        interrupted = True
    except BaseException:
        record |= {"status": "interrupted", "finished": _now()}
        run.directory.write_record(record)
        raise
    finally:
        journal.close()
        task.close()
        model.close()
        if sharded:
            sharded.close()
    ordered = [results[s.id] for s in samples if s.id in results]
    if early:
        record["sequential"] = early.verdict(results)
    facts, metrics = concluded(task, ordered, len(samples), interrupted=interrupted)
    if counts:
        facts["counts"] |= {"requests": counts.requests, "asked": counts.asked}
    record |= {
        **facts,
        "finished": _now(),
        "wall_seconds": round(record["wall_seconds"] + time.monotonic() - began, 3),
        "cpu_seconds": round(record["cpu_seconds"] + time.process_time() - cpu, 3),
    }
    if counts and (sharded or before is not None):
        work = sharded.work if sharded else Counter(model.work()) - (before or Counter())
        peak = sharded.peak if sharded else memory.peak()
        record |= {"work": Counter(record["work"]) + work + Counter(samples=counts.done), "peak_memory_bytes": peak}
    if not interrupted:
        run.directory.write_metrics(metrics)
    run.directory.write_record(record)
    return record, metrics


def _ingest(run: Run, listener: Listener) -> None:
    """Index the run in DuckDB. The directory is the truth, so a fault here is said, and loses nothing."""
    from harness.store import ingest

    try:
        ingest(Path(run.config["results"]), [run.directory.path])
    except Exception as e:
        line = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        listener.say(f"the run is complete but not yet in harness.duckdb ({line}): harness ingest adds it later")


def _record(run: Run, decoding: Any, total: int, taken: dict[str, Any]) -> dict[str, Any]:
    before = (run.directory.record() or {}) | taken
    return {
        "schema": SCHEMA,
        "run": run.directory.name,
        "status": "running",
        "task": run.task.name,
        "task_version": run.task.version,
        "cluster": run.task.cluster,
        "scores": [asdict(s) for s in run.task.scores],
        "data": str(run.config["task"].get("data") or "default"),
        "model": run.model.name,
        "model_fingerprint": run.identity["model"]["fingerprint"],
        "method": run.label,
        "methods": run.names,
        "decoding": asdict(decoding),
        "seed": run.config["seed"],
        "limit": run.config["limit"],
        "identity": run.identity,
        "code": run.code,
        "config": run.config,
        "environment": environment() | taken.get("environment", {}),
        **({"rescored_from": before["rescored_from"]} if "rescored_from" in before else {}),
        "command": before.get("command") or _command(run.config),
        "started": before.get("started") or _now(),
        "finished": None,
        "wall_seconds": before.get("wall_seconds", 0.0),
        "cpu_seconds": before.get("cpu_seconds", 0.0),
        "work": before.get("work", {}),
        "peak_memory_bytes": before.get("peak_memory_bytes"),
        "counts": {"samples": total, "done": 0, "errors": 0, "requests": 0, "asked": 0},
        "task_facts": run.task.describe(),
        "calibrations": before.get("calibrations", []),
        "model_facts": before.get("model_facts", {}),
        "errors": [],
    }


@contextmanager
def _interruptible(listener: Listener) -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask the run to stop after the batch; a second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, _frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        listener.say("stopping after this batch; press Ctrl-C again to stop at once")

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rows(batch_size: Any) -> int | None:
    if batch_size == "auto":
        return None
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size={batch_size} is no size: give auto or a whole number of rows, 1 or more")
    return batch_size


def _hardware() -> dict[str, Any]:
    from harness.engine.environment import hardware

    return hardware()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command(config: dict[str, Any]) -> str:
    """The command that plays this run, of a sweep this run alone."""
    return shlex.join(["harness", "eval", *config.get("overrides", ())])
