"""Scenes as a task: a picture is one sample, and log-odds of every category are asked in one request."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, user
from harness.core.series import Course, Series, said
from harness.embedded.scenes import EVALUATION, NAMES, SCENE_TYPES
from harness.records import digest
from harness.tasks.scenes import scoring
from harness.tasks.scenes.course import Scenes
from harness.tasks.scenes.pictures import Pictures
from harness.tasks.scenes.settings import Settings

FIRST, APART = 500_000, 10_000
"""Where the pictures that are asked begin among those for evaluation, and how far seeds are apart."""
FEW, SOME = 2, 4
"""Categories up to which a picture shows few, or some."""


class SceneTask(Task):
    """The cluster is the picture; the group says how many categories it shows."""

    Settings = Settings
    scores = scoring.SCORES
    series = True

    def __init__(self, settings: Settings):
        self.settings = settings

    @property
    def pictures(self) -> Pictures:
        first = FIRST + APART * self.settings.seed
        return Pictures(EVALUATION[first : first + self.settings.samples])

    def samples(self) -> Iterator[Sample]:
        pictures = self.pictures
        parts = pictures.seeds, pictures.values, pictures.labels, pictures.arrays.kind
        for seed, values, labels, kind in zip(*parts, strict=True):
            shown = np.flatnonzero(labels).tolist()
            names = [NAMES[i] for i in shown]
            question = f"Which of {len(NAMES)} objects does scene {seed} show ({SCENE_TYPES[kind].phrase})?"
            details = {"question": question, "scene": seed, "shown": names}
            group = "few" if len(shown) <= FEW else "some" if len(shown) <= SOME else "many"
            yield Sample(f"scenes:{seed}", str(seed), group, shown, {"values": values, "details": details})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        values, details = sample.data["values"], sample.data["details"]
        series = Series(self.settings.data, values, (len(values) - 1,))
        reply = yield Request(user(details["question"]), len(NAMES), plain=True, series=series)
        return scoring.judged(reply.text, sample.target, NAMES, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return scoring.aggregate(results, len(NAMES))

    def fingerprint(self) -> str:
        s = self.settings
        return digest([s.data, s.samples, s.seed, np.__version__.split(".")[0]])

    def courses(self) -> Mapping[str, Course]:
        return {self.settings.data: Scenes(self.settings.pictures)}

    def describe(self) -> dict[str, Any]:
        return {**self.settings.facts(), "tier": "generated"}

    def oracle(self, sample: Sample, request: Request) -> str:
        return said([1.0 if i in sample.target else -1.0 for i in range(len(NAMES))])

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A ranking drawn blindly."""
        return said([rng.uniform(-1, 1) for _ in NAMES])
