"""A stored run with the scores that its task gives now: `harness rescore`. Neither model nor methods are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.core.errors import INCOMPLETE, HarnessError
from harness.core.score import primary
from harness.core.types import Metric, Result
from harness.engine.conclusion import concluded
from harness.engine.judging import Judged, graded
from harness.engine.plan import task_identity
from harness.engine.play import planned
from harness.engine.recording import played_by
from harness.engine.rescoring import again, inherited
from harness.judge import build_judge
from harness.judge.remembered import FORGOTTEN
from harness.judge.rows import bare
from harness.plugins import raised
from harness.plugins.build import build_task, target
from harness.runs import journal
from harness.runs.directory import RunDir
from harness.runs.environment import environment
from harness.runs.identity import code_of_scores, digest, run_name
from harness.runs.readings import copy
from harness.runs.record import Counts, RunRecord, now
from harness.runs.stored import StoredRun


class NotRescorable(HarnessError):
    """A stored run that has to be played again."""

    exit_code = INCOMPLETE


@dataclass(frozen=True)
class Renewed:
    """The run of that name has today's scores; `made` if it was written now. `metric`: its primary one."""

    name: str
    made: bool
    metric: Metric | None


@dataclass(frozen=True)
class Asking:
    """A judge as a configuration names it: the node, and the words that chose it."""

    node: Mapping[str, Any]
    words: Sequence[str]

    def added(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A run's configuration with this judge instead of its own."""
        kept = [w for w in config.get("overrides") or () if not str(w).startswith(("judge=", "judge."))]
        return {**config, "judge": dict(self.node), "overrides": [*kept, *self.words]}


@raised.named()
def renew(
    old: StoredRun,
    results: Path,
    *,
    check: bool = True,
    judge: Asking | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Renewed:
    """Score a stored run again. Where its task is as it was, nothing is written; with `check` its rows are compared.

    Args:
        judge: Who is asked about the answers; by default the replies that the run's own judge gave are read again, and
            none is asked.

    Raises NotRescorable, with the reason and what to do.
    """
    record, done = old.record, "judged" if judge else "rescored"
    if reason := _refused(record, judge):
        raise NotRescorable(f"{old.name} cannot be {done}: {reason}")
    config = judge.added(record.config) if judge else record.config
    task, code = build_task(config["task"]), code_of_scores(config)
    judged_by = build_judge(config.get("judge"))
    if judged_by:
        judged_by.accepts(task)
    try:
        if not task.repeatable:
            raise NotRescorable(
                f"{old.name} cannot be {done}: its episodes act on something outside: {_play(record, judge)}"
            )
        by = {"judge": judged_by.identity} if judged_by else {}
        identity = {**record.identity, "task": task_identity(task, code), **by}
        name = run_name(task.name, record.data, record.method, record.model, digest(identity))
        directory = RunDir(results, name)
        unchanged = identity == record.identity and not judge
        there = None if unchanged and check else directory.record()
        if there and there.status.ended and not (judge and (there.judge or {}).get("failed")):
            return Renewed(name, False, primary(directory.metrics()))
        samples = planned(task, config)
        rows = _rows(task, samples, old, judge)
        if unchanged:
            if [bare(r) for r in rows] != [bare(r) for r in old.results()]:
                raise NotRescorable(f"{old.name}: the same code gives other scores now: the task is not deterministic")
            return Renewed(old.name, False, old.primary)
        found, made = concluded(task, rows, len(samples)), _record(old, task, identity, code, name)
        made = found.of(replace(made, config=config, command=played_by(config) if judge else made.command))
        with directory.locked(lambda: None):
            if judged_by:
                judged = graded(judged_by, task, samples, rows, config["model"], results, say=say, ask=bool(judge))
                _complete(old, judged)
                rows = judged.results
                found, made = judged.added(found, made, task)
            copy(old.directory.path, directory.path)
            journal.write(directory.journal, rows)
            directory.write_metrics(found.metrics)
            directory.write_record(made)
        return Renewed(name, True, primary(found.metrics))
    finally:
        task.close()


def _complete(old: StoredRun, judged: Judged) -> None:
    """Raises NotRescorable where replies of the run's own judge are gone."""
    before = (old.record.judge or {}).get("failed")
    if before is not None and judged.facts["failed"] > before and FORGOTTEN in judged.facts["errors"]:
        raise NotRescorable(
            f"{old.name} cannot be rescored: replies of its judge are not in judgments/ any more: harness judge "
            f"{old.name} judge=... asks it again"
        )


def _refused(record: RunRecord, judge: Asking | None) -> str:
    """Why a record forbids it; "" if it does not."""
    config = record.config
    if record.imported:
        return "it was imported, and its answers belong to another tool's task"
    if not record.status.ended:
        return f"it is {record.status}: {_play(record, judge)}"
    if record.sequential:
        return f"it was stopped early, by its old scores: {_play(record, judge)}"
    if not record.identity or any("_target_" not in (config.get(k) or {}) for k in ("task", "model")):
        return "its record does not say what it ran"
    module, _, name = target(config["model"]).rpartition(".")
    if getattr(import_module(module), name).answers_from_key:
        return f"model={record.model} answers from the task's own records: {_play(record, judge)}"
    return ""


def _play(record: RunRecord, judge: Asking | None) -> str:
    """What helps: for a judge its words belong to the command, which would give the stored run back without them."""
    return f"play it again by {played_by(judge.added(record.config)) if judge else record.command}"


def _rows(task: Any, samples: Any, old: StoredRun, judge: Asking | None) -> list[Result]:
    """Every sample with its new outcome, in the order of the journal."""
    by = {s.id: s for s in samples}
    exact = "answers" in old.record.identity
    reasoning = old.record.config["model"].get("reasoning", "strip")
    rows, lost = [], []
    for row in old.results():
        sample = by.pop(row.id, None)
        new = again(task, sample, row, exact=exact, reasoning=reasoning) if sample else None
        rows += [new] if new else []
        lost += [] if new else [row.id]
    if lost or by:
        first = [*lost, *by][0]
        done = "judged" if judge else "rescored"
        raise NotRescorable(
            f"{old.name} cannot be {done}: {len(lost) + len(by)} of its samples would be asked something else, or "
            f"their replies were not kept ({first} first): {_play(old.record, judge)}"
        )
    return rows


def _record(old: StoredRun, task: Any, identity: dict[str, Any], code: dict[str, str], name: str) -> RunRecord:
    facts, second = inherited(old), now()
    changes = {
        "run": name,
        "task_version": task.version,
        "cluster": task.cluster,
        "scores": tuple(task.scores),
        "identity": identity,
        "code": {**old.record.code, "scores": code},
        "environment": environment() | facts.get("environment", {}),
        "counts": Counts(requests=0, asked=0),
        "started": second,
        "finished": second,
        "task_facts": task.describe(),
    }
    return replace(old.record, **facts | changes)
