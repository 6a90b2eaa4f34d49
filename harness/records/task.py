"""A task over records: what such tasks have in common, so that each states only what is its own."""

from __future__ import annotations

import hashlib
import json
import random
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from harness.core.errors import Unusable
from harness.core.picture import Picture
from harness.core.task import Task
from harness.core.types import Metric, Outcome, Reply, Request, Result, Sample, user
from harness.records import settings as base
from harness.records.means import means
from harness.records.source import R, Source

S = TypeVar("S", bound=base.Settings)


class RecordTask(Task, Generic[S, R]):
    """`load` reads records, `sample` says what one is, `prompt` what is asked about it, `score` judges the answer.

    `Settings` is a frozen dataclass with the settings of the task's YAML; the task is made with one of them.
    """

    Settings: ClassVar[type[base.Settings]] = base.Settings
    summary: ClassVar[Callable[[Sequence[Result]], list[Metric]] | None] = None
    """The function that makes metrics of results. None: the mean of each score, and the share of rows that failed."""
    answers: Sequence[str] = ()
    """All answers that count, for `decoding=choices` and `model=chance`. Where it is empty, the first is refused, and
    the other chooses from the targets of all records."""

    def __init__(self, settings: S):
        self.settings = settings

    @abstractmethod
    def load(self) -> Source[R]:
        """The records. Raises Missing (exit 3) where they are not there, UsageError (exit 2) where no row is one."""

    @abstractmethod
    def sample(self, record: R) -> Sample:
        """Its id, cluster, group and target. `data` may hold what helps to match an answer (`image`, `question`)."""

    def prompt(self, record: R) -> Sequence[str | Picture]:
        """What the model is asked, in order. A task that asks more than once has an own `play` instead."""
        raise NotImplementedError

    def score(self, record: R, answer: str) -> Outcome:
        """What an answer is worth."""
        raise NotImplementedError

    @cached_property
    def source(self) -> Source[R]:
        return self.load()

    def samples(self) -> Iterator[Sample]:
        for record in self.source.records:
            yield with_record(self.sample(record), record)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        return (yield from self.play(sample, sample.data["record"]))

    def play(self, sample: Sample, record: R) -> Generator[Request, Reply, Outcome]:
        """One question, one answer."""
        reply = yield Request(user(*self.prompt(record)), self.settings.max_new_tokens)
        return self.score(record, reply.text)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        own = type(self).summary
        return own(results) if own else means(results, self.scores, self.primary)

    def fingerprint(self) -> str:
        return digest([self.settings.data, self.source.digest, *self.settings.asked()])

    def describe(self) -> dict[str, Any]:
        return {**self.settings.facts(), **self.source.facts}

    def oracle(self, sample: Sample, request: Request) -> str:
        """The target, where it is an answer."""
        return str(sample.target) if isinstance(sample.target, str | int) else super().oracle(sample, request)

    def choices(self, sample: Sample) -> Sequence[str]:
        """`answers`, where the task states them."""
        return self.answers or super().choices(sample)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """One of the task's possible answers, drawn at random."""
        return rng.choice(self._answers) if self._answers else super().chance(sample, request, rng)

    @cached_property
    def _answers(self) -> Sequence[str]:
        return self.answers or sorted({s.target for s in self.samples() if isinstance(s.target, str)})


def with_record(sample: Sample, record: Any) -> Sample:
    """The sample with its record, or the record's fault, in `data`, as `RecordTask.episode` wants it."""
    own = {"fault": record.fault} if record.fault else {"record": record}
    return replace(sample, data={"question_id": sample.id, **sample.data, **own})


def digest(parts: Any, **how: Any) -> str:
    """SHA-256 over JSON."""
    return hashlib.sha256(json.dumps(parts, **how).encode()).hexdigest()
