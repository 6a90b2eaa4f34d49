"""What stored runs tell about a comparison that is planned: how much two runs on the same samples differ by luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.comparison.pairing import NotComparable, judged, pair
from harness.core.errors import UsageError
from harness.core.score import Score, occurring
from harness.core.types import Result
from harness.runs.stored import StoredRun, find, stored
from harness.stats import MIN_CLUSTERS, Difference, clustered_error, codes
from harness.stats.power import Spread

VANILLA = "vanilla"


@dataclass(frozen=True)
class Pilot:
    """Two runs and the difference of their judged score."""

    run: StoredRun
    base: StoredRun
    score: str
    difference: Difference
    bounded: bool
    """Whether all values of the score lie between 0 and 1."""

    @property
    def spread(self) -> Spread:
        """Raises UsageError where the runs do not differ by luck."""
        d = self.difference
        if not d.stderr:
            raise UsageError(
                f"{self.run.name} and {self.base.name} differ in no sample, or in too few clusters: name others, or "
                "state discordance="
            )
        return Spread(d.stderr, d.clusters, d.n)

    @property
    def discordance(self) -> float | None:
        """Share of the samples whose score changed."""
        d = self.difference
        if d.right_to_wrong is None or d.wrong_to_right is None:
            return None
        return (d.right_to_wrong + d.wrong_to_right) / d.n


def named(results: Path, run: str, base: str) -> Pilot:
    """Of two runs by name. Raises NotComparable where they do not belong together."""
    return _pilot(find(results, run), find(results, base))


def newest(results: Path, task: str, data: str, model: str, method: str) -> Pilot | None:
    """Of the newest run of the method (any, for vanilla) and of vanilla on the same records, decoding and model: this
    one, or else another."""
    runs = _scored(results, task, data)
    for same in (True, False):
        for run in runs:
            label = run.record.method
            if label == VANILLA or (method != VANILLA and label != method) or (run.record.model == model) != same:
                continue
            for base in runs:
                if base.record.method == VANILLA and _alike(run, base):
                    try:
                        made = _pilot(run, base)
                    except NotComparable:
                        continue
                    if made.difference.stderr and made.difference.clusters >= MIN_CLUSTERS:
                        return made
    return None


def design_effect(results: Path, task: str, data: str) -> tuple[float, StoredRun] | None:
    """Clustered over unclustered variance of the score itself in the newest run that has one: an upper bound, as a
    rule, for that of a difference."""
    for run in _scored(results, task, data):
        rows = [r for r in run.results() if r.outcome]
        score = judged(run, occurring(rows))
        values = [score.value(r.outcome.scores) for r in rows if r.outcome]
        if score.parts[1] or any(v is None for v in values) or len(rows) < 2:
            continue
        import numpy as np

        x = np.array(values, dtype=np.float64)
        code, count = codes([r.cluster for r in rows], len(rows))
        error = clustered_error(x, code, count, float(x.mean()))
        if count >= MIN_CLUSTERS and error and (plain := float(x.var(ddof=1)) / len(x)):
            return max(1.0, error**2 / plain), run
    return None


def _scored(results: Path, task: str, data: str) -> Sequence[StoredRun]:
    if not (results / "runs").is_dir():
        return []
    return [r for r in stored(results) if r.record.status.scored and (r.record.task, r.record.data) == (task, data)]


def _alike(run: StoredRun, base: StoredRun) -> bool:
    one, two = run.record, base.record
    return all(getattr(one, k) == getattr(two, k) for k in ("model", "fingerprint", "decoding", "system", "fewshot"))


def _pilot(run: StoredRun, base: StoredRun) -> Pilot:
    pairs = pair(base, run)
    score = judged(base, pairs.names)
    bounded = all(0 <= value <= 1 for r in (*pairs.left, *pairs.right) if (value := _value(score, r)) is not None)
    return Pilot(run, base, score.name, pairs.difference(score), bounded)


def _value(score: Score, result: Result) -> float | None:
    return score.value(result.outcome.scores) if result.outcome else None
