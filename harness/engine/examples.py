"""`fewshot=N`: answered examples from a task's calibration split, whose records no evaluation uses."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.core.dress import Example
from harness.core.errors import HarnessError, UsageError
from harness.core.task import Task
from harness.core.types import Sample
from harness.plugins.build import build_task
from harness.plugins.registry import Registry, folders_of

SPLIT = "calibration"
PLACES = ("root", "images")
"""Settings that say where the records of a user's own lie."""


def examples(config: Mapping[str, Any]) -> list[Example]:
    """`config["fewshot"]` of them, drawn with the run's seed: from different clusters, each time of the answer that
    occurs least so far. Raises UsageError where the task has no such split, or not enough in it."""
    count, name = config["fewshot"], config["task"]["name"]
    tasks = Registry(folders_of([config])).tasks
    having = sorted(n for n, plugin in tasks.items() if SPLIT in (plugin.raw.get("variants") or {}))
    if name not in having:
        raise UsageError(
            f"fewshot={count}: task={name} has no calibration split to take examples from (tasks that have one: "
            f"{', '.join(having)}): leave it out"
        )
    if config["task"].get("data") == SPLIT:
        raise UsageError(f"fewshot={count} takes its examples from task.data={SPLIT}: evaluate other data")
    task, samples = _split(config["task"])
    try:
        found = list(_drawn(task, samples, count, config["seed"]))
    finally:
        task.close()
    if len(found) < count:
        raise UsageError(f"fewshot={count}: the calibration split of task={name} gives {len(found)} examples at most")
    return found


def _split(node: dict[str, Any]) -> tuple[Task, list[Sample]]:
    """The task on its calibration split. One that comes with the task is not under the user's root, whose records are
    those that are evaluated; only where there is none without a root, the task itself sets records aside there."""
    own = {**node, "data": SPLIT, **{key: None for key in PLACES if key in node}}
    try:
        task = build_task(own)
        return task, list(task.samples())
    except HarnessError:
        task = build_task({**node, "data": SPLIT})
        return task, list(task.samples())


def _drawn(task: Task, samples: list[Sample], count: int, seed: int) -> Iterator[Example]:
    random.Random(f"examples {seed}").shuffle(samples)
    answers: Counter[str] = Counter()
    clusters: set[str] = set()
    for _ in range(count):
        rest = [s for s in samples if s.cluster not in clusters]
        if not rest:
            return
        sample = min(rest, key=lambda s: answers[str(s.target)])  # the first of those, in the order drawn
        clusters.add(sample.cluster)
        answers[str(sample.target)] += 1
        yield _example(task, sample)


def _example(task: Task, sample: Sample) -> Example:
    episode = task.episode(sample)
    try:
        request = next(episode)
        answer = task.oracle(sample, request)
    except (HarnessError, StopIteration) as e:
        raise UsageError(f"fewshot=: task={task.name} gives no answered example ({e}): leave it out") from e
    finally:
        episode.close()
    if request.plain or request.continuations or [m.role for m in request.messages] != ["user"]:
        raise UsageError(f"fewshot=: task={task.name} does not ask in single questions: leave it out")
    return Example(sample.id, request.messages[0], answer)


def facts(found: Sequence[Example]) -> list[Any]:
    """Everything of the examples that a prompt holds."""
    return [[e.id, e.answer, [p if isinstance(p, str) else p.digest for p in e.question.content]] for e in found]
