"""Two runs by the metrics that are no mean of a score: F1, precision, recall, ratios, means over splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.comparison.pairing import Pairs, Played
from harness.core.errors import first_line
from harness.core.task import Task
from harness.plugins.build import build_task
from harness.plugins.registry import Registry, folders_of
from harness.stats import Difference, paired_jackknife
from harness.stats.composites import aligned, noting, shared
from harness.stats.jackknife import column_sums, evaluate


@dataclass(frozen=True)
class Figure:
    """One metric in one group: of both runs, and the paired difference."""

    name: str
    group: str
    higher_is_better: bool | None
    a: float
    b: float
    difference: Difference


def figures(a: Played, pairs: Pairs) -> tuple[list[Figure], str]:
    """What the task makes of the paired samples on both sides, by its code of today; and why there is nothing, where
    that code cannot be had. Of an imported run, or one of another tool's task, there is nothing to say."""
    if a.record.imported or not a.record.settings("task").get("_target_"):
        return [], ""
    try:
        Registry(folders_of([a.record.config]))
        task = build_task(a.record.settings("task"))
        return list(_made(task, pairs)) if task.pure else [], ""
    except Exception as e:  # code of anybody's plug-in
        return [], f"metrics of task={a.record.task} cannot be compared: {first_line(e)}"


def _made(task: Task, pairs: Pairs) -> Iterator[Figure]:
    with noting() as left:
        known = {(m.name, m.group): m.score for m in task.metrics(pairs.left)}
    with noting() as right:
        task.metrics(pairs.right)
    both = shared(left, right)
    names = list(dict.fromkeys(name for name, _ in both))
    for name, group in sorted(both, key=lambda key: names.index(key[0])):
        if known.get((name, group)):
            continue  # a ratio of two scores, which is compared as such
        one, two = left.made[name, group], right.made[name, group]
        before, after = aligned(one, two)
        levels = [float(evaluate(one.f, column_sums(table))) for table in (before, after)]
        difference = paired_jackknife(before, after, one.f, n=len(pairs.left))
        yield Figure(name, group, one.higher_is_better, levels[0], levels[1], difference)
