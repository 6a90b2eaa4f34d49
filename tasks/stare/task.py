"""STARE as a task: one question with its pictures is one sample, one request and one letter."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.core import Outcome, Picture, Request, Sample
from harness.records import RecordTask, Source
from harness.tasks.stare.parsers import PARSERS, equal, options
from harness.tasks.stare.scoring import CHANCE, CONFIGS, SCORES, aggregate, category
from harness.tasks.stare.settings import STRATEGIES, Settings
from harness.tasks.stare.sources import Puzzle, load

FORMAT = '\n\nAnswer with the option\'s letter from the given choices and put the letter in one "\\boxed{}". \n'


class Stare(RecordTask[Settings, Puzzle]):
    """The group is the set, the cluster the puzzle."""

    name = "stare"
    Settings = Settings
    scores = SCORES
    groups = CONFIGS
    summary = aggregate

    def load(self) -> Source[Puzzle]:
        return load(self.settings)

    def sample(self, record: Puzzle) -> Sample:
        return Sample(record.id, f"stare:{self.settings.data}:{record.id}", record.config, record.answer or None)

    def prompt(self, record: Puzzle) -> Sequence[str | Picture]:
        return *record.parts, FORMAT + STRATEGIES[self.settings.strategy]

    def score(self, record: Puzzle, answer: str) -> Outcome:
        words = options(record.question)
        said = PARSERS[self.settings.parser](answer, words)
        scores = {"correct": float(equal(said, record.answer)), "unparsed": float(not said.strip())}
        details = {
            "question": record.question[-400:],
            "category": category(record.config),
            "simulation": record.kind,
            "pictures": sum(not isinstance(p, str) for p in record.parts),
            "class": _class(record.answer, words),
            "said": _class(said, words),
        }
        return Outcome(answer, scores, said.strip() or None, details)

    def oracle(self, sample: Sample, request: Request) -> str:
        return f"\\boxed{{{sample.target}}}"

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A letter at random, of two, three or four."""
        n = round(1 / CHANCE.get(category(sample.group), 0.25))
        return f"\\boxed{{{'ABCD'[rng.randrange(n)]}}}"

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.stare.examples import examples

        return examples(self, each)


def _class(letter: str, words: dict[str, str]) -> str:
    """Yes or no where the options say so; otherwise the letter."""
    plain = letter.strip().upper()
    return words.get(plain, plain).strip(". ").lower()
