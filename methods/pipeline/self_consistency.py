"""Self-consistency: several answers are drawn, the most frequent one is given (arXiv 2203.11171)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Reply, Request, Step


class SelfConsistency(Pipeline):
    """A vote over drawn answers; of equal counts the first drawn one. Needs decoding=nucleus: greedy answers agree."""

    name = "self_consistency"

    def __init__(self, n: int):
        """`n`: answers that are drawn; 1 for none of it."""
        if n < 1:
            raise UsageError(f"method.{self.name}.n={n} must be 1 or more")
        self.n = n

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if self.n == 1:
            return (yield request)
        replies = []
        for i in range(self.n):
            replies.append((yield replace(request, draw=request.draw * self.n + i)))  # noqa: PERF401  # a comprehension cannot yield
        votes = Counter(same(r.text) for r in replies)
        most = max(votes.values())
        chosen = next(r for r in replies if votes[same(r.text)] == most)
        steps = tuple(Step(f"draws: {r.text}") for r in replies)
        return replace(chosen, measures={"agreement": most / self.n}, steps=steps)


def same(answer: str) -> str:
    """Answers that count as one: case, punctuation at the ends of words and blanks aside."""
    return " ".join(re.sub(r"[^\w.%/-]+", " ", answer.lower()).split()).strip(". ")
