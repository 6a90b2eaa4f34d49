"""Indirect objects and coloured objects as a task: a text that one word completes."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Score, UsageError, user
from harness.core.pair import Pair
from harness.records import RecordTask, Source, digest
from harness.records.grouped import grouped
from harness.records.settings import Data, SomeOf, Whole
from harness.stats import failed
from harness.tasks.circuits.prompts import COLOURS, NAMES, SHOTS, VARIANTS, prompts

WORD = re.compile(r"\W*([A-Za-z]+)")


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), files=())]
    variants: Annotated[tuple[str, ...], SomeOf(VARIANTS, ordered=True, of_records=True)]
    shots: Annotated[int, Whole(0, of_records=True)]

    def __post_init__(self) -> None:
        if self.root is not None:
            raise UsageError(f"task.root={self.root}: prompts of your own are a task of their own (task=vqa)")
        super().__post_init__()
        if self.shots > SHOTS:
            raise UsageError(f"task.shots={self.shots} is more than there are: give 0 to {SHOTS}")


@dataclass(frozen=True)
class Asked:
    """A prompt with the worked ones before it, and its counterpart after the same ones."""

    id: str
    variant: str
    prompt: str
    answer: str
    counterpart: str
    other: str
    wrong: tuple[str, ...]
    fault: str = ""


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """The share of right answers, overall (primary) and by variant."""
    return [*grouped(results, "correct"), failed(results)]


class Circuits(RecordTask[Settings, Asked]):
    """The group is the variant; each prompt is a cluster."""

    name = "circuits"
    Settings = Settings
    scores = (Score("correct", primary=True),)
    groups = tuple(VARIANTS)
    summary = aggregate

    def load(self) -> Source[Asked]:
        found = []
        for variant in self.settings.variants:
            every = prompts(variant)
            shown = "".join(f"{p.text} {p.answer}\n" for p in every[: self.settings.shots])
            for n, p in enumerate(every[SHOTS:]):
                texts = shown + p.text, p.answer, shown + p.counterpart, p.other
                found.append(Asked(f"{variant}-{n:03d}", variant, *texts, p.wrong))
        return Source(found, digest([[a.id, a.prompt, a.answer] for a in found]), {"prompts": len(found)})

    def sample(self, record: Asked) -> Sample:
        return Sample(record.id, record.id, record.variant, record.answer, {"question": record.prompt})

    def play(self, sample: Sample, record: Asked) -> Generator[Request, Reply, Outcome]:
        """The bare text is continued, without a chat template."""
        return self.score(record, (yield self._request(record.prompt)).text)

    def pair(self, sample: Sample) -> Pair:
        record: Asked = sample.data["record"]
        return Pair(self._request(record.counterpart), f" {record.answer}", f" {record.other}", record.wrong)

    def _request(self, text: str) -> Request:
        return Request(user(text), self.settings.max_new_tokens, stop=("\n",), plain=True)

    def score(self, record: Asked, answer: str) -> Outcome:
        """The word that the answer begins with."""
        said = found[1] if (found := WORD.match(answer)) else None
        right = said is not None and said.lower() == record.answer.lower()
        return Outcome(answer, {"correct": float(right)}, said, {"variant": record.variant})

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A word of the kind that is asked for, of those in the prompt."""
        kind = NAMES if sample.group == "names" else COLOURS
        last = str(sample.data["question"]).splitlines()
        shown = re.findall(r"\w+", " ".join(last[-2:] if sample.group == "colours" else last[-1:]))
        return rng.choice(sorted(set(kind) & set(shown)))
