"""Free text: stored and measured, not scored. Whoever judges it adds scores."""

from __future__ import annotations

from harness.core import Outcome, Score
from harness.tasks.vqa.kinds.kind import Kind, outcome
from harness.tasks.vqa.record import Question


class Free(Kind):
    name = "free"
    answered = False
    primary = ""
    scores = (Score("length", higher_is_better=None),)

    def score(self, record: Question, answer: str) -> Outcome:
        """Its length in words. `answers` of the details are the references, where the table has some."""
        return outcome(record, answer, {"length": float(len(answer.split()))}, None, answers=list(record.answers))
