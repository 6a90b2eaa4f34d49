"""Arithmetic as a task: a problem after worked ones, answered by the next token."""

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
from harness.tasks.arithmetic.problems import VARIANTS

NUMBER = re.compile(r"\s*(-?\d+)")


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), files=())]
    variants: Annotated[tuple[str, ...], SomeOf(VARIANTS, ordered=True, of_records=True)]
    shots: Annotated[int, Whole(0, of_records=True)]

    def __post_init__(self) -> None:
        if self.root is not None:
            raise UsageError(f"task.root={self.root}: problems of your own are a task of their own (task=vqa)")
        super().__post_init__()
        if self.shots > (most := min(len(v.examples) for v in VARIANTS.values())):
            raise UsageError(f"task.shots={self.shots} is more than there are: give 0 to {most}")


@dataclass(frozen=True)
class Asked:
    """A problem with the worked ones before it."""

    id: str
    cluster: str
    variant: str
    prompt: str
    answer: str
    fault: str = ""


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """The share of right answers, overall (primary) and by variant."""
    return [*grouped(results, "correct"), failed(results)]


class Arithmetic(RecordTask[Settings, Asked]):
    """The group is the variant, the cluster the operands."""

    name = "arithmetic"
    Settings = Settings
    scores = (Score("correct", primary=True),)
    groups = tuple(VARIANTS)
    summary = aggregate

    def load(self) -> Source[Asked]:
        found = []
        for variant in (VARIANTS[name] for name in self.settings.variants):
            shown = variant.shown(self.settings.shots)
            for p in variant.problems():
                cluster = sorted(p.operands) if variant.commutes else p.operands
                of = f"{variant.name}:{'-'.join(map(str, cluster))}"
                name = f"{variant.name}-{'-'.join(map(str, p.operands))}"
                found.append(Asked(name, of, variant.name, shown + p.text, p.answer))
        return Source(found, digest([[a.id, a.prompt, a.answer] for a in found]), {"problems": len(found)})

    def sample(self, record: Asked) -> Sample:
        return Sample(record.id, record.cluster, record.variant, record.answer, {"question": record.prompt})

    def pair(self, sample: Sample) -> Pair | None:
        """The problem of the same variant with another answer whose text differs least, the first of several."""
        own: Asked = sample.data["record"]
        others = [a for a in self.source.records if a.variant == own.variant and a.answer != own.answer]
        if not others:
            return None
        other = min(others, key=lambda a: sum(x != y for x, y in zip(a.prompt, own.prompt, strict=False)))
        return Pair(self._request(other), own.answer, other.answer)

    def _request(self, record: Asked) -> Request:
        return Request(user(record.prompt), self.settings.max_new_tokens, stop=("\n",), plain=True)

    def play(self, sample: Sample, record: Asked) -> Generator[Request, Reply, Outcome]:
        """The bare text is continued to the end of its line, without a chat template."""
        return self.score(record, (yield self._request(record)).text)

    def score(self, record: Asked, answer: str) -> Outcome:
        """The number that the answer begins with."""
        said = found[1] if (found := NUMBER.match(answer)) else None
        return Outcome(answer, {"correct": float(said == record.answer)}, said, {"variant": record.variant})

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A number of as many digits."""
        return str(rng.randrange(10, 100) if sample.group == "mixed" else rng.randrange(10))
