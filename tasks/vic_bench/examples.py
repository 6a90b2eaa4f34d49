"""Training examples of ViC-Bench: some turns of the oracle in worlds from seeds of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.core import Sample, Task
from harness.embedded.examples import Example, played
from harness.tasks.vic_bench.sources import VicItem
from harness.tasks.vic_bench.worlds import WORLDS


def examples(task: Task, each: int) -> Iterator[Example]:
    """Up to three turns in each stage of `each` items of every world."""
    for i in range(each):
        for world in WORLDS.values():
            found = VicItem(f"{world.name}-{i}", world.name, world.make(random.Random(f"train {world.name} {i}")))
            for stage in (1, 2, 3):
                sample = Sample(f"{found.id}-s{stage}", found.id, world.name, None, {"record": found, "stage": stage})
                turns = list(played(task, sample, lambda r, s=sample: task.oracle(s, r)))
                for request, answer in random.Random(i).sample(turns, min(3, len(turns))):
                    yield request, answer, f"vic_bench {world.name} {stage}"
