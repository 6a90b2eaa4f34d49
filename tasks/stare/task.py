"""STARE as a task: one question with its pictures is one sample, one request and one letter."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.stare.parsers import PARSERS, equal, options
from harness.tasks.stare.scoring import CHANCE, CONFIGS, SCORES, aggregate, category
from harness.tasks.stare.sources import DATA, Record, load

FORMAT = '\n\nAnswer with the option\'s letter from the given choices and put the letter in one "\\boxed{}". \n'
STRATEGIES = {
    "cot": "Please solve the problem step by step.",
    "direct": (
        "Please ensure that your output only contains the final answer without any additional content (such as "
        "intermediate reasoning steps)."
    ),
}


class Stare(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "stare"
    scores = SCORES
    groups = CONFIGS

    def __init__(
        self,
        data: str,
        root: str | None,
        revision: str | None,
        sets: Sequence[str] | str | None,
        strategy: str,
        parser: str,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if root is not None and data == "embedded":
            raise UsageError(f"task.root={root} brings records of its own: add task.data=official or local")
        if data == "local" and root is None:
            raise UsageError("task.data=local are records of your own: name their folder or file by task.root=PATH")
        if strategy not in STRATEGIES or parser not in PARSERS:
            raise UsageError(
                f"task.strategy={strategy}, task.parser={parser}: choose cot or direct, and {' or '.join(PARSERS)}"
            )
        chosen = [sets] if isinstance(sets, str) else list(sets or CONFIGS)
        if unknown := [s for s in chosen if s not in CONFIGS]:
            raise UsageError(f"task.sets: {unknown[0]} is unknown: choose from {', '.join(CONFIGS)}")
        self.data, self.root, self.revision, self.sets = data, root, revision, chosen
        self.strategy, self.parser, self.max_new_tokens = strategy, parser, max_new_tokens

    @cached_property
    def _loaded(self) -> tuple[list[Record], str]:
        return load(self.data, self.root, self.revision, self.sets)

    def samples(self) -> Iterator[Sample]:
        """The group is the set, the cluster the puzzle."""
        for r in self._loaded[0]:
            data: dict[str, Any] = {"question_id": r.id}
            data |= {"fault": r.fault} if r.fault else {"record": r}
            yield Sample(r.id, f"stare:{self.data}:{r.id}", r.config, r.answer or None, data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        r: Record = sample.data["record"]
        reply = yield Request(user(*r.parts, FORMAT + STRATEGIES[self.strategy]), self.max_new_tokens)
        words = options(r.question)
        said = PARSERS[self.parser](reply.text, words)
        scores = {"correct": float(equal(said, r.answer)), "unparsed": float(not said.strip())}
        details = {
            "question": r.question[-400:],
            "category": category(r.config),
            "simulation": r.kind,
            "pictures": sum(not isinstance(p, str) for p in r.parts),
            "class": _class(r.answer, words),
            "said": _class(said, words),
        }
        return Outcome(reply.text, scores, said.strip() or None, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self._loaded[1], self.sets, self.strategy, self.parser, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        return f"\\boxed{{{sample.target}}}"

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A letter at random, of two, three or four."""
        n = round(1 / CHANCE.get(category(sample.group), 0.25))
        return f"\\boxed{{{'ABCD'[rng.randrange(n)]}}}"

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.stare.examples import examples

        return examples(self, each)

    def describe(self) -> dict[str, Any]:
        records, digest = self._loaded
        return {
            "data": self.data,
            "revision": self.revision if self.root is None else None,
            "sets": self.sets,
            "questions": len(records),
            "faulty_rows": sum(bool(r.fault) for r in records),
            "records": digest,
            "strategy": self.strategy,
            "parser": self.parser,
            "max_new_tokens": self.max_new_tokens,
        }


def _class(letter: str, words: dict[str, str]) -> str:
    """Yes or no where the options say so; otherwise the letter."""
    plain = letter.strip().upper()
    return words.get(plain, plain).strip(". ").lower()
