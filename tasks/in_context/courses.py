"""What models learn in-context learning from, and what they are asked: regression problems, and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.core.series import NONE, Course, Examples
from harness.tasks.in_context import classes, linear, piecewise
from harness.tasks.in_context.classes import World
from harness.tasks.in_context.problems import Problems

TEST, TRAIN, EXAM = range(3)
"""What a generator of random numbers is for: what is asked is never trained on."""
EXAMINED = 512
"""Sequences after each point of a learning curve."""
GENERATORS = {"linear": linear, "piecewise": piecewise}


@dataclass(frozen=True, kw_only=True)
class Regression(Course):
    """Problems of `length` examples: the number at the query is asked."""

    kind: str
    dimension: int
    noise: float
    length: int
    width: int

    @classmethod
    def of(cls, kind: str, dimension: int, noise: float, length: int) -> Regression:
        return cls(kind=kind, dimension=dimension, noise=noise, length=length, width=dimension + 1)

    def problems(self, rng: np.random.Generator, n: int) -> Problems:
        return GENERATORS[self.kind].make(n, self.length, rng, dimension=self.dimension, noise=self.noise)

    def predictors(self, p: Problems) -> Mapping[str, np.ndarray]:
        """What predictors of known form say, [n] each."""
        return GENERATORS[self.kind].predictors(p, self.noise)

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        p = self.problems(rng, n)
        targets = np.full(p.values.shape[:2], np.nan, dtype=np.float32)
        targets[:, -1] = p.target
        return Examples(p.values, targets)

    def exams(self) -> dict[str, Examples]:
        return {f"{self.length} examples": self.batch(np.random.default_rng((EXAM, self.length)), EXAMINED)}


@dataclass(frozen=True, kw_only=True)
class Classes(Course):
    """Sequences of a world: the label of the last item is asked."""

    world: World
    width: int
    classes: int

    @classmethod
    def of(cls, world: World) -> Classes:
        return cls(world=world, width=world.width, classes=world.labels)

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        return self.examples("train", rng, n)

    def exams(self) -> dict[str, Examples]:
        return {name: self.examples(name, seeded(EXAM, 0, name), EXAMINED) for name in classes.SETS}

    def examples(self, name: str, rng: np.random.Generator, n: int) -> Examples:
        made = classes.make(self.world, name, n, rng)
        targets = np.full(made.values.shape[:2], NONE, dtype=np.int64)
        targets[:, -1] = made.target
        return Examples(made.values, targets)


def seeded(purpose: int, seed: int, name: str) -> np.random.Generator:
    """For the sequences of a set."""
    return np.random.default_rng((purpose, seed, classes.SETS.index(name)))
