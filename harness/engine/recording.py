"""A run's record as the run begins, is ready to play, and ends."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.engine.executors.executor import Executor
from harness.engine.plan import Plan
from harness.engine.prepare import Prepared
from harness.engine.rescoring import COSTS
from harness.plugins.build import build_decoding
from harness.runs.environment import environment
from harness.runs.record import Counts, Damaged, RunRecord, Status, now, requests_so_far

KEPT = ("rescored_from", "command", "started", "more", *COSTS)
"""Fields of the record that stay when a run is resumed."""


@dataclass(frozen=True)
class Clock:
    """Wall and CPU seconds of this process since it was made."""

    wall: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=time.process_time)

    def of(self, record: RunRecord) -> RunRecord:
        """The record with these seconds added."""
        return replace(
            record,
            finished=now(),
            wall_seconds=round((record.wall_seconds or 0.0) + time.monotonic() - self.wall, 3),
            cpu_seconds=round((record.cpu_seconds or 0.0) + time.process_time() - self.cpu, 3),
        )


def known(plan: Plan, say: Callable[[str], None] = lambda _: None) -> RunRecord | None:
    """The run's record; None before it has begun, and where its record was cut short: the journal is the truth."""
    try:
        return plan.directory.record()
    except Damaged as e:
        say(f"{e}: it is rewritten from the journal")
        return None


def begun(plan: Plan, total: int, done: int, taken: Mapping[str, Any]) -> RunRecord:
    """The record of a run that begins or resumes with `done` of `total` samples. `taken`: facts of another run."""
    before = known(plan)
    requests, asked = requests_so_far(plan.directory.path) if before else (0, 0)
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
        decoding=build_decoding(plan.config["decoding"], plan.task).facts(),
        seed=plan.config["seed"],
        # A selection is a partial draw to whatever asks the record for one.
        limit=total if plan.config["limit"] is None and plan.selected else plan.config["limit"],
        identity=plan.identity,
        code=plan.code,
        config=plan.config,
        command=played_by(plan.config),
        started=now(),
        wall_seconds=0.0,
        cpu_seconds=0.0,
        counts=Counts(total, done, requests=requests, asked=asked),
        task_facts=plan.task.describe(),
    )
    kept = {k: v for k in KEPT if before is not None and (v := getattr(before, k))}
    facts = {**kept, **taken, "environment": environment() | taken.get("environment", {})}
    return replace(made, **facts)


def ready(record: RunRecord, made: Prepared) -> RunRecord:
    """The record once its model is loaded."""
    return replace(
        record,
        calibrations=made.calibrations,
        model_facts=made.model_facts,
        environment=environment() | {"hardware": made.hardware},
    )


def spent(record: RunRecord, executor: Executor | None) -> RunRecord:
    """The record with what an executor asked and used, added to what earlier ones did. None: it needed no executor."""
    if executor is None:
        return record
    counts, before = executor.counts, record.counts
    work = Counter(record.work) + executor.work() + Counter(samples=counts.done)
    return replace(
        record,
        counts=replace(
            before, requests=(before.requests or 0) + counts.requests, asked=(before.asked or 0) + counts.asked
        ),
        work=dict(work),
        peak_memory_bytes=executor.peak(),
    )


def played_by(config: Mapping[str, Any]) -> str:
    """The command that plays this run, of a sweep this run alone."""
    return shlex.join(["harness", "eval", *config.get("overrides", ())])
