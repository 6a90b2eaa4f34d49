"""POPE: is there a dog in the image? (Li et al., EMNLP 2023)"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from tasks.pope import scoring
from tasks.pope.parsers import PARSERS
from tasks.pope.polling import SPLITS
from tasks.pope.records import VARIANTS, load


class Pope(Task):
    """Balanced yes/no questions about objects. Samples are clustered by image and grouped by split.

    The positive questions are the same in all splits, so equal requests are asked once and counted in each.
    """

    version = "1"

    def __init__(
        self,
        data: str,
        root: str | None,
        revision: str | None,
        splits: Sequence[str],
        suffix: str,
        parser: str,
        max_new_tokens: int,
    ):
        if data not in VARIANTS:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(VARIANTS)}")
        if parser not in PARSERS:
            raise UsageError(f"task.parser={parser} is unknown: choose one of {', '.join(PARSERS)}")
        for split in splits:
            if split not in SPLITS:
                raise UsageError(f"task.splits={split} is unknown: choose from {', '.join(SPLITS)}")
        self.data, self.root, self.revision, self.splits = data, root, revision, list(splits)
        self.suffix, self.parser, self.max_new_tokens = suffix, parser, max_new_tokens
        self._loaded: tuple[list[Sample], str] | None = None

    def _load(self) -> tuple[list[Sample], str]:
        if self._loaded is None:
            self._loaded = load(self.data, self.root, self.revision, self.splits)
        return self._loaded

    def samples(self) -> Iterable[Sample]:
        return self._load()[0]

    def fingerprint(self) -> str:
        settings = [self._load()[1], self.data, self.splits, self.suffix, self.parser, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        reply = yield Request(user(sample.data["picture"], sample.data["question"] + self.suffix), self.max_new_tokens)
        return scoring.outcome(reply.text, sample.target, self.parser)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return scoring.metrics(results, self.splits, deterministic=not self.decoding.sampled)

    def oracle(self, sample: Sample, request: Request) -> str:
        return "Yes" if sample.target == "yes" else "No"

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        return rng.choice(("Yes", "No"))

    def describe(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "root": self.root,
            "revision": self.revision,
            "records": self._load()[1],
            "suffix": self.suffix,
            "parser": self.parser,
            "max_new_tokens": self.max_new_tokens,
        }
