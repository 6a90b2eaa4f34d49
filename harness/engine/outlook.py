"""What a command would do: its first prompts, the samples it counts, what the store holds, and the time it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.types import Request, Result, Sample
from harness.engine.plan import Plan
from harness.engine.play import planned, scheduler
from harness.engine.recording import known
from harness.engine.rescoring import candidates
from harness.runs import journal
from harness.runs.stored import StoredRun, stored

COUNTED = 20_000
"""Samples whose pictures are counted."""
MANY = 100
"""Samples of a run that tell its speed."""


@dataclass(frozen=True)
class Asked:
    """A sample's first question as the model gets it, or the error that it ends in before any."""

    sample: Sample
    request: Request | None
    error: str = ""


@dataclass(frozen=True)
class Outlook:
    """`groups`: samples of each; `pictures`: different ones in the first questions, None where that cannot be told."""

    samples: int
    clusters: int
    groups: dict[str, int]
    pictures: int | None
    state: str
    left: int
    """Samples that a model would be asked."""
    seconds: float | None = None
    source: StoredRun | None = None
    """The run that the time is estimated from."""
    first: list[Asked] = field(default_factory=list)


def first_questions(plan: Plan, samples: Sequence[Sample]) -> list[Asked]:
    """What the model would be asked first for these samples: through methods that ask, and with what a run puts in
    front. Nothing is loaded and no model asked."""
    player = scheduler(plan, None, lambda _: None)
    found = []
    for sample in samples:
        made = player.first(sample)
        if isinstance(made, Result):
            error = made.error or {"type": "", "message": "it asks nothing"}
            found.append(Asked(sample, None, f"{error['type']}: {error['message']}"))
        else:
            found.append(Asked(sample, made))
    return found


def outlook(plan: Plan, prompts: int) -> Outlook:
    """Writes nothing. `prompts`: how many samples' first questions are wanted."""
    samples = planned(plan.task, plan.config)
    live = plan.task.live is not None  # its episodes hold a page of a browser
    asked = first_questions(plan, samples[:prompts] if live or len(samples) > COUNTED else samples)
    pictures = None
    if len(asked) == len(samples):
        pictures = len({_same(p) for a in asked if a.request for p in a.request.pictures})
    state, left = _state(plan, len(samples))
    seconds, source = _time(plan, left)
    return Outlook(
        len(samples),
        len({s.cluster for s in samples}),
        dict(Counter(s.group for s in samples)),
        pictures,
        state,
        left,
        seconds,
        source,
        asked[:prompts],
    )


def _same(picture: object) -> object:
    """Pictures of one file are one, and so are those of equal bytes; nothing is read for it."""
    source = getattr(picture, "source", None)
    return source if isinstance(source, bytes | Path) else id(picture)


def _state(plan: Plan, total: int) -> tuple[str, int]:
    """What the store holds of the run, and how many samples are left to ask."""
    record = known(plan)
    name = plan.directory.name
    rows = journal.read(plan.directory.journal) if plan.directory.begun else []
    errors = sum(r.error is not None for r in rows)
    if record is not None and record.status.ended and not (plan.config["retry"] == "errors" and errors):
        return f"{name} is {record.status}: the command returns its results", 0
    if rows:
        kept = len(rows) - (errors if plan.config["retry"] == "errors" else 0)
        return f"{name} has {kept:,} of {total:,} samples: the command asks the others", total - kept
    if older := candidates(plan):
        return f"answers of {older[0].name} are rescored, as far as the same is asked", total
    return "nothing: every sample is asked", total


def _time(plan: Plan, left: int) -> tuple[float | None, StoredRun | None]:
    """Seconds for so many samples, by the stored run of the same model that is most like this one."""
    data = str(plan.config["task"].get("data") or "default")
    fitting = [
        run
        for run in stored(Path(plan.config["results"]))
        if run.record.model == plan.model.name
        and run.record.status.scored
        and run.record.counts.asked
        and not run.record.rescored_from
    ]
    likeness = [
        (
            r.record.task == plan.task.name,
            r.record.method == plan.label,
            r.record.data == data,
            bool(r.record.fewshot) == bool(plan.dress.examples),
            r.record.counts.done >= MANY,
        )
        for r in fitting
    ]
    for _, run in sorted(zip(likeness, fitting, strict=True), key=lambda pair: pair[0], reverse=True):
        if each := run.cost().get("seconds"):
            done = run.record.counts.done
            loading = max(0.0, (run.record.wall_seconds or 0.0) - each * done)
            return (each * left + loading if left else 0.0), run
    return None, None
