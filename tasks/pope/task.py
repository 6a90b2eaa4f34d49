"""POPE as a task: one yes/no question is one sample, one request and one verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.core import Mark, Outcome, Picture, Sample
from harness.records import RecordTask, Source
from harness.tasks.pope.boxes import boxes
from harness.tasks.pope.parsers import PARSERS, doubtful, unparsed
from harness.tasks.pope.records import PopeQuestion
from harness.tasks.pope.scoring import SCORES, SPLITS, aggregate
from harness.tasks.pope.settings import Settings
from harness.tasks.pope.sources import load

ASKED = re.compile(r"^Is there an? (.+) in the ima?ge\?$")


class Pope(RecordTask[Settings, PopeQuestion]):
    """`<split>:<question_id>`, split after split; the label is the target."""

    name = "pope"
    Settings = Settings
    scores = SCORES
    groups = SPLITS
    answers = ("yes", "no")
    summary = aggregate

    def load(self) -> Source[PopeQuestion]:
        return load(self.settings)

    def sample(self, record: PopeQuestion) -> Sample:
        known = {"question_id": record.question_id or None, "image": record.image or None, "question": record.question}
        return Sample(record.id, record.cluster, record.split, record.label or None, known)

    def prompt(self, record: PopeQuestion) -> Sequence[str | Picture]:
        assert record.picture
        return record.picture, record.question + self.settings.suffix

    def score(self, record: PopeQuestion, answer: str) -> Outcome:
        verdict = PARSERS[self.settings.parser](answer, record.label)
        scores = {
            "correct": float(verdict == record.label),
            "unparsed": float(verdict is None or unparsed(answer)),
            "doubtful": float(doubtful(answer, verdict)),
        }
        return Outcome(answer, scores, verdict, {"question": record.question, "image": record.image or None})

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        """The object asked about, where it is in a picture whose boxes are known."""
        found = ASKED.search(str(sample.data.get("question") or ""))
        there = boxes(self.settings.data).get(str(sample.data.get("image")), ()) if not self.settings.root else ()
        return [Mark(name, "target", box=box) for name, box in there if found and found[1] == name]
