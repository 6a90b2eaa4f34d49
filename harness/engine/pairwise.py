"""Answers of two runs compared by a judge, each pair in both orders: what it prefers, and whether it is the place."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import Unusable
from harness.core.task import Task
from harness.core.types import Metric, Outcome, Reply, Request, Result, Sample
from harness.engine.judging import first_request, played, question, reference
from harness.judge import Judge
from harness.judge.agreement import told
from harness.judge.report import facts
from harness.judge.verdict import read
from harness.stats import mean

FIRST, SWAPPED = "first", "swapped"


@dataclass(frozen=True)
class Preference:
    """What a judge says of two runs. `rows`: one a sample; `facts`: the summary, as JSON holds both."""

    rows: list[dict[str, Any]]
    facts: dict[str, Any]


class Comparing(Task):
    """One sample a pair of answers, which the judge sees in both orders."""

    name = "judge"

    def __init__(self, judge: Judge, task: Task, triples: Sequence[tuple[Sample, Result, Result]]):
        self.judge, self.task, self.triples = judge, task, triples

    def fingerprint(self) -> str:
        return self.judge.template.digest

    def samples(self) -> Iterable[Sample]:
        for sample, a, b in self.triples:
            yield replace(sample, data={"sample": sample, "answers": [r.outcome.answer for r in (a, b) if r.outcome]})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        """Scores: the value of the first run's answer in each order, 1 where it is preferred."""
        asked = first_request(self.task, sample.data["sample"])
        same = {"question": question(asked), "reference": reference(self.judge, sample)}
        a, b = sample.data["answers"]
        scores, details = {}, {}
        for order, (one, other) in {FIRST: (a, b), SWAPPED: (b, a)}.items():
            reply = yield self.judge.request({**same, "answer_a": one, "answer_b": other}, asked.pictures)
            said = read(reply.text, self.judge.template.verdicts)
            details[order] = {"verdict": said.word, "reason": said.reason, "raw": reply.text}
            if said.value is not None:
                scores[order] = said.value if order == FIRST else 1 - said.value
        both = len(scores) == 2
        return Outcome("", scores, "both" if both else None, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return []


def compared(
    judge: Judge,
    task: Task,
    triples: Sequence[tuple[Sample, Result, Result]],
    models: Sequence[dict[str, Any]],
    folder: Path,
    **how: Any,
) -> Preference:
    """The judge's preference among pairs of answers. Raises Unusable where there is no pair."""
    if not triples:
        raise Unusable("the runs share no sample that both have answered and that was asked alike")
    said, work = played(judge, Comparing(judge, task, triples), folder, **how)
    rows = [r for r in said.values() if r.outcome and r.outcome.verdict]
    values = [(r.outcome.scores[FIRST], r.outcome.scores[SWAPPED]) for r in rows if r.outcome]
    clusters = [r.cluster for r in rows]
    # In both orders the value of the answer that was shown first is x and 1 - y.
    place = [(x + (1 - y)) / 2 for x, y in values]
    found = {
        **facts(judge, list(said.values()), work, models),
        "preferred": told(mean([(x + y) / 2 for x, y in values], clusters, binary=False)),
        "consistent": told(mean([float(x == y) for x, y in values], clusters)),
        "shown_first": told(mean(place, clusters, binary=False)),
    }
    bias = found["shown_first"]
    if bias["low"] is not None and not bias["low"] <= 0.5 <= bias["high"]:
        side = "first" if bias["value"] > 0.5 else "second"
        found["warnings"].append(f"position bias: the answer that is shown {side} is favoured ({bias['value']:.3f})")
    return Preference([_row(r) for r in said.values()], found)


def _row(result: Result) -> dict[str, Any]:
    if result.outcome is None:
        return {"id": result.id, "cluster": result.cluster, "error": (result.error or {}).get("message")}
    return {"id": result.id, "cluster": result.cluster, "scores": dict(result.outcome.scores), **result.outcome.details}
