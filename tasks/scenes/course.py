"""What towers learn the pictures from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.core.series import Course, Examples
from harness.embedded.scenes import CALIBRATION, NAMES, TRAINING
from harness.tasks.scenes.pictures import CLASSES, WIDTH, Pictures

FRESH = TRAINING[3_000_000:3_004_000]
"""Pictures that no tower has learnt from: readouts and learners of increments are fitted to them."""
EXAM = 256
"""Pictures of the learning curve."""


class Scenes(Course):
    """`pictures`: how many are learnt from, again and again, half of the time in a mirror."""

    width, classes, labels = WIDTH, CLASSES, len(NAMES)

    def __init__(self, pictures: int, fresh: range = FRESH, exam: int = EXAM):
        self.learnt, self.others = Pictures(TRAINING[:pictures]), Pictures(fresh)
        self.held = Pictures(CALIBRATION[500_000 : 500_000 + exam])

    def pool(self) -> Examples:
        return self.learnt.examples

    def fresh(self) -> Examples:
        return self.others.examples

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        return drawn(self.pool(), rng, n)

    def exams(self) -> Mapping[str, Examples]:
        return {"pictures": self.held.examples}


def drawn(pool: Examples, rng: np.random.Generator, n: int) -> Examples:
    """`n` of the pool."""
    assert pool.labels is not None
    rows = rng.integers(len(pool), size=n)
    return Examples(pool.values[rows], pool.targets[rows], pool.labels[rows])
