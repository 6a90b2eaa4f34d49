"""POPE as a task: one yes/no question is one sample, one request and one verdict."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.pope.parsers import PARSERS, unparsed
from harness.tasks.pope.scoring import SCORES, SPLITS, aggregate
from harness.tasks.pope.sources import EMBEDDED, OFFICIAL, Source, load

DATA = (*EMBEDDED, *OFFICIAL, "local")


class Pope(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "pope"
    scores = SCORES
    groups = SPLITS

    def __init__(
        self,
        data: str,
        root: str | None,
        images: str | None,
        revision: str | None,
        splits: Sequence[str] | str,
        suffix: str | None,
        parser: str,
        max_new_tokens: int,
    ):
        wanted = (splits,) if isinstance(splits, str) else tuple(splits)
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if root is not None and data in EMBEDDED:
            raise UsageError(
                f"task.root={root} brings records, but task.data={data} are the package's own: "
                "add task.data=coco, aokvqa, gqa or local"
            )
        if data == "local" and root is None:
            raise UsageError("task.data=local are records of your own: name their folder or file by task.root=PATH")
        if images is not None and root is None:
            raise UsageError(f"task.images={images} needs the questions as well: add task.root=PATH")
        if not wanted or any(s not in SPLITS for s in wanted):
            raise UsageError(f"task.splits={','.join(map(str, wanted))}: choose from {', '.join(SPLITS)}")
        if parser not in PARSERS:
            raise UsageError(f"task.parser={parser} is unknown: choose one of {', '.join(PARSERS)}")
        if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 1:
            raise UsageError(f"task.max_new_tokens={max_new_tokens} must be a whole number, 1 or more")
        self.data, self.root, self.images, self.revision = data, root, images, revision
        self.splits = tuple(s for s in SPLITS if s in wanted)
        self.suffix = (suffix or "").replace("\\n", "\n")
        self.parser, self.max_new_tokens = parser, max_new_tokens

    @cached_property
    def source(self) -> Source:
        return load(self.data, self.root, self.images, self.revision, self.splits)

    def samples(self) -> Iterator[Sample]:
        """`<split>:<question_id>`, split after split; the label is the target."""
        for r in self.source.records:
            data: dict[str, Any] = {"question_id": r.question_id or None, "image": r.image or None}
            data |= {"fault": r.fault} if r.fault else {"question": r.question, "picture": r.picture}
            yield Sample(r.id, r.cluster, r.split, r.label or None, data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        question, picture = sample.data["question"], sample.data["picture"]
        reply = yield Request(user(picture, question + self.suffix), self.max_new_tokens)
        verdict = PARSERS[self.parser](reply.text, sample.target)
        unclear = verdict is None or unparsed(reply.text)
        return Outcome(
            reply.text,
            {"correct": float(verdict == sample.target), "unparsed": float(unclear)},
            verdict,
            {"question": question, "image": sample.data["image"]},
        )

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self.source.digest, self.splits, self.suffix, self.parser, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        return str(sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        return rng.choice(("yes", "no"))

    def describe(self) -> dict[str, Any]:
        return {
            **self.source.facts,
            "data": self.data,
            "revision": self.revision if self.root is None and self.data == "coco" else None,
            "splits": list(self.splits),
            "suffix": self.suffix,
            "parser": self.parser,
            "max_new_tokens": self.max_new_tokens,
        }
