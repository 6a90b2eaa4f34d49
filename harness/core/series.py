"""What tasks ask models of the zoo: a series of symbols or of vectors in, predictions at marked positions out."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.core.errors import Unusable

NONE = -100
"""The target of a symbol's position where nothing is predicted; for numbers it is NaN."""


@dataclass(frozen=True, eq=False)
class Series:
    """The part of a request that a model of the zoo reads (`Request.series`).

    Args:
        course: What a model must have been trained on to be asked this (`Task.courses`).
        values: [T] whole numbers, the symbols; or [T, D] numbers, the vectors.
        at: Positions whose prediction is asked. What is predicted at p may depend on values[: p + 1] alone.
    """

    course: str
    values: np.ndarray
    at: tuple[int, ...]

    def __post_init__(self) -> None:
        kind = np.int64 if np.issubdtype(self.values.dtype, np.integer) else np.float32
        object.__setattr__(self, "values", np.ascontiguousarray(self.values, kind))
        if not self.at or not all(0 <= p < len(self.values) for p in self.at):
            raise Unusable(
                f"a series of length {len(self.values)} is asked for predictions at {self.at or 'no position'}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in it."""
        head = json.dumps([self.course, self.values.shape, self.values.dtype.str, self.at])
        return hashlib.sha256(head.encode() + self.values.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def said(predictions: Sequence[float]) -> str:
    """The text of a reply that predicts these symbols or numbers, in the order of `Series.at`."""
    return json.dumps([int(p) if float(p).is_integer() else round(float(p), 7) for p in predictions])


def predictions(text: str, count: int) -> list[float]:
    """What a reply's text predicts, in the order of `Series.at`. Raises Unusable where it is not a list of `count`
    numbers."""
    try:
        found = json.loads(text)
        if isinstance(found, list) and len(found) == count and all(_number(v) for v in found):
            return found
    except (ValueError, OverflowError, RecursionError):
        pass
    raise Unusable(f"this is not a list of {count} predictions: {text[:80]!r}")


def _number(value: object) -> bool:
    return type(value) in (int, float) and np.isfinite(float(value))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Examples:
    """A batch to learn from, or to be examined on.

    Args:
        values: [n, T] symbols, or [n, T, D] vectors.
        targets: [n, T] symbols (NONE: nothing is asked) or float numbers (NaN: nothing is asked).
        labels: bool [n, labels]: which of the course's labels each example has; None where it has none.
    """

    values: np.ndarray
    targets: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)


class Course(ABC):
    """What a model of the zoo is trained on. `Task.courses` names those of a task."""

    symbols: int = 0
    """How many different symbols a series may hold; 0: it is of vectors."""
    width: int = 0
    """Numbers of a vector; 0: the series is of symbols."""
    classes: int = 0
    """How many symbols there are to predict; 0: a number is predicted."""
    labels: int = 0
    """How many labels an example as a whole may have. Then it is a picture (`values` uint8 [n, side, side, 3],
    `targets` what each patch shows), and a tower (`harness.zoo.towers`) learns it, reads vectors of `width` numbers,
    which are patches in raster order, and gives log-odds of each label."""
    sessions: int = 0
    """In how many sessions the labels come, as many in each; 0: all at once. A learner on a frozen tower answers for
    every session as it stood after it."""

    @abstractmethod
    def batch(self, rng: np.random.Generator, n: int) -> Examples:
        """Fresh examples, all of one length. Depends on the generator alone."""

    def pool(self) -> Examples:
        """Of a course with labels: the pictures that are learnt from, again and again."""
        raise NotImplementedError

    def fresh(self) -> Examples:
        """Of a course with labels: pictures that the tower has not learnt from, for its readouts."""
        raise NotImplementedError

    @abstractmethod
    def exams(self) -> Mapping[str, Examples]:
        """Held-out examples by the name of their slice, the same each time: the points of the learning curve."""
