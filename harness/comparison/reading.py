"""What probes read in two runs, paired by sample; and how well a reading tells right answers from wrong ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.comparison.pairing import Pairs, Played, judged
from harness.core.readings import Reading
from harness.core.score import occurring
from harness.runs.stored import StoredRun
from harness.stats import Difference, Estimate, paired_mean
from harness.stats.auroc import auroc, crossfitted
from harness.stats.corrections import holm

SURE = 0.05
Read = Mapping[str, Mapping[str, Reading]]


@dataclass(frozen=True)
class Number:
    """A number that both runs read: its means, the paired difference, and how it tells right answers (`auroc`)."""

    name: str
    a: float
    b: float
    difference: Difference
    right: tuple[Estimate, Estimate]


@dataclass(frozen=True)
class Curve:
    """One number a layer that both runs read. `holm`: p of each layer, corrected for their number."""

    name: str
    a: list[float]
    b: list[float]
    differences: list[Difference]
    """Each with its interval: the band."""
    holm: list[float] | None

    @property
    def sure(self) -> list[int]:
        """Layers that differ, Holm-corrected."""
        return [l for l, p in enumerate(self.holm or ()) if p < SURE]

    @property
    def largest(self) -> int:
        """The layer with the largest difference."""
        return int(np.nanargmax([abs(d.value) for d in self.differences]))


@dataclass(frozen=True)
class Inside:
    """What a comparison says of readings; empty where not both runs have the same ones."""

    numbers: list[Number]
    curves: list[Curve]


def inside(a: Played, b: Played, pairs: Pairs) -> Inside:
    """Readings that both runs have of paired samples; a sample that is undefined in one of them is left out."""
    if not (isinstance(a, StoredRun) and isinstance(b, StoredRun)):
        return Inside([], [])
    one, two = a.readings(), b.readings()
    numbers, curves = [], []
    right = told(a), told(b)
    for name in [n for n in names(one) if n in set(names(two))]:
        rows = [
            (one[i][name], two[i][name], left.cluster)
            for left in pairs.left
            if name in one.get(i := str(left.id), {}) and name in two.get(i, {})
        ]
        if not rows or not (kind := {r.axes for pair in rows for r in pair[:2]}) <= {(), ("layer",)} or len(kind) > 1:
            continue
        x, y = (np.array([np.atleast_1d(row[k].values) for row in rows], np.float64) for k in (0, 1))  # type: ignore[union-attr]
        if x.shape != y.shape or x.dtype == object:
            continue
        found = [_paired(x[:, l], y[:, l], [row[2] for row in rows]) for l in range(x.shape[1])]
        if any(f is None for f in found):
            continue
        means, differences = zip(*(f for f in found if f), strict=True)
        before, after = zip(*means, strict=True)
        if kind == {()}:
            both = telling(right[0], one, name), telling(right[1], two, name)
            numbers.append(Number(name, before[0], after[0], differences[0], both))
        else:
            p = [d.p for d in differences]
            curves.append(
                Curve(name, [*before], [*after], [*differences], None if None in p else holm([v or 0.0 for v in p]))
            )
    return Inside(numbers, curves)


def names(read: Read) -> list[str]:
    """Every reading of a run, in the order of the first sample that has it."""
    return list(dict.fromkeys(name for one in read.values() for name in one))


def told(run: Played) -> dict[str, tuple[bool, str]]:
    """Sample -> whether it is right by the judged score, and its cluster; samples that it does not count left out."""
    rows = [r for r in run.results() if r.outcome]
    score = judged(run, occurring(rows)) if rows else None
    found = {str(r.id): (score.right(r.outcome.scores), r.cluster) for r in rows if score and r.outcome}
    return {i: (right, cluster) for i, (right, cluster) in found.items() if right is not None}


def telling(right: Mapping[str, tuple[bool, str]], read: Read, name: str) -> Estimate:
    """How well a reading tells right answers from wrong ones: AUROC of its number (of a curve, its mean), and of a
    logistic probe on it, cross-fitted over clusters, where its axis is `unit`. Above .5: larger where right."""
    rows = [(read[i][name], *right[i]) for i in right if name in read.get(i, {})]
    states = bool(rows) and all(r.axes == ("unit",) for r, _, _ in rows)
    rows = [row for row in rows if (np.isfinite(row[0].values).all() if states else np.isfinite(row[0].value))]
    good, clusters = [row[1] for row in rows], [row[2] for row in rows]
    if not rows:
        return Estimate(float("nan"), None, None, None, 0, 0, "undefined")
    if states:
        return auroc(crossfitted(np.stack([row[0].values for row in rows]), good, clusters), good, clusters)
    return auroc([row[0].value for row in rows], good, clusters)


def tellings(run: StoredRun) -> Iterator[tuple[str, Estimate]]:
    """Of every number and state of a run."""
    right, read = told(run), run.readings()
    for name in names(read):
        if {one[name].axes for one in read.values() if name in one} <= {(), ("unit",)}:
            yield name, telling(right, read, name)


def _paired(x: np.ndarray, y: np.ndarray, clusters: Sequence[str]) -> tuple[tuple[float, float], Difference] | None:
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        return None
    kept = [c for c, ok in zip(clusters, both, strict=True) if ok]
    return (float(x[both].mean()), float(y[both].mean())), paired_mean(x[both], y[both], kept)
