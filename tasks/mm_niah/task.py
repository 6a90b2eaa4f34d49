"""MM-NIAH as a task: one question about one interleaved document is one sample and one request."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from harness.core import Outcome, Picture, Request, Sample
from harness.records import RecordTask, Source
from harness.tasks.mm_niah.documents import KEPT, PLACES
from harness.tasks.mm_niah.scoring import SCORES, SUBTASKS, aggregate, score
from harness.tasks.mm_niah.settings import Settings
from harness.tasks.mm_niah.sources import Document, load


class MMNiah(RecordTask[Settings, Document]):
    """The group is the subtask, the cluster the document."""

    name = "mm_niah"
    Settings = Settings
    scores = SCORES
    groups = SUBTASKS
    summary = aggregate
    places = ("context_length", "placed_depth")

    def load(self) -> Source[Document]:
        return load(self.settings)

    def sample(self, record: Document) -> Sample:
        target = None if record.fault else record.answer
        return Sample(record.id, f"mm_niah:{self.settings.data}:{record.id}", record.subtask, target)

    def prompt(self, record: Document) -> Sequence[str | Picture]:
        return record.parts

    def score(self, record: Document, answer: str) -> Outcome:
        details = {
            "question": record.question,
            "context_length": record.length,
            "placed_depth": record.depth,
            "pictures": sum(not isinstance(p, str) for p in record.parts),
            "chance": 1 / record.options if record.options else 0.0,
        }
        return Outcome(answer, {"score": score(record.answer, answer)}, answer.strip() or None, details)

    def oracle(self, sample: Sample, request: Request) -> str:
        answer = sample.target
        return chr(ord("A") + answer) if isinstance(answer, int) else json.dumps(answer).strip('"')

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """An option at random; numbers from 1 to 9; else one of the generator's words."""
        record: Document = sample.data["record"]
        if record.options:
            return chr(ord("A") + rng.randrange(record.options))
        if isinstance(sample.target, list):
            return json.dumps([rng.randint(1, 9) for _ in sample.target])
        return rng.choice((*KEPT, *PLACES))
