"""CHAIR as a task: one caption of one picture is one sample."""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.core import Mark, Outcome, Picture, Request, Sample
from harness.records import RecordTask, Source
from harness.tasks.chair.captions import read, vocabulary
from harness.tasks.chair.scoring import SCORES, aggregate, score
from harness.tasks.chair.settings import Settings
from harness.tasks.chair.sources import Scene, load
from harness.tasks.pope.boxes import boxes


class Chair(RecordTask[Settings, Scene]):
    """The target is the sorted list of the picture's objects."""

    name = "chair"
    Settings = Settings
    scores = SCORES
    summary = aggregate

    def load(self) -> Source[Scene]:
        return load(self.settings)

    def sample(self, record: Scene) -> Sample:
        return Sample(record.id, record.cluster, "all", sorted(record.objects), {"image": record.image or None})

    def prompt(self, record: Scene) -> Sequence[str | Picture]:
        assert record.picture
        return record.picture, self.settings.prompt

    def score(self, record: Scene, answer: str) -> Outcome:
        caption = read(answer, self.settings.vocabulary, self.settings.lemmatizer)
        wrong = [n for n in caption.nodes if n not in record.objects]
        verdict = ", ".join(dict.fromkeys(wrong)) or None
        details = {"question": self.settings.prompt, "image": record.image or None}
        details |= {"mentioned": caption.nodes, "wrong": wrong}
        return Outcome(answer, score(caption, record.objects), verdict, details)

    def marks(self, sample: Sample, outcome: Outcome | None = None) -> Sequence[Mark]:
        """The objects, each with the words of the caption that name it, and the words for what is not there."""
        there = () if self.settings.root else boxes(self.settings.data).get(sample.id, ())
        said: dict[str, list[str]] = {}
        if outcome:
            caption = read(outcome.answer, self.settings.vocabulary, self.settings.lemmatizer)
            for node, word in zip(caption.nodes, caption.words, strict=True):
                said.setdefault(node, []).append(word)
        names = {name: tuple(dict.fromkeys(words)) for name, words in said.items()}
        found = [
            Mark(name, "right" if name in names else "target", box=box, words=names.get(name, ()))
            for name, box in there
        ]
        placed, known = {name for name, _ in there}, set(sample.target or ())
        rest = [n for n in names if n not in placed]
        return [*found, *(Mark(n, "right" if n in known else "wrong", words=names[n]) for n in rest)]

    def oracle(self, sample: Sample, request: Request) -> str:
        """Names every object once, each in a sentence that the reader understands."""
        return " ".join(f"There is a {_sayable(o)}." for o in sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Names three categories, drawn blindly from all that can be named."""
        names = [n for n in vocabulary(self.settings.vocabulary).categories if n in READABLE]
        return " ".join(f"There is a {n}." for n in rng.sample(names, 3))


READABLE = frozenset(n for n in vocabulary("official").categories if read(f"a {n}.").nodes == [n])
"""Categories whose own name is read as itself."""


def _sayable(category: str) -> str:
    """The category's name, or a word for it that the reader understands."""
    if category in READABLE:
        return category
    return next(w for w, node in vocabulary("official").node.items() if node == category and read(w).nodes == [node])
