"""One run from its configuration to its numbers: identity, resume, schedule, metrics, store."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import DONE, INCOMPLETE, INTERRUPTED, NO, UsageError, first_line, writing
from harness.core.score import primary
from harness.core.types import Metric, Result, Sample
from harness.engine import memory
from harness.engine.alike import Alike
from harness.engine.changes import since
from harness.engine.conclusion import concluded
from harness.engine.early_stopping import Sequential
from harness.engine.episode import FirstError
from harness.engine.executors.executor import Executor, Order, executor
from harness.engine.finished import Finished
from harness.engine.interrupt import interruptible
from harness.engine.judging import Judged, graded
from harness.engine.listener import Listener
from harness.engine.plan import Plan, compose
from harness.engine.play import planned
from harness.engine.recording import Clock, begun, known, ready, spent
from harness.engine.rescoring import Taken, candidates, take
from harness.engine.schedule import Interrupted
from harness.engine.streamed import HELD
from harness.judge import Judge
from harness.plugins import raised
from harness.runs import journal as journals
from harness.runs.journal import Journal
from harness.runs.pictures import kept
from harness.runs.readings import Recorder, chosen
from harness.runs.record import RunRecord, Status, now

EXIT = {Status.DONE: DONE, Status.PARTIAL: INCOMPLETE, Status.FAILED: NO, Status.INTERRUPTED: INTERRUPTED}


@writing()
def evaluate(config: dict[str, Any], listener: Listener) -> int:
    """Play one run to its end, or answer from what is already there. Returns the exit code."""
    with raised.named(traced=bool(config.get("debug"))):
        return _evaluated(config, listener)


def _evaluated(config: dict[str, Any], listener: Listener) -> int:
    rows = checked(config)
    plan = compose(config)
    record = known(plan, listener.say)
    if record is not None and _answered(plan, record):
        return _from_store(plan, record, listener)
    older = candidates(plan)
    if not older:
        _ = plan.methods  # refuses bad values before anything is written
    with plan.directory.locked(lambda: listener.say(f"another process is running {plan.directory.name}: waiting")):
        record = known(plan)
        if record is not None and _answered(plan, record):
            return _from_store(plan, record, listener)
        taken = take(plan, older, listener.say)
        if record is None and not taken.rows and (reason := since(plan)):
            listener.say(f"asking again: {reason}")
        drop = record is not None and _retried(plan, record)
        record, metrics = _play(plan, rows, listener, taken, drop_errors=drop)
        if record.status.ended:
            _ingest(plan, listener)
        listener.ended(record, metrics, from_store=False)
        return _exit(record)


def _exit(record: RunRecord) -> int:
    """Incomplete where a judge's verdicts are missing for a fault, as where answers are."""
    code = EXIT[record.status]
    return INCOMPLETE if code == DONE and _unjudged(record) else code


def _unjudged(record: RunRecord) -> bool:
    return bool(record.judge and record.judge.get("failed"))


def checked(config: dict[str, Any]) -> int | None:
    """The rows of a batch; None for the model's own choice. Raises UsageError where a setting cannot be."""
    rows = _rows(config["batch_size"])
    if config["retry"] not in (None, "errors"):
        raise UsageError(f"retry={config['retry']} is unknown: give retry=errors or leave it out")
    if config["limit"] is not None and (not isinstance(config["limit"], int) or config["limit"] < 1):
        raise UsageError(f"limit={config['limit']} leaves nothing to do: give 1 or more, or leave it out")
    if config.get("fewshot", 0) < 0:
        raise UsageError(f"fewshot={config['fewshot']} is negative: give the number of examples")
    if not isinstance(keep := config["probe"]["keep"], int) or isinstance(keep, bool) or keep < 0:
        raise UsageError(f"probe.keep={keep} is not a number of samples: give 0 or more")
    if config.get("offset", 0) < 0:
        raise UsageError(f"offset={config['offset']} is negative: give the number of samples to leave out")
    if config.get("debug") and config["executor"]["name"] != "local":
        raise UsageError("debug=true raises errors in this process: leave executor= out")
    if config.get("max_equal_errors", 0) < 0:
        raise UsageError(f"max_equal_errors={config['max_equal_errors']} is negative: give 0 to never give up, or more")
    return rows


def _retried(plan: Plan, record: RunRecord) -> bool:
    """Whether failed samples of a finished run are asked again, and failed requests of its judge."""
    asked = plan.config["retry"] == "errors" or plan.config.get("debug")
    return bool(asked) and (record.status in (Status.PARTIAL, Status.FAILED) or _unjudged(record))


def _answered(plan: Plan, record: RunRecord) -> bool:
    most = plan.config.get("max_equal_errors")
    if record.stopped and most is not None and (most == 0 or most > record.counts.errors):
        return False  # it was given up, and may go further now
    return record.status.ended and not _retried(plan, record) and plan.directory.whole(record)


def _from_store(plan: Plan, record: RunRecord, listener: Listener) -> int:
    """Answer from what is there; a run that was killed before it was indexed is indexed now."""
    from harness.store import indexed

    if not indexed(Path(plan.config["results"]), record):
        _ingest(plan, listener)
    listener.ended(record, plan.directory.metrics(), from_store=True)
    return _exit(record)


def _play(
    plan: Plan, rows: int | None, listener: Listener, taken: Taken, *, drop_errors: bool
) -> tuple[RunRecord, list[Metric]]:
    """Play what is missing, score all, write the run's record. What it held in memory is free when it returns."""
    samples = planned(plan.task, plan.config)
    early = Sequential.of(plan, plan.config, samples) if plan.config["stop_early"] else None
    if early:
        samples = early.shuffled(samples, plan.config["seed"])
    probing = plan.directory.begun and _probes(plan)
    recorder = Recorder(plan.directory.path, chosen((s.id for s in samples), plan.keep))
    unread = lambda r: probing and r.outcome is not None and str(r.id) not in recorder.ids  # noqa: E731
    journal = Journal(plan.directory.journal, drop_errors=drop_errors, incomplete=unread)
    if journal.faults:
        more = f" and {len(journal.faults) - 1} more lines are" if len(journal.faults) > 1 else ""
        listener.say(f"{plan.directory.journal}: {journal.faults[0]}{more}: what is missing is asked again")
    results = Finished(journal, None if early or plan.judge else HELD)
    alike = Alike(plan.config.get("max_equal_errors", 0))
    for place, result in journal.rows():
        results.add([result], [place])
        alike.add([result])
    record = begun(plan, len(samples), len(results) + len(taken.rows), taken.facts)
    plan.directory.write_record(record)
    given = recorder.take(taken.rows, probing=False)
    results.add(given, journal.append(given))
    alike.add(given)
    listener.started(record, samples, results.all())
    clock, player, interrupted = Clock(), None, False

    def report(batch: list[Result]) -> None:
        batch = [kept(plan.directory.path, r) for r in recorder.take(batch, _probes(plan))]
        results.add(batch, journal.append(batch))
        alike.add(batch)
        listener.progress(batch, lambda: _running(plan, results))

    def leave(record: RunRecord) -> None:
        """Write what is kept for the same command, without a score."""
        with suppress(OSError):  # a full disk: the record still says that the run is not over
            unscored = concluded(plan.task, results.all(), len(samples), interrupted=True)
            plan.directory.write_record(unscored.of(record))

    try:
        with interruptible(listener.say) as stop:
            done = results.ids()
            if any(s.id not in done for s in samples):
                looks: dict[str, Any] = early.looks(results.objects) if early else {}
                player = executor(Order(plan, rows, report, stop, listener.say, hopeless=alike.hopeless, **looks))
                record = ready(record, player.start())
                for line in plan.model.remarks():
                    listener.say(line)
                with memory.settled():
                    player.run(samples, done)
    except Interrupted:
        interrupted = True
    except BaseException as e:
        why = f"debug=true, {e}" if isinstance(e, FirstError) else ""
        leave(replace(spent(clock.of(record), player), stopped=why))
        raise
    finally:
        journal.close()
        _close(plan, player, listener.say)
    ordered = results.ordered(samples)
    record, judged = spent(clock.of(record), player), None
    try:
        if plan.judge and not interrupted:
            judged = _judged(plan, plan.judge, samples, ordered, listener)
            interrupted = judged is None
        found = concluded(plan.task, ordered, len(samples), interrupted=interrupted)
    except BaseException:  # of the judge, or of the task's `aggregate`
        leave(replace(record, finished=now()))
        raise
    stopped = alike.reason if len(ordered) < len(samples) and not interrupted else ""
    record = found.of(replace(record, stopped=stopped, sequential=early.verdict(results.objects) if early else None))
    if judged:
        found, record = judged.added(found, record, plan.task)
        journals.write(plan.directory.journal, judged.results)
    if not interrupted:
        record = replace(record, readings=recorder.finish(r.id for r in ordered if r.outcome))
        plan.directory.write_metrics(found.metrics)
    plan.directory.write_record(record)
    return record, found.metrics


def _running(plan: Plan, results: Finished) -> Metric | None:
    """The primary metric so far; None where the task cannot make it of so few results."""
    try:
        found = primary(plan.task.metrics(results.all()))
    except Exception:  # the end of the run says what is wrong
        return None
    return found if found and math.isfinite(found.value) else None


def _probes(plan: Plan) -> bool:
    """Whether something in the run reads without acting."""
    return any(m.kind == "probe" for m in plan.methods)


def _judged(
    plan: Plan,
    judge: Judge,
    samples: Sequence[Sample],
    results: Sequence[Result],
    listener: Listener,
) -> Judged | None:
    """The results with the judge's verdicts; None where Ctrl-C came first. Whatever ends it, no reply is lost."""
    folder = Path(plan.config["results"])
    try:
        with interruptible(listener.say) as stop, memory.settled():
            return graded(
                judge,
                plan.task,
                list(samples),
                list(results),
                plan.config["model"],
                folder,
                say=listener.say,
                stop=stop,
            )
    except Interrupted:
        return None


def _close(plan: Plan, player: Executor | None, say: Callable[[str], None]) -> None:
    """Let go of what the run held. Its answers are there: a fault of a task's `close` is told, and loses none."""
    try:
        plan.task.close()
    except Exception as e:
        say(f"task={plan.task.name}: `close` raised {raised.what(e)}: fix it; the run goes on without it")
    plan.model.close()
    if player:
        player.close()


def _ingest(plan: Plan, listener: Listener) -> None:
    """Index the run in DuckDB. The directory is the truth, so a fault here is reported and loses nothing."""
    from harness.store import ingest

    try:
        ingest(Path(plan.config["results"]), [plan.directory.path])
    except Exception as e:
        listener.say(
            f"the run is complete but not yet in harness.duckdb ({first_line(e)}): harness ingest adds it later"
        )


def _rows(batch_size: Any) -> int | None:
    if batch_size == "auto":
        return None
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"invalid batch_size={batch_size}: use auto or a positive integer")
    return batch_size
