"""Needle in a haystack as a task: one planted fact (or several) asked for in one request."""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.core import Mark, Outcome, Picture, Request, Sample
from harness.records import RecordTask, Source, digest
from harness.tasks.niah.haystack import MAKE
from harness.tasks.niah.scoring import MATCHES, SCORES, aggregate, said_in
from harness.tasks.niah.settings import Settings
from harness.tasks.niah.sources import Haystack, load
from harness.tasks.niah.variants import VARIANTS


class Niah(RecordTask[Settings, Haystack]):
    """The group is the variant, the cluster the haystack."""

    name = "niah"
    Settings = Settings
    scores = SCORES
    groups = tuple(VARIANTS)
    summary = aggregate
    places = ("length", "depth")

    def load(self) -> Source[Haystack]:
        return load(self.settings)

    def sample(self, record: Haystack) -> Sample:
        return Sample(record.id, record.cluster, record.variant, list(record.answers) or None)

    def prompt(self, record: Haystack) -> Sequence[str | Picture]:
        return [record.prompt + (record.prefix if self.settings.answer_prefix else "")]

    def score(self, record: Haystack, answer: str) -> Outcome:
        said = said_in(answer, self.settings.style)
        score = MATCHES[self.settings.match](said, record.answers)
        found = [a for a in record.answers if a.lower() in said.lower()]
        details = {
            "question": str(self.prompt(record)[0])[-300:],
            "variant": record.variant,
            "length": record.length,
            "depth": record.depth,
        }
        return Outcome(answer, {"string_match": score}, ", ".join(found) or None, details)

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        """The values that are asked for, wherever they stand: in the haystack and in the answer."""
        said = said_in(outcome.answer, self.settings.style).lower() if outcome else ""
        return [Mark(a, "right" if a.lower() in said else "target", words=(a,)) for a in sample.target or ()]

    def fingerprint(self) -> str:
        rows = [r.row for r in self.source.records]
        return digest([rows, [self.settings.data, *self.settings.asked()]], sort_keys=True)

    def oracle(self, sample: Sample, request: Request) -> str:
        return "Answer: " + ", ".join(sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A value of the right kind, drawn blindly: it is practically never the right one."""
        kind = VARIANTS[sample.group].values if sample.group in VARIANTS else "numbers"
        return MAKE[kind](rng)
