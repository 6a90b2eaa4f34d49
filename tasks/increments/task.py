"""Increments as a task: a picture is one sample, and log-odds after every session are asked in one request."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, user
from harness.core.series import Course, Series, said
from harness.embedded.scenes import EVALUATION
from harness.records import digest
from harness.tasks.increments import scoring
from harness.tasks.increments.course import EACH, LEARNT, ORDER, SESSIONS, Increments
from harness.tasks.increments.settings import Settings
from harness.tasks.scenes.pictures import Pictures

FIRST, APART = 700_000, 10_000
"""Where the pictures that are asked begin among those for evaluation, and how far seeds are apart."""


class IncrementTask(Task):
    """The cluster is the picture; the group is the session from which on it shows a category."""

    Settings = Settings
    scores = scoring.SCORES
    series = True
    groups = tuple(f"from session {t + 1}" for t in range(SESSIONS))

    def __init__(self, settings: Settings):
        self.settings = settings

    def samples(self) -> Iterator[Sample]:
        """Pictures that show one of the categories, as many as are asked for."""
        first, found = FIRST + APART * self.settings.seed, 0
        while found < self.settings.samples:
            pictures = Pictures(EVALUATION[first : first + self.settings.samples])
            values, shown = pictures.values, pictures.labels[:, ORDER]
            for seed, patches, labels in zip(pictures.seeds, values, shown, strict=True):
                there = np.flatnonzero(labels).tolist()
                if not there or found == self.settings.samples:
                    continue
                found += 1
                question = f"Which of {len(LEARNT)} objects does scene {seed} show, behind each of {SESSIONS} sessions?"
                details = {"question": question, "scene": seed, "shown": [LEARNT[i] for i in there]}
                data = {"values": patches, "details": details}
                yield Sample(f"increments:{seed}", str(seed), self.groups[there[0] // EACH], there, data)
            first += self.settings.samples

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        values, details = sample.data["values"], sample.data["details"]
        series = Series(self.settings.data, values, (len(values) - 1,))
        reply = yield Request(user(details["question"]), SESSIONS * len(LEARNT), plain=True, series=series)
        return scoring.judged(reply.text, sample.target, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return scoring.aggregate(results)

    def fingerprint(self) -> str:
        s = self.settings
        return digest([s.data, s.samples, s.seed, LEARNT, np.__version__.split(".")[0]])

    def courses(self) -> Mapping[str, Course]:
        return {self.settings.data: Increments()}

    def describe(self) -> dict[str, Any]:
        order = [list(LEARNT[t * EACH : (t + 1) * EACH]) for t in range(SESSIONS)]
        return {**self.settings.facts(), "tier": "generated", "sessions": order}

    def oracle(self, sample: Sample, request: Request) -> str:
        return said([1.0 if i in sample.target else -1.0 for i in range(len(LEARNT))] * SESSIONS)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A ranking drawn blindly."""
        return said([rng.uniform(-1, 1) for _ in range(SESSIONS * len(LEARNT))])
