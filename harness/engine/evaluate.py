"""One run from its configuration to its numbers: identity, resume, schedule, metrics, store."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import DONE, INCOMPLETE, INTERRUPTED, NO, UsageError, first_line
from harness.core.score import primary
from harness.core.types import Metric, Result, Sample
from harness.engine import memory
from harness.engine.changes import since
from harness.engine.conclusion import concluded
from harness.engine.early_stopping import Sequential
from harness.engine.executors.ray import Sharded
from harness.engine.plan import Plan, compose
from harness.engine.play import planned, scheduler
from harness.engine.prepare import prepared
from harness.engine.rescoring import COSTS, Taken, candidates, take
from harness.engine.schedule import Interrupted
from harness.plugins.build import build_decoding
from harness.runs.environment import environment
from harness.runs.journal import Journal
from harness.runs.record import Counts, RunRecord, Status, now

EXIT = {Status.DONE: DONE, Status.PARTIAL: INCOMPLETE, Status.FAILED: NO, Status.INTERRUPTED: INTERRUPTED}


KEPT = ("rescored_from", "command", "started", "more", *COSTS)
"""Fields of the record that stay when a run is resumed."""


class Listener(Protocol):
    """What watches a run: a console, a logger. Its faults never fail a run."""

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: list[Result]) -> None: ...
    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None: ...
    def say(self, message: str) -> None: ...
    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None: ...


def evaluate(config: dict[str, Any], listener: Listener) -> int:
    """Play one run to its end, or answer from what is already there. Returns the exit code."""
    rows = _rows(config["batch_size"])
    if config["retry"] not in (None, "errors"):
        raise UsageError(f"retry={config['retry']} is unknown: give retry=errors or leave it out")
    if config["limit"] is not None and (not isinstance(config["limit"], int) or config["limit"] < 1):
        raise UsageError(f"limit={config['limit']} leaves nothing to do: give 1 or more, or leave it out")
    plan = compose(config)
    answered = _answered(plan, plan.directory.record())
    older = [] if answered else candidates(plan)
    if not answered and not older:
        _ = plan.methods  # refuses bad values before anything is written
    with plan.directory.locked(lambda: listener.say(f"another process is running {plan.directory.name}: waiting")):
        record = plan.directory.record()
        if record and _answered(plan, record):
            listener.ended(record, plan.directory.metrics(), from_store=True)
            return EXIT[record.status]
        taken = take(plan, older, listener.say)
        if record is None and not taken.rows and (line := since(plan)):
            listener.say(line)
        drop = record is not None and _retried(plan, record)
        record, metrics = _play(plan, rows, listener, taken, drop_errors=drop)
        if record.status.ended:
            _ingest(plan, listener)
        listener.ended(record, metrics, from_store=False)
        return EXIT[record.status]


def _retried(plan: Plan, record: RunRecord) -> bool:
    """Whether failed samples of a finished run are asked again."""
    return plan.config["retry"] == "errors" and record.status in (Status.PARTIAL, Status.FAILED)


def _answered(plan: Plan, record: RunRecord | None) -> bool:
    return record is not None and record.status.ended and not _retried(plan, record)


def _play(
    plan: Plan, rows: int | None, listener: Listener, taken: Taken, *, drop_errors: bool
) -> tuple[RunRecord, list[Metric]]:
    """Play what is missing, score all, write the run's record. What it held in memory is free when it returns."""
    task, model, config = plan.task, plan.model, plan.config
    samples = planned(task, config)
    early = Sequential.of(plan, config, samples) if config["stop_early"] else None
    if early:
        samples = early.shuffled(samples, config["seed"])
    decoding = build_decoding(config["decoding"], task)
    journal = Journal(plan.directory.journal, drop_errors=drop_errors)
    record = _record(plan, decoding, len(samples), taken.facts)
    plan.directory.write_record(record)
    journal.append(taken.rows)
    results = {r.id: r for r in (*journal.finished, *taken.rows)}
    listener.started(record, samples, list(results.values()))
    began, cpu = time.monotonic(), time.process_time()

    def score() -> Metric | None:
        return primary(task.metrics(list(results.values())))

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
            if missing:
                if config["executor"]["name"] == "ray":
                    sharded = Sharded(config, rows, report, stop, listener.say)
                    made = sharded.start()
                else:
                    made = prepared(plan, listener.say)
                    before = Counter(model.work())
                for line in model.remarks():
                    listener.say(line)
                record = replace(
                    record,
                    calibrations=made["calibrations"],
                    model_facts=made["model_facts"],
                    environment=environment() | {"hardware": made["hardware"]},
                )
                looks = {"window": early.window, "enough": lambda: early.decided(results)} if early else {}
                player = sharded or scheduler(plan, rows, report, stop=stop, **looks)
                counts = player.counts
                with memory.settled():
                    player.run(samples, results.keys())
    except Interrupted:
        interrupted = True
    except BaseException:
        plan.directory.write_record(replace(record, status=Status.INTERRUPTED, finished=now()))
        raise
    finally:
        journal.close()
        task.close()
        model.close()
        if sharded:
            sharded.close()
    ordered = [results[s.id] for s in samples if s.id in results]
    found = concluded(task, ordered, len(samples), interrupted=interrupted)
    record = replace(
        found.of(record),
        finished=now(),
        wall_seconds=round((record.wall_seconds or 0.0) + time.monotonic() - began, 3),
        cpu_seconds=round((record.cpu_seconds or 0.0) + time.process_time() - cpu, 3),
        sequential=early.verdict(results) if early else None,
    )
    if counts:
        record = replace(record, counts=replace(record.counts, requests=counts.requests, asked=counts.asked))
    if counts and (sharded or before is not None):
        work = sharded.work if sharded else Counter(model.work()) - (before or Counter())
        peak = sharded.peak if sharded else memory.peak()
        done = Counter(record.work) + work + Counter(samples=counts.done)
        record = replace(record, work=dict(done), peak_memory_bytes=peak)
    if not interrupted:
        plan.directory.write_metrics(found.metrics)
    plan.directory.write_record(record)
    return record, found.metrics


def _ingest(plan: Plan, listener: Listener) -> None:
    """Index the run in DuckDB. The directory is the truth, so a fault here is reported and loses nothing."""
    from harness.store import ingest

    try:
        ingest(Path(plan.config["results"]), [plan.directory.path])
    except Exception as e:
        listener.say(
            f"the run is complete but not yet in harness.duckdb ({first_line(e)}): harness ingest adds it later"
        )


def _record(plan: Plan, decoding: Any, total: int, taken: dict[str, Any]) -> RunRecord:
    """The record of a run that begins or is resumed. `taken`: facts that it takes over from another."""
    made = RunRecord(
        run=plan.directory.name,
        status=Status.RUNNING,
        task=plan.task.name,
        task_version=plan.task.version,
        cluster=plan.task.cluster,
        scores=tuple(plan.task.scores),
        data=str(plan.config["task"].get("data") or "default"),
        model=plan.model.name,
        model_fingerprint=plan.identity["model"]["fingerprint"],
        method=plan.label,
        methods=plan.names,
        decoding=asdict(decoding),
        seed=plan.config["seed"],
        limit=plan.config["limit"],
        identity=plan.identity,
        code=plan.code,
        config=plan.config,
        command=_command(plan.config),
        started=now(),
        wall_seconds=0.0,
        cpu_seconds=0.0,
        counts=Counts(total, requests=0, asked=0),
        task_facts=plan.task.describe(),
    )
    before = plan.directory.record()
    kept = {k: v for k in KEPT if before is not None and (v := getattr(before, k))}
    facts = {**kept, **taken, "environment": environment() | taken.get("environment", {})}
    return replace(made, **facts)


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
        raise UsageError(f"invalid batch_size={batch_size}: use auto or a positive integer")
    return batch_size


def _command(config: dict[str, Any]) -> str:
    """The command that plays this run, of a sweep this run alone."""
    return shlex.join(["harness", "eval", *config.get("overrides", ())])
