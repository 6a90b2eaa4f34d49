"""MM-NIAH as a task: one question about one interleaved document is one sample and one request."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.mm_niah.documents import KEPT, PLACES
from harness.tasks.mm_niah.scoring import SCORES, SUBTASKS, aggregate, score
from harness.tasks.mm_niah.sources import DATA, Record, load


class MMNiah(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "mm_niah"
    scores = SCORES
    groups = SUBTASKS

    def __init__(
        self,
        data: str,
        root: str | None,
        revision: str | None,
        subtasks: Sequence[str] | str | None,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if root is not None and data == "embedded":
            raise UsageError(f"task.root={root} brings records of its own: add task.data=val, test or local")
        if data == "local" and root is None:
            raise UsageError("task.data=local are records of your own: name their folder or file by task.root=PATH")
        chosen = [subtasks] if isinstance(subtasks, str) else list(subtasks or SUBTASKS)
        if unknown := [s for s in chosen if s not in SUBTASKS]:
            raise UsageError(f"task.subtasks: {unknown[0]} is unknown: choose from {', '.join(SUBTASKS)}")
        self.data, self.root, self.revision = data, root, revision
        self.subtasks, self.max_new_tokens = chosen, max_new_tokens

    @cached_property
    def _loaded(self) -> tuple[list[Record], str]:
        return load(self.data, self.root, self.revision, self.subtasks)

    def samples(self) -> Iterator[Sample]:
        """The group is the subtask, the cluster the document."""
        for r in self._loaded[0]:
            data: dict[str, Any] = {"question_id": r.id, "fault": r.fault} if r.fault else {"question_id": r.id, "r": r}
            yield Sample(r.id, f"mm_niah:{self.data}:{r.id}", r.subtask, None if r.fault else r.answer, data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        record: Record = sample.data["r"]
        reply = yield Request(user(*record.parts), self.max_new_tokens)
        details = {
            "question": record.question,
            "context_length": record.length,
            "placed_depth": record.depth,
            "pictures": sum(not isinstance(p, str) for p in record.parts),
            "chance": 1 / record.options if record.options else 0.0,
        }
        return Outcome(reply.text, {"score": score(record.answer, reply.text)}, reply.text.strip() or None, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self._loaded[1], self.subtasks, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        answer = sample.target
        return chr(ord("A") + answer) if isinstance(answer, int) else json.dumps(answer).strip('"')

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """An option at random; numbers from 1 to 9; else one of the generator's words."""
        record: Record = sample.data["r"]
        if record.options:
            return chr(ord("A") + rng.randrange(record.options))
        if isinstance(sample.target, list):
            return json.dumps([rng.randint(1, 9) for _ in sample.target])
        return rng.choice((*KEPT, *PLACES))

    def describe(self) -> dict[str, Any]:
        records, digest = self._loaded
        return {
            "data": self.data,
            "revision": self.revision if self.root is None else None,
            "subtasks": self.subtasks,
            "questions": len(records),
            "faulty_rows": sum(bool(r.fault) for r in records),
            "records": digest,
            "tokens": "of tiny-llava, 64 a picture" if self.data == "embedded" else "as the records say",
            "max_new_tokens": self.max_new_tokens,
        }
