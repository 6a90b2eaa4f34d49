"""MMNeedle as a task: one caption (or several) looked for in one sequence of images is one sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.core import Outcome, Picture, Request, Sample
from harness.records import RecordTask, Source
from harness.tasks.mmneedle.scoring import SCORES, aggregate, judge, truth
from harness.tasks.mmneedle.settings import Settings
from harness.tasks.mmneedle.sources import Search, Setting, load


def instruction(setting: Setting, captions: Sequence[str]) -> str:
    """The official instruction (needle.py)."""
    m, n, k = setting.images, f"{setting.rows}*{setting.columns}", setting.needles
    head = (
        f"Given {m} {'images' if m > 1 else 'image'} indexed from 1 to {m}, each divided into {n} "
        f"{'subimages' if setting.rows > 1 else 'subimage'}, identify the "
    )
    example = "For example, '1, 2, 3' indicates the subimage in the first image, second row, and third column."
    if k == 1:
        return (
            f"{head}subimage that best matches the provided caption. Respond with 'index, row, column' and nothing "
            f"else. {example} If no match is found, respond only with '-1'.\nCaption: {captions[0]}"
        )
    form = "; ".join(f"index_{i}, row_{i}, column_{i}" for i in range(1, k + 1))
    return (
        f"{head}subimages that best match the provided {k} captions. Respond in the format: {form}. Only provide this "
        f"information. {example} If no subimage matches a caption, respond with '-1' for that caption."
    ) + "".join(f"\nCaption_{i}: {c}" for i, c in enumerate(captions, 1))


class MMNeedle(RecordTask[Settings, Search]):
    """The group is the setting ("10 x 2x2"), the cluster the sequence of images."""

    name = "mmneedle"
    Settings = Settings
    scores = SCORES
    summary = aggregate

    def load(self) -> Source[Search]:
        return load(self.settings)

    def sample(self, record: Search) -> Sample:
        target = None if record.fault else truth(record.places)
        return Sample(record.id, record.cluster, record.setting.name, target)

    def prompt(self, record: Search) -> Sequence[str | Picture]:
        return *record.pictures, instruction(record.setting, record.captions)

    def score(self, record: Search, answer: str) -> Outcome:
        verdict = judge(record.places, record.setting.needles, answer, self.settings.parser)
        present = record.places is not None
        scores = {**asdict(verdict), "present": float(present)}
        details: dict[str, Any] = {"question": "; ".join(record.captions), "present": present}
        details |= {"needles": record.setting.needles, "places": [list(p) for p in record.places or ()]}
        return Outcome(answer, scores, answer.strip() or None, details)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Denies half of the time; else a place at random for each needle."""
        s: Setting = sample.data["record"].setting
        if rng.random() < 0.5:
            return "-1"
        return truth([(rng.randint(1, s.images), rng.randint(1, s.rows), rng.randint(1, s.columns))] * s.needles)
