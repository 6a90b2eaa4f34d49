"""What towers learn the pictures from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.core.series import Course, Examples
from harness.embedded.scenes import CALIBRATION, NAMES, TRAINING
from harness.tasks.scenes.pictures import CLASSES, WIDTH, Pictures

EXAM, FRESH, PROBED = 256, 3_000_000, 4000
"""Pictures of the learning curve; the first seed and the number of those that readouts are fitted to."""


class Scenes(Course):
    """`pictures`: how many are learnt from, again and again, half of the time in a mirror."""

    width, classes, labels = WIDTH, CLASSES, len(NAMES)

    def __init__(self, pictures: int, probed: int = PROBED):
        self.pool = Pictures(TRAINING[:pictures])
        self.probed = Pictures(TRAINING[FRESH : FRESH + probed])
        self.exam = Pictures(CALIBRATION[500_000 : 500_000 + EXAM])

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        rows = np.sort(rng.integers(len(self.pool.seeds), size=n))
        return self.pool.examples(rows, rng.random(n) < 0.5)

    def exams(self) -> Mapping[str, Examples]:
        return {"pictures": self.exam.examples()}

    def fresh(self) -> Examples:
        """Pictures that no tower has learnt from."""
        return self.probed.examples()
