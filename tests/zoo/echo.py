"""A task that is learnt in seconds: the symbol before this one, or the sum of two numbers."""

from __future__ import annotations

import numpy as np

from harness.core import Outcome, Request, Sample, Score, Task, user
from harness.core.series import NONE, Course, Examples, Series, predictions, said
from harness.stats import mean

LENGTH = 8


class Before(Course):
    """At every odd position the symbol before it."""

    symbols = classes = 6

    def batch(self, rng, n):
        values = rng.integers(self.symbols, size=(n, LENGTH))
        targets = np.full_like(values, NONE)
        targets[:, 1::2] = values[:, ::2]
        return Examples(values, targets)

    def exams(self):
        return {"all": self.batch(np.random.default_rng(99), 40)}


class Sums(Course):
    """The sum of a vector's two numbers."""

    width = 2

    def batch(self, rng, n):
        values = rng.standard_normal((n, LENGTH, 2)).astype(np.float32)
        return Examples(values, values.sum(-1))

    def exams(self):
        return {"all": self.batch(np.random.default_rng(99), 40)}


class Echo(Task):
    name = "echo"
    series = True
    scores = (Score("accuracy", primary=True),)

    def __init__(self, n: int = 20):
        self.n = n

    def fingerprint(self):
        return f"echo-{self.n}"

    def samples(self):
        made = Before().batch(np.random.default_rng(7), self.n)
        for i, values in enumerate(made.values):
            yield Sample(f"{i}", f"{i}", "all", values[[0, 4]].tolist(), {"values": values})

    def episode(self, sample):
        series = Series("before", sample.data["values"], (1, 5))
        reply = yield Request(user("echo"), 2, series=series)
        found = predictions(reply.text, 2)
        return Outcome(
            reply.text, {"accuracy": float(np.mean([p == t for p, t in zip(found, sample.target, strict=True)]))}
        )

    def aggregate(self, results):
        scored = [r for r in results if r.outcome]
        values = [r.outcome.scores["accuracy"] for r in scored]
        return [mean(values, [r.cluster for r in scored]).metric("accuracy", primary=True)]

    def oracle(self, sample, request):
        return said(sample.target)

    def chance(self, sample, request, rng):
        return said([rng.randrange(6) for _ in request.series.at])

    def courses(self):
        return {"before": Before(), "sums": Sums()}
