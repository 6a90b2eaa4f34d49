"""The settings of in-context learning."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from harness.core import UsageError
from harness.records.settings import OneOf, Rule, Ruled, Whole, Within
from harness.tasks.in_context.classes import SETS, World
from harness.tasks.in_context.courses import Classes, Regression

SIZES = {"linear": (5, 40, 0.1), "piecewise": (2, 64, 0.05), "classes": (63, 0, 0.0)}
"""Data -> dimension, examples in training, variance of the noise."""
OF_CLASSES = ("classes", "labels", "burst", "items", "spread", "zipf", "bursty", "fresh", "distinct")
SHORT = {"classes": "k", "labels": "l", "burst": "b", "items": "n", "dimension": "d", "spread": "e", "zipf": "z"}
SHORT |= {"bursty": "p", "fresh": "f", "distinct": "u", "noise": "s"}
"""How a course's name writes a setting that has not its default."""


class Lengths(Rule):
    """Numbers of examples, or null for that of training."""

    takes = "Sequence[int] | int | None"

    def __call__(self, key: str, value: Any) -> tuple[int, ...]:
        given = () if value is None else (value,) if isinstance(value, int) else tuple(value)
        if any(isinstance(v, bool) or not isinstance(v, int) or v < 4 for v in given):
            raise UsageError(f"{key}={value}: give whole numbers of examples, 4 or more")
        return tuple(dict.fromkeys(given))


class Optional(Rule):
    """null for the size that goes with `task.data`."""

    def __init__(self, rule: Rule, takes: str):
        super().__init__()
        self.rule, self.takes = rule, takes

    def __call__(self, key: str, value: Any) -> Any:
        return None if value is None else self.rule(key, value)


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    data: Annotated[str, OneOf(SIZES)]
    samples: Annotated[int, Whole(1)]
    seed: Annotated[int, Whole(0)]
    dimension: Annotated[int | None, Optional(Whole(1), "int | None")]
    noise: Annotated[float | None, Optional(Within(0.0, 10.0), "float | None")]
    examples: Annotated[tuple[int, ...], Lengths()]
    classes: Annotated[int, Whole(2)]
    labels: Annotated[int, Whole(2)]
    burst: Annotated[int, Whole(1)]
    items: Annotated[int, Whole(2)]
    spread: Annotated[float, Within(0.0, 10.0)]
    zipf: Annotated[float, Within(0.0, 3.0)]
    bursty: Annotated[float, Within(0.0, 1.0)]
    fresh: Annotated[float, Within(0.0, 1.0)]
    distinct: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data != "classes":
            return
        if self.examples:
            raise UsageError("task.examples is for regression: with task.data=classes give task.items")
        if self.items % self.burst or self.burst >= self.items:
            raise UsageError(f"task.items={self.items} must be a multiple of task.burst={self.burst}, and larger")
        if self.classes % self.labels:
            raise UsageError(f"task.classes={self.classes} must be a multiple of task.labels={self.labels}")
        if self.distinct and self.items // self.burst >= self.labels:
            raise UsageError(
                f"task.labels={self.labels} are too few: {self.items // self.burst} classes of a context have their "
                "own and one more must be left, so give more labels, or task.distinct=false"
            )

    @property
    def course(self) -> Regression | Classes:
        """What a model is trained on: for regression with as many examples as `SIZES` says."""
        dimension, examples, _ = SIZES[self.data]
        dimension = self.dimension or dimension
        if self.data == "classes":
            return Classes.of(World(dimension=dimension, **{k: getattr(self, k) for k in OF_CLASSES}))
        return self.regression(examples if self.dimension is None or self.data != "linear" else 8 * dimension)

    def regression(self, examples: int) -> Regression:
        """The problems with so many examples."""
        dimension, _, noise = SIZES[self.data]
        noise = noise if self.noise is None else self.noise
        return Regression.of(self.data, self.dimension or dimension, noise, examples)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Numbers of examples that are asked about, of regression."""
        made = self.course
        return self.examples or ((made.length,) if isinstance(made, Regression) else ())

    @property
    def course_name(self) -> str:
        """`classes`, or `classes-k64-b1` where 64 classes and no bursts were set."""
        made = self.course
        if isinstance(made, Classes):
            own = {f.name: (getattr(made.world, f.name), f.default) for f in fields(World)}
            other = {name: value for name, (value, usual) in own.items() if value != usual}
        else:
            dimension, _, noise = SIZES[self.data]
            other = {} if made.dimension == dimension else {"dimension": made.dimension}
            other |= {} if made.noise == noise else {"noise": made.noise}
        return "-".join([self.data, *(f"{SHORT[k]}{float(v):g}" for k, v in other.items())])

    @property
    def asked_for(self) -> dict[str, Any]:
        """What changes a question, of the settings that go with `data`."""
        return {"course": self.course_name, "samples": self.samples, "seed": self.seed, "lengths": list(self.lengths)}

    def facts(self) -> dict[str, Any]:
        left = set() if self.data == "classes" else set(OF_CLASSES)
        found = {k: v for k, v in super().facts().items() if k not in left}
        return {**found, **self.asked_for}


__all__ = ["OF_CLASSES", "SETS", "SIZES", "Settings"]
