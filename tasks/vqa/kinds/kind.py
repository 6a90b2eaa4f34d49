"""What the kinds of questions have in common."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from harness.core import Mark, Metric, Outcome, Result, Score
from harness.records.means import means
from harness.tasks.vqa.record import Question


@dataclass(frozen=True)
class How:
    """The settings that decide a score. `metric` is that of short answers, `tolerance` and `absolute` of numbers."""

    parser: str
    metric: str = "exact"
    tolerance: float = 0.0
    absolute: float = 0.0


class Kind(ABC):
    """One kind of question, under settings."""

    name: ClassVar[str]
    parsers: ClassVar[Sequence[str]] = ()
    """What `task.parser` may be; the first is the default. Empty where answers are taken as they are."""
    prompt: ClassVar[str] = "{hint}{question}"
    answered: ClassVar[bool] = True
    """Whether every record needs a right answer."""
    primary: str = "accuracy"
    """What the metric of the primary score is called."""
    scores: Sequence[Score]

    def __init__(self, how: How):
        self.how = how

    def read(self, values: Sequence[Any], record: Question) -> Question:
        """The record with its right answers, of the cell's values. Raises Bad."""
        return replace(record, answers=tuple(text(v) for v in values))

    def target(self, record: Question) -> Any:
        """For the sample: one answer, or a list where several are right."""
        return record.answers[0] if len(record.answers) == 1 else list(record.answers)

    @abstractmethod
    def score(self, record: Question, answer: str) -> Outcome:
        """What an answer is worth. Does no I/O but for sizes of pictures."""

    def oracle(self, record: Question) -> str:
        """An answer that scores full marks."""
        return record.answers[0]

    def chance(self, record: Question, rng: random.Random) -> str | None:
        """A blind answer; None where it is drawn from the answers of all records."""
        return None

    def choices(self, record: Question) -> Sequence[str] | None:
        """The answers of which one is right; None for free text."""
        return None

    def marks(self, record: Question, answer: str | None) -> Sequence[Mark]:
        """What pages of samples draw over the picture: what is right, and with an answer what it says."""
        return ()

    def metrics(self, results: Sequence[Result], group: str = "all") -> list[Metric]:
        """Of these results, as metrics of a group: the mean of each score."""
        return [replace(m, group=group) for m in means(results, self.scores, self.primary)]


def outcome(record: Question, answer: str, scores: Mapping[str, float], verdict: str | None, **more: Any) -> Outcome:
    """With what a reader of samples wants to see beside."""
    own = {"question": record.question, "image": record.images[0] if record.images else None}
    return Outcome(answer, dict(scores), verdict, {**own, **more})


def text(value: Any) -> str:
    """A cell's value as an answer: 3 for 3.0, yes for true."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
