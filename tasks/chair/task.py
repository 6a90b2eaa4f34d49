"""CHAIR as a task: one caption of one picture is one sample."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.chair.captions import LEMMATIZERS, VOCABULARIES, read, vocabulary
from harness.tasks.chair.scoring import SCORES, aggregate, score
from harness.tasks.chair.sources import DATA, EMBEDDED, Settings, Source, load


class Chair(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "chair"
    scores = SCORES

    def __init__(
        self,
        data: str,
        root: str | None,
        images: str | None,
        revision: str | None,
        ids: str | None,
        prompt: str,
        vocabulary: str,
        lemmatizer: str,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if root is not None and data in EMBEDDED:
            raise UsageError(
                f"task.root={root} brings records, but task.data={data} are the package's own: add task.data=local"
            )
        if data == "local" and root is None:
            raise UsageError("task.data=local are records of your own: name their folder or file by task.root=PATH")
        for name, value, known in (("vocabulary", vocabulary, VOCABULARIES), ("lemmatizer", lemmatizer, LEMMATIZERS)):
            if value not in known:
                raise UsageError(f"task.{name}={value} is unknown: choose one of {', '.join(known)}")
        if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 1:
            raise UsageError(f"task.max_new_tokens={max_new_tokens} must be a whole number, 1 or more")
        self.settings = Settings(data, root, images, revision, ids, vocabulary, lemmatizer)
        self.prompt, self.max_new_tokens = prompt, max_new_tokens

    @cached_property
    def source(self) -> Source:
        return load(self.settings)

    def samples(self) -> Iterator[Sample]:
        """One a picture; the target is the sorted list of its objects."""
        for r in self.source.records:
            data: dict[str, Any] = {"question_id": r.id, "image": r.image or None}
            data |= {"fault": r.fault} if r.fault else {"picture": r.picture}
            yield Sample(r.id, r.cluster, "all", sorted(r.objects), data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        reply = yield Request(user(sample.data["picture"], self.prompt), self.max_new_tokens)
        caption = read(reply.text, self.settings.vocabulary, self.settings.lemmatizer)
        objects = frozenset(sample.target)
        wrong = [n for n in caption.nodes if n not in objects]
        verdict = ", ".join(dict.fromkeys(wrong)) or None
        details = {"question": self.prompt, "image": sample.data["image"], "mentioned": caption.nodes, "wrong": wrong}
        return Outcome(reply.text, score(caption, objects), verdict, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        s = self.settings
        parts = [s.data, self.source.digest, self.prompt, s.vocabulary, s.lemmatizer, self.max_new_tokens]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        """Names every object once, each in a sentence that the reader understands."""
        return " ".join(f"There is a {_sayable(o)}." for o in sample.target)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Names three categories, drawn blindly from all that can be named."""
        names = [n for n in vocabulary(self.settings.vocabulary).categories if n in READABLE]
        return " ".join(f"There is a {n}." for n in rng.sample(names, 3))

    def describe(self) -> dict[str, Any]:
        s = self.settings
        return {
            **self.source.facts,
            "data": s.data,
            "revision": s.revision if s.root is None else None,
            "prompt": self.prompt,
            "vocabulary": s.vocabulary,
            "lemmatizer": s.lemmatizer,
            "max_new_tokens": self.max_new_tokens,
        }


READABLE = frozenset(n for n in vocabulary("official").categories if read(f"a {n}.").nodes == [n])
"""Categories whose own name is read as itself."""


def _sayable(category: str) -> str:
    """The category's name, or a word for it that the reader understands."""
    if category in READABLE:
        return category
    return next(w for w, node in vocabulary("official").node.items() if node == category and read(w).nodes == [node])
