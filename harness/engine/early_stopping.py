"""A run that ends as soon as its comparison with another run is decided, by a confidence sequence over clusters."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.comparison.pairing import judged
from harness.core.errors import UsageError
from harness.core.score import Score, common
from harness.core.types import Result, Sample
from harness.runs.record import Status
from harness.runs.stored import StoredRun, find, stored
from harness.stats.confidence_sequence import decided, radius

if TYPE_CHECKING:
    from harness.engine.plan import Plan

DELTA = 0.01
"""Differences inside this margin, in the score's unit, end the run as "equal"."""
PLAYED = ("seed", "limit", "offset", "ids", "system", "fewshot")
"""What the other run must have in common with this one, beside task, data and model."""
LOOK = 10
"""Clusters between two looks."""


@dataclass
class Sequential:
    """Visits clusters in a seeded random order and looks after every few whole ones."""

    base: Mapping[str, Result]
    """The other run's results by sample."""
    name: str
    score: Score
    """The one that the runs are judged by."""
    planned: int
    """Clusters of the whole run."""
    size: int
    """Samples of the whole run."""

    @classmethod
    def of(cls, plan: Plan, config: Mapping[str, Any], samples: Sequence[Sample]) -> Sequential:
        """Raises UsageError where there is no finished run to compare with, or it is of something else."""
        other = _other(plan, config)
        base = {r.id: r for r in other.results() if r.outcome}
        if missing := sum(s.id not in base for s in samples):
            raise UsageError(
                f"stop_early: {other.name} has no score for {missing} of these samples: run it in full first"
            )
        known = common(base.values())
        if not known:
            raise UsageError(f"stop_early: {other.name} has no score that every sample has: leave it out")
        return cls(base, other.name, judged(other, known), len({s.cluster for s in samples}), len(samples))

    @property
    def window(self) -> int:
        """Samples between two looks; the scheduler keeps clusters whole."""
        return max(1, LOOK * self.size // max(1, self.planned))

    def looks(self, results: Mapping[str, Result]) -> dict[str, Any]:
        """When an executor looks, and at what: `window` and `enough` of its order."""
        return {"window": self.window, "enough": lambda: self.decided(results)}

    def shuffled(self, samples: Sequence[Sample], seed: int) -> list[Sample]:
        """Whole clusters in a random order that depends on the seed alone."""
        groups: dict[str, list[Sample]] = {}
        for sample in samples:
            groups.setdefault(sample.cluster, []).append(sample)
        order = sorted(groups)
        random.Random(seed).shuffle(order)
        return [s for cluster in order for s in groups[cluster]]

    def differences(self, results: Mapping[str, Result]) -> np.ndarray:
        """One number a cluster, whose mean is the difference of the judged score, this run's minus the other's.

        Of a mean: (G / n) times the sum over the cluster's samples. Of a ratio of sums R = A / B: the difference of
        the ratios so far, plus the cluster's part in either ratio's residuals, (A_c - R B_c) / (mean of B_c).
        """
        above, below = self.score.parts
        sums: dict[str, np.ndarray] = {}
        for id_, result in results.items():
            if result.outcome and (other := self.base[id_].outcome):
                sides = (result.outcome.scores, other.scores)
                row = np.array([[s[above], s[below] if below else 1.0] for s in sides])
                sums[result.cluster] = sums.get(result.cluster, 0.0) + row
        if not sums:
            return np.empty(0)
        table = np.stack(list(sums.values()))  # [clusters, this run and the other, above and below]
        a, b = table[..., 0], table[..., 1]
        if not below:
            return (a[:, 0] - a[:, 1]) * self.planned / self.size
        weight = np.where(b.sum(0) > 0, b.sum(0), 1.0)
        ratio = a.sum(0) / weight
        parts = ratio + (a - ratio * b) * len(table) / weight
        return parts[:, 0] - parts[:, 1]

    def state(self, differences: np.ndarray) -> str | None:
        """ "better", "worse" or "equal" by the score's direction; None before it is decided."""
        return decided(self.score.sign * differences, self.planned, DELTA)

    def decided(self, results: Mapping[str, Result]) -> bool:
        x = self.differences(results)
        return len(x) < self.planned and self.state(x) is not None

    def verdict(self, results: Mapping[str, Result]) -> dict[str, Any]:
        """For the run's record: the state, the difference and its anytime-valid 95 % interval."""
        x = self.differences(results)
        r = radius(x, self.planned)
        mean = float(x.mean()) if len(x) else 0.0
        return {
            "against": self.name,
            "score": self.score.name,
            "higher_is_better": self.score.higher_is_better,
            "state": self.state(x) or "undecided",
            "difference": mean,
            "low": None if r is None else mean - r,
            "high": None if r is None else mean + r,
            "clusters": len(x),
            "planned_clusters": self.planned,
        }


def _other(plan: Plan, config: Mapping[str, Any]) -> StoredRun:
    results = Path(config["results"])
    if isinstance(word := config["stop_early"], str):
        try:
            other = find(results, word)
        except UsageError as e:
            raise UsageError(f"stop_early={word} is not true, false or the name of a run: {e}") from e
    else:
        data = str(config["task"].get("data") or "default")
        fitting = [
            r
            for r in stored(results)
            if r.record.status == Status.DONE
            and not r.record.sequential
            and (r.record.task, r.record.data, r.record.model) == (plan.task.name, data, plan.model.name)
            and r.record.method == "vanilla"
            and all(r.record.identity.get(k) == plan.identity.get(k) for k in PLAYED)
        ]
        if not fitting:
            raise UsageError(
                f"stop_early=true compares with vanilla: run harness eval task={plan.task.name} method=vanilla first, "
                "or name a run by stop_early=RUN"
            )
        other = next((r for r in fitting if r.record.asked == plan.identity["task"]), fitting[0])
    if other.record.fingerprint != plan.identity["task"]["fingerprint"]:
        raise UsageError(f"stop_early: {other.name} has other records or settings: name a run of the same task")
    if other.record.scored_by != plan.identity["task"]["code"]:
        raise UsageError(
            f"stop_early: the task's code scored {other.name} before it changed: harness rescore {other.name}"
        )
    return other
