"""Short answers: exact match, token F1, ANLS, and the accuracy of VQAv2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core import Outcome, Score
from harness.tasks.vqa.kinds.kind import Kind, outcome
from harness.tasks.vqa.record import Bad, Question
from harness.tasks.vqa.texts import anls, exact, f1
from harness.tasks.vqa.vqav2 import ENOUGH, accuracy

METRICS = {"exact": "exact", "vqa": "vqa_accuracy", "vqa_official": "vqa_accuracy", "anls": "anls", "f1": "f1"}
"""`task.metric` -> the score that it makes the primary one."""


class Short(Kind):
    name = "short"
    prompt = "{hint}{question}\nAnswer the question using a single word or phrase."

    @property
    def primary(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return METRICS[self.how.metric]

    @property
    def scores(self) -> Sequence[Score]:  # pyright: ignore[reportIncompatibleVariableOverride]
        names = ["exact", "f1", "anls", *(["vqa_accuracy"] if self._annotated else [])]
        return [Score(n, primary=n == self.primary) for n in names]

    @property
    def _annotated(self) -> bool:
        return self.how.metric.startswith("vqa")

    def read(self, values: Sequence[Any], record: Question) -> Question:
        if self._annotated and len(values) < ENOUGH:
            raise Bad(
                f"has {len(values)} of the {ENOUGH} answers or more that VQA accuracy counts: choose another metric by "
                "task.metric"
            )
        return super().read(values, record)

    def score(self, record: Question, answer: str) -> Outcome:
        scores = {
            "exact": max(exact(answer, a) for a in record.answers),
            "f1": max(f1(answer, a) for a in record.answers),
            "anls": anls(answer, record.answers),
        }
        if self._annotated:
            scores["vqa_accuracy"] = accuracy(answer, record.answers, official=self.how.metric == "vqa_official")
        return outcome(record, answer, scores, answer.strip() or None, answers=list(dict.fromkeys(record.answers)))

    def oracle(self, record: Question) -> str:
        """The answer of most annotators."""
        return max(record.answers, key=record.answers.count)
