"""Training examples of STARE: puzzles from seeds that no embedded record uses, with their keys."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.core import Picture
from harness.embedded.examples import Example, played
from harness.records import RecordTask, with_record
from harness.tasks.stare.generate import KINDS, png, puzzle
from harness.tasks.stare.scoring import CONFIGS, simulated
from harness.tasks.stare.sources import record


def examples(task: RecordTask, each: int) -> Iterator[Example]:
    """`each` puzzles of every set."""
    for i in range(each):
        for config in CONFIGS:
            made = puzzle(config, random.Random(f"train {config} {i}"), KINDS[i % 3] if simulated(config) else "")
            row = {"question": made.question, "answer": made.answer, "images": []}
            found = record(row, config, f"{config}-{i}", [Picture(png(image)) for image in made.images])
            for request, _ in played(task, with_record(task.sample(found), found), lambda _: ""):
                yield request, f"\\boxed{{{made.answer}}}", f"stare {config}"
