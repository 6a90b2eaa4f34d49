"""A user's own questions as a task: one row is one sample and one request."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from harness.core import Mark, Metric, Outcome, Picture, Request, Result, Sample, Score
from harness.records import RecordTask, Source
from harness.tasks.vqa.kinds import Kind
from harness.tasks.vqa.record import Question
from harness.tasks.vqa.scoring import aggregate
from harness.tasks.vqa.settings import Settings
from harness.tasks.vqa.sources import load, parts_of


class Vqa(RecordTask[Settings, Question]):
    """The group is what the column for it says, the cluster the picture, the target what is right."""

    name = "vqa"
    Settings = Settings

    def load(self) -> Source[Question]:
        return self._loaded[0]

    @property
    def kind(self) -> Kind:
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[Source[Question], Kind]:
        return load(self.settings)

    @property
    def scores(self) -> Sequence[Score]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the records' kind."""
        return self.kind.scores

    def sample(self, record: Question) -> Sample:
        target = None if record.fault else self.kind.target(record)
        known = {"image": record.images[0] if record.images else None, "question": record.question or None}
        return Sample(record.id, record.cluster, record.group, target, known)

    def prompt(self, record: Question) -> Sequence[str | Picture]:
        return parts_of(record)

    def score(self, record: Question, answer: str) -> Outcome:
        return self.kind.score(record, answer)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(self.kind, results)

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        record: Question | None = sample.data.get("record")
        return self.kind.marks(record, outcome.answer if outcome else None) if record else ()

    def oracle(self, sample: Sample, request: Request) -> str:
        record: Question = sample.data["record"]
        return self.kind.oracle(record) if record.answers or record.box else super().oracle(sample, request)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """By kind; short answers and numbers are drawn from those of all records."""
        own = self.kind.chance(sample.data["record"], rng)
        return super().chance(sample, request, rng) if own is None else own

    def choices(self, sample: Sample) -> Sequence[str]:
        """By kind: of a question for yes or no, or with options. None of a row that cannot be read."""
        record: Question | None = sample.data.get("record")
        own = self.kind.choices(record) if record else ()
        return super().choices(sample) if own is None else own

    @cached_property
    def _answers(self) -> Sequence[str]:
        return sorted({a for r in self.source.records for a in r.answers})

    def describe(self) -> dict[str, Any]:
        prompt = self.settings.prompt or self.kind.prompt
        return {**super().describe(), "prompt": prompt, "metric": self.kind.primary or None}
