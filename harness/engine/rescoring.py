"""Stored answers rescored: each episode is played again with the replies that the journal holds.

What an episode asks is compared with what it asked then, so that a stored answer is only taken where the model would
be asked the very same. No model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import Unusable
from harness.core.task import Task
from harness.core.types import Outcome, Reply, Result, Sample
from harness.engine.episode import Episode, together
from harness.engine.play import planned
from harness.runs.stored import StoredRun, stored

if TYPE_CHECKING:
    from harness.engine.plan import Plan

TRIED = 16
"""Samples that are tried before a whole run is: a run that asked other questions is told by a few of them."""
COSTS = ("wall_seconds", "cpu_seconds", "work", "peak_memory_bytes", "calibrations", "model_facts")
"""Fields of the record: what the answers cost, and what gave them. They stay with the answers."""


@dataclass(frozen=True)
class Taken:
    """What a new run takes over: rows, and facts for its record."""

    rows: list[Result] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def candidates(plan: Plan) -> list[StoredRun]:
    """Runs that answered in the same way, finished or not, newest first; none where this one has rows of its own."""
    if plan.model.reads_samples or not plan.task.repeatable or plan.config["stop_early"] or plan.directory.begun:
        return []
    return [
        old
        for old in stored(Path(plan.config["results"]))
        if old.record.identity.get("answers") == plan.identity["answers"]
        and old.record.task == plan.task.name
        and old.name != plan.directory.name
        and old.directory.begun
    ]


def take(plan: Plan, found: Sequence[StoredRun], say: Callable[[str], None]) -> Taken:
    """The answers of the older run that the task would get again most of; what it asks otherwise is left to be
    played."""
    if not found or plan.directory.begun:
        return Taken()
    samples = planned(plan.task, plan.config)
    best, rows = found[0], list[Result]()
    for old in found:
        some = rescored(plan.task, samples, old, plan.model.reasoning)
        if plan.config["retry"] == "errors":
            some = [r for r in some if r.error is None]
        if len(some) > len(rows):
            best, rows = old, some
        if len(rows) == len(samples):
            break
    if not rows:
        return Taken()
    rest = f"; {len(samples) - len(rows)} other samples are asked" if len(rows) < len(samples) else ""
    say(f"rescoring {len(rows)} answers of {best.name}{rest}")
    return Taken(rows, inherited(best))


def inherited(old: StoredRun) -> dict[str, Any]:
    """Facts of the record that stay with the answers, and whose they are."""
    record = old.record
    costs = {k: getattr(record, k) for k in COSTS if k not in record.absent}
    hardware = {"environment": {"hardware": record.hardware}} if record.hardware else {}
    return {**costs, "rescored_from": old.name, **hardware}


def rescored(task: Task, samples: Sequence[Sample], old: StoredRun, reasoning: str) -> list[Result]:
    """The old run's rows, in their order, of samples that ask what they asked then, with their new outcomes."""
    by, read = {s.id: s for s in samples}, old.readings()
    known = [replace(r, readings=read.get(str(r.id), {})) for r in old.results() if r.id in by]
    if not any(again(task, by[r.id], r, reasoning=reasoning) for r in known[:: max(1, len(known) // TRIED)]):
        return []
    return [new for r in known if (new := again(task, by[r.id], r, reasoning=reasoning)) is not None]


def again(task: Task, sample: Sample, row: Result, *, exact: bool = True, reasoning: str = "strip") -> Result | None:
    """The row with the outcome that the task gives its replies now; None where it asks something else.

    `exact`: the journal holds every reply. Journals of older versions hold answers alone: the reply to a single call is
    then taken to be the answer, where the task hands it through, and a failed call stays as it is.
    """
    if not exact and row.calls > 1:
        return None
    episode = Episode(sample, task.episode(sample), reasoning=reasoning)
    result = episode.advance(None)
    for reply in _replies(row):
        if result is not None or episode.request is None or episode.request.capture:
            break
        result = episode.advance(reply)
    asked = together(episode.prompts)
    if result is None:
        episode.play.close()
    if asked != (row.asked or row.prompt):
        return None
    place = {"cluster": sample.cluster, "group": sample.group, "target": sample.target}
    if result is None:  # it waits for the reply that it did not get
        return replace(row, **place) if row.error and not exact else None
    outcome, error = _with_measures(result.outcome, row), result.error
    if not exact and row.outcome and (outcome is None or outcome.answer != row.outcome.answer):
        return None
    if error and row.error and all(error[k] == row.error[k] for k in ("type", "message")):
        error = row.error
    told = row.replies
    if told is None and row.outcome and (outcome is None or outcome.answer != row.outcome.answer):
        told = (_reply(row, row.outcome),)
    return replace(row, **place, outcome=outcome, error=error, replies=told)


def _with_measures(outcome: Outcome | None, row: Result) -> Outcome | None:
    """The outcome with what methods measured and did then: they do not run again."""
    if outcome is None or row.outcome is None:
        return outcome
    measures = {m: row.outcome.scores[m] for m in row.measures}
    return replace(outcome, scores={**outcome.scores, **measures}, steps=outcome.steps or row.outcome.steps)


def _replies(row: Result) -> list[Reply | Exception]:
    """What the episode was told, as far as the journal holds it."""
    if row.replies is not None:
        return [r if isinstance(r, Reply) else _failure(r) for r in row.replies]
    if row.outcome is not None and row.calls:
        return [_reply(row, row.outcome)]
    return []


def _reply(row: Result, outcome: Outcome) -> Reply:
    """The only one, whose text was the answer."""
    return Reply(outcome.answer, row.prompt_tokens, row.new_tokens, 0.0, row.finish)  # type: ignore[arg-type]


def _failure(error: Mapping[str, str]) -> Exception:
    """An error that is told as the one that was thrown into the episode."""
    kind, message = error["type"], error["message"]
    return Unusable(message) if kind == "Unusable" else type(kind, (Exception,), {})(message)
