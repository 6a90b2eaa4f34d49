"""Play POPE samples without an engine, and results made by hand."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core import Outcome, Reply, Result, Sample
from harness.tasks.pope.task import Pope
from tests.tasks.settings import settings_of

DATA = Path(__file__).parent / "data"
SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[4] / "shared")) / "data" / "pope"


def pope(**settings) -> Pope:
    return Pope(settings_of("pope", **settings))


def play(task: Pope, sample: Sample, answer: str) -> Result:
    """One episode with a given answer."""
    episode = task.episode(sample)
    request = next(episode)
    try:
        episode.send(Reply(answer))
    except StopIteration as end:
        return Result(sample.id, sample.cluster, sample.group, sample.target, end.value, prompt=request.key)
    raise AssertionError("POPE asks once")


def result(i: int, label: str, verdict: str | None, split: str = "random", cluster: str = "", prompt: str = ""):
    outcome = Outcome(verdict or "?", {"correct": float(label == verdict), "unparsed": float(verdict is None)}, verdict)
    return Result(f"{split}:{i}", cluster or f"coco:{i}", split, label, outcome, prompt=prompt)


def value(metrics, name: str, group: str = "mean") -> float:
    return next(m.value for m in metrics if (m.name, m.group) == (name, group))
