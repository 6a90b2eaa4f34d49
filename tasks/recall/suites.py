"""What `task.data` names: which sequences there are, which a model is trained on, and which it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import factorial
from typing import Any

import numpy as np

from harness.core.series import Course, Examples
from harness.tasks.recall import copying, idle, mqar, needles, tracking
from harness.tasks.recall.shapes import Slice

TEST, TRAIN, EXAM = range(3)
"""What a generator of random numbers is for: what is asked is never trained on."""
EXAMINED = 256
"""Sequences of a slice after each point of a learning curve."""


@dataclass(frozen=True)
class Kind:
    """One kind of sequence. `answers`: the first and one past the last token that can be the answer in a slice."""

    make: Callable[..., Examples]
    check: Callable[[Slice, int], None]
    answers: Callable[[Slice, int], tuple[int, int]]


KINDS = {
    "mqar": Kind(mqar.make, mqar.check, lambda _, v: (v // 2, v)),
    "needle": Kind(needles.needle, needles.check_needle, lambda _, v: needles.parts(v)[1:]),
    "passkey": Kind(needles.passkey, needles.check_passkey, lambda _, v: needles.parts(v)[1:]),
    "copying": Kind(copying.make, copying.check, lambda _, v: (2, v)),
    "tracking": Kind(tracking.make, tracking.check, lambda at, _: (0, factorial(at.pairs))),
    "idle": Kind(idle.make, idle.check, lambda _, v: (1, v)),
}


@dataclass(frozen=True, kw_only=True)
class Suite(Course):
    """A course (`train`: slice -> weight) with the slices that are asked."""

    kind: str
    symbols: int
    classes: int
    train: Mapping[Slice, float]
    asked: tuple[Slice, ...]
    more: Mapping[str, Any] = field(default_factory=dict)
    """What else its generator takes."""

    def draw(self, at: Slice, n: int, rng: np.random.Generator, **more: Any) -> Examples:
        """`n` sequences of a slice. `more`: instead of the suite's own."""
        return KINDS[self.kind].make(at, n, rng, vocabulary=self.symbols, **{**self.more, **more})

    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        slices, weights = list(self.train), np.array(list(self.train.values()))
        return self.draw(slices[rng.choice(len(slices), p=weights / weights.sum())], n, rng)

    def exams(self) -> dict[str, Examples]:
        return {at.name: self.draw(at, EXAMINED, rng(EXAM, 0, at)) for at in self.train}


def rng(purpose: int, seed: int, at: Slice) -> np.random.Generator:
    """For the sequences of a slice, whatever other slices there are."""
    return np.random.default_rng((purpose, seed, at.length, at.pairs))


def _suite(kind: str, symbols: int, train: Mapping[str, float], asked: str = "", **more: Any) -> Suite:
    slices = {_slice(name): weight for name, weight in train.items()}
    tested = tuple(map(_slice, asked.split())) or tuple(slices)
    return Suite(kind=kind, symbols=symbols, classes=symbols, train=slices, asked=tested, more=more)


def _slice(name: str) -> Slice:
    return Slice(*map(int, name.split("x")))


_mqar = partial(_suite, "mqar")
SUITES = {
    "mqar": _mqar(256, {"64x4": 2, "64x8": 1, "64x16": 1}),
    "mqar_zoology": _mqar(8192, {"64x4": 1, "128x8": 1, "256x16": 1}),
    "mqar_based": _mqar(
        8192,
        {"64x4": 100, "128x8": 20, "256x16": 20, "256x32": 20, "256x64": 20},
        "64x4 64x8 64x16 128x32 256x64 512x128 1024x256",
        fill="random",
    ),
    "needle": _suite("needle", 128, {"64x1": 1, "64x4": 1}),
    "passkey": _suite("passkey", 32, {"64x5": 1}),
    "copying": _suite("copying", 32, {"64x4": 1, "64x8": 1}),
    "tracking": _suite("tracking", 120, {"16x3": 1, "32x3": 1, "32x5": 1}),
    "idle": _suite("idle", 129, {"64x4": 1, "64x8": 1}),
}
"""mqar_zoology: figure 2 of Zoology, not filled at random. mqar_based: figure 2 of BASED, whose repository does so."""
