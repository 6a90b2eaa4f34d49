"""Graphs in prompts as a task: the neighbourhood of one node is listed, and its group asked for."""

from __future__ import annotations

import random
from collections.abc import Generator

from harness.core import Outcome, Reply, Request, Sample, user
from harness.core.types import Likelihood
from harness.interop.documents import by_lot
from harness.records import RecordTask, Source
from harness.tasks.graph.planted import VARIANTS
from harness.tasks.graph.scoring import SCORES, aggregate, likeliest, named
from harness.tasks.graph.settings import Settings
from harness.tasks.graph.sources import Node, load

WORD = " Answer with one word."


class GraphTask(RecordTask[Settings, Node]):
    """The group is the variant, the cluster the graph."""

    name = "graph"
    Settings = Settings
    scores = SCORES
    groups = (*VARIANTS, "local")
    summary = aggregate
    places = ("variant", "arm")

    def load(self) -> Source[Node]:
        return load(self.settings)

    def sample(self, record: Node) -> Sample:
        return Sample(record.id, record.cluster, record.variant, record.group or None, {"question": record.question})

    def play(self, sample: Sample, record: Node) -> Generator[Request, Reply, Outcome]:
        """Likelihoods of the groups after a plain text, or a chat's answer."""
        if self.settings.answer == "text":
            reply = yield Request(user(record.question + WORD), self.settings.max_new_tokens)
            return self._judged(record, named(reply.text, record.groups), reply.text)
        asked = tuple(f" {group}" for group in record.groups)
        reply = yield Request(user(f"{record.question}\nAnswer:"), 1, plain=True, continuations=asked)
        return self._judged(record, likeliest(reply, record.groups), reply.text)

    def _judged(self, record: Node, said: str | None, answer: str) -> Outcome:
        scores = {"accuracy": float(said == record.group)}
        if record.likeliest:
            scores |= {"agrees": float(said == record.likeliest), "bayes": float(record.likeliest == record.group)}
        details = {"variant": record.variant, "arm": record.arm, "centre": record.centre}
        return Outcome(answer, scores, said, details)

    def oracle(self, sample: Sample, request: Request) -> str:
        if not request.continuations:
            return sample.target
        return Reply.said(
            [Likelihood(0.0 if c.strip() == sample.target else -9.0, False) for c in request.continuations]
        )

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        return by_lot(request, rng) if request.continuations else rng.choice(sample.data["record"].groups)
