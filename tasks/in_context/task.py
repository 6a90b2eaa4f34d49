"""In-context learning as a task: a sequence of vectors is one sample, and its last position is predicted."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, user
from harness.core.series import Course, Series, said
from harness.records import digest
from harness.tasks.in_context import classes, scoring
from harness.tasks.in_context.courses import TEST, Classes, seeded
from harness.tasks.in_context.settings import Settings


class InContext(Task):
    """The cluster is the sequence; the group the number of examples, or the set of classes."""

    Settings = Settings
    series = True
    noisy = True

    def __init__(self, settings: Settings):
        self.settings = settings
        self.course = settings.course
        self.scores = scoring.CLASSES if isinstance(self.course, Classes) else scoring.REGRESSION
        self.primary = scoring.ACCURACY if isinstance(self.course, Classes) else scoring.MSE

    def samples(self) -> Iterator[Sample]:
        return self._classes(self.course) if isinstance(self.course, Classes) else self._problems()

    def _problems(self) -> Iterator[Sample]:
        s = self.settings
        for length in s.lengths:
            course = s.regression(length)
            p = course.problems(np.random.default_rng((TEST, s.seed, length)), s.samples)
            levels = course.predictors(p)
            for i, values in enumerate(p.values):
                name = f"{s.data}:{length}:{i}"
                at = ", ".join(f"{v:.3g}" for v in p.query[i])
                question = f"{length} examples in {course.dimension} dimensions; what is y at x = ({at})?"
                known = {k: float(v[i]) for k, v in levels.items()}
                shown = {k: round(v, 4) for k, v in known.items()}
                details = {"question": question, "examples": length, "predictors": shown}
                data = {"values": values, "levels": known, "details": details}
                yield Sample(name, name, f"{length} examples", float(p.target[i]), data)

    def _classes(self, course: Classes) -> Iterator[Sample]:
        s = self.settings
        for which in classes.SETS:
            made = classes.make(course.world, which, s.samples, seeded(TEST, s.seed, which))
            copied = classes.copied(made)
            for i, values in enumerate(made.values):
                name = f"{s.data}:{which}:{i}"
                pairs = zip(made.classes[i].tolist(), made.labels[i].tolist(), strict=True)
                told = ", ".join(f"{'a fresh class' if c < 0 else f'class {c}'} has label {k}" for c, k in pairs)
                asked = "one of them" if made.asked[i] < 0 else f"class {made.asked[i]}"
                question = f"{told}; what is the label of {asked}?"
                details = {"question": question, "set": which, "copied": float(copied[i])}
                yield Sample(name, name, which, int(made.target[i]), {"values": values, "details": details})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        data = sample.data
        series = Series(self.settings.course_name, data["values"], (len(data["values"]) - 1,))
        reply = yield Request(user(data["details"]["question"]), 1, plain=True, series=series)
        if isinstance(self.course, Classes):
            return scoring.label(reply.text, sample.target, sample.group, data["details"])
        return scoring.number(reply.text, sample.target, data["levels"], data["details"])

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return scoring.accuracies(results) if isinstance(self.course, Classes) else scoring.regression(results)

    def fingerprint(self) -> str:
        return digest([self.settings.asked_for, np.__version__.split(".")[0]])

    def courses(self) -> Mapping[str, Course]:
        return {self.settings.course_name: self.course}

    def describe(self) -> dict[str, Any]:
        s = self.settings
        positions = 1 + (2 * s.items if isinstance(self.course, Classes) else max(s.lengths))
        return {**s.facts(), "tier": "generated", "positions": positions}

    def oracle(self, sample: Sample, request: Request) -> str:
        """The label; of regression the posterior mean, which no predictor beats."""
        return said([sample.target if isinstance(self.course, Classes) else sample.data["levels"]["bayes"]])

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A label drawn blindly; of regression 0, the mean of all targets."""
        return said([rng.randrange(self.course.world.labels) if isinstance(self.course, Classes) else 0])
