"""A run that ends as soon as its comparison with another run is decided, by a confidence sequence over clusters."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import UsageError
from harness.core.types import Result, Sample
from harness.engine.runs import StoredRun, find, stored
from harness.stats.sequence import decided, radius

if TYPE_CHECKING:
    from harness.engine.composed import Run

DELTA = 0.01
"""Differences inside of this margin, in the score's unit, end the run as "equal"."""
LOOK = 10
"""Clusters between two looks."""


@dataclass
class Sequential:
    """Visits clusters in a seeded random order and looks after every few whole ones."""

    base: Mapping[str, Result]
    """The other run's results by sample."""
    name: str
    planned: int
    """Clusters of the whole run."""
    size: int
    """Samples of the whole run."""

    @classmethod
    def of(cls, run: Run, config: Mapping[str, Any], samples: Sequence[Sample]) -> Sequential:
        """Raises UsageError where there is no finished run to compare with, or it is of something else."""
        other = _other(run, config)
        base = {r.id: r for r in other.results() if r.outcome}
        if missing := sum(s.id not in base for s in samples):
            raise UsageError(
                f"stop_early: {other.name} has no score for {missing} of these samples: play it whole first"
            )
        return cls(base, other.name, len({s.cluster for s in samples}), len(samples))

    @property
    def window(self) -> int:
        """Samples between two looks; the scheduler keeps clusters whole."""
        return max(1, LOOK * self.size // max(1, self.planned))

    def shuffled(self, samples: Sequence[Sample], seed: int) -> list[Sample]:
        """Whole clusters in a random order that depends on the seed alone."""
        groups: dict[str, list[Sample]] = {}
        for sample in samples:
            groups.setdefault(sample.cluster, []).append(sample)
        order = sorted(groups)
        random.Random(seed).shuffle(order)
        return [s for cluster in order for s in groups[cluster]]

    def differences(self, results: Mapping[str, Result]) -> np.ndarray:
        """Cluster-level differences of the first score, (G / n) times the sum over the cluster's samples."""
        sums: dict[str, float] = {}
        for id_, result in results.items():
            if result.outcome and (other := self.base[id_].outcome):
                score = next(iter(result.outcome.scores))
                sums[result.cluster] = (
                    sums.get(result.cluster, 0.0) + result.outcome.scores[score] - other.scores[score]
                )
        return np.array(list(sums.values())) * self.planned / self.size

    def decided(self, results: Mapping[str, Result]) -> bool:
        x = self.differences(results)
        return len(x) < self.planned and decided(x, self.planned, DELTA) is not None

    def verdict(self, results: Mapping[str, Result]) -> dict[str, Any]:
        """For the run's record: the state, the difference and its anytime-valid 95 % interval."""
        x = self.differences(results)
        r = radius(x, self.planned)
        mean = float(x.mean()) if len(x) else 0.0
        return {
            "against": self.name,
            "state": decided(x, self.planned, DELTA) or "undecided",
            "difference": mean,
            "low": None if r is None else mean - r,
            "high": None if r is None else mean + r,
            "clusters": len(x),
            "planned_clusters": self.planned,
        }


def _other(run: Run, config: Mapping[str, Any]) -> StoredRun:
    results = Path(config["results"])
    if isinstance(config["stop_early"], str):
        other = find(results, config["stop_early"])
    else:
        data, keys = str(config["task"].get("data") or "default"), ("seed", "limit")
        fitting = [
            r
            for r in stored(results)
            if r.record["status"] == "done"
            and not r.record.get("sequential")
            and (r.record["task"], r.record["data"], r.record["model"]) == (run.task.name, data, run.model.name)
            and r.record["method"] == "vanilla"
            and all(r.record[k] == config[k] for k in keys)
        ]
        if not fitting:
            raise UsageError(
                f"stop_early=true compares with vanilla: run harness eval task={run.task.name} method=vanilla first, "
                "or name a run by stop_early=RUN"
            )
        other = fitting[0]
    if other.record["identity"]["task"]["fingerprint"] != run.identity["task"]["fingerprint"]:
        raise UsageError(f"stop_early: {other.name} is of other records or settings: name a run of the same task")
    return other
