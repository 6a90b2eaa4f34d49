"""Recall as a task: a sequence of symbols is one sample, and every asked position of it is predicted in one request."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, user
from harness.core.series import NONE, Course, Series, said
from harness.records import digest
from harness.tasks.recall.scoring import SCORES, aggregate, judged
from harness.tasks.recall.settings import Settings
from harness.tasks.recall.suites import KINDS, TEST, rng


class Recall(Task):
    """The group is the slice, the cluster the sequence."""

    Settings = Settings
    scores = SCORES
    series = True
    places = ("length", "pairs")

    def __init__(self, settings: Settings):
        self.settings = settings

    def samples(self) -> Iterator[Sample]:
        s = self.settings
        for at in s.asked_slices:
            made = s.suite.draw(at, s.samples, rng(TEST, s.seed, at), **s.generator)
            for i, (symbols, targets) in enumerate(zip(made.values, made.targets, strict=True)):
                places = np.flatnonzero(targets != NONE)
                name = f"{s.data}:{at.name}:{i}"
                details = {"question": written(symbols, places), "length": at.length, "pairs": at.pairs}
                data = {"symbols": symbols, "places": tuple(places.tolist()), "details": details}
                yield Sample(name, name, at.name, targets[places].tolist(), data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        data = sample.data
        series = Series(self.settings.data, data["symbols"], data["places"])
        reply = yield Request(user(data["details"]["question"]), len(data["places"]), plain=True, series=series)
        return judged(reply.text, sample.target, data["details"])

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        s = self.settings
        slices = [at.name for at in s.asked_slices]
        return digest([s.data, slices, s.samples, s.seed, s.generator, np.__version__.split(".")[0]])

    def courses(self) -> Mapping[str, Course]:
        return {self.settings.data: self.settings.suite}

    def describe(self) -> dict[str, Any]:
        suite = self.settings.suite
        trained = [at.name for at in suite.train]
        positions = max(at.length for at in self.settings.asked_slices)
        known = {"tier": "generated", "positions": positions, "vocabulary": suite.symbols, "trained on": trained}
        return {**self.settings.facts(), **known}

    def oracle(self, sample: Sample, request: Request) -> str:
        return said(sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Tokens that can be an answer, drawn blindly."""
        suite = self.settings.suite
        at = next(at for at in self.settings.asked_slices if at.name == sample.group)
        low, high = KINDS[suite.kind].answers(at, suite.symbols)
        return said([rng.randrange(low, high) for _ in range(request.max_new_tokens)])


def written(symbols: np.ndarray, places: np.ndarray) -> str:
    """The sequence for people: its symbols, with a question mark where a prediction is asked."""
    asked = set(places.tolist())
    return " ".join(f"{s}?" if t in asked else str(s) for t, s in enumerate(symbols.tolist()))
