"""The categories in their sessions, and the pictures that learners get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.core.series import Course, Examples
from harness.embedded.scenes import CALIBRATION, NAMES
from harness.tasks.scenes.course import FRESH, drawn
from harness.tasks.scenes.pictures import CLASSES, WIDTH, Pictures

SESSIONS, EACH, EXAM = 6, 10, 256
ORDER = np.random.default_rng(2405).permutation(len(NAMES))[: SESSIONS * EACH]
"""The categories, in the order in which they come."""
LEARNT = tuple(NAMES[i] for i in ORDER)


class Increments(Course):
    """Labels are those of ORDER. A session has the pictures of the pool that show one of its ten."""

    width, classes, labels, sessions = WIDTH, CLASSES, len(LEARNT), SESSIONS

    def __init__(self, fresh: range = FRESH, exam: int = EXAM):
        self.learnt, self.held = Pictures(fresh), Pictures(CALIBRATION[510_000 : 510_000 + exam])

    def pool(self) -> Examples:
        return ordered(self.learnt)

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        return drawn(self.pool(), rng, n)

    def exams(self) -> Mapping[str, Examples]:
        return {"pictures": ordered(self.held)}


def ordered(pictures: Pictures) -> Examples:
    """With the 60 labels in their order."""
    made = pictures.examples
    return replace(made, labels=pictures.labels[:, ORDER])
