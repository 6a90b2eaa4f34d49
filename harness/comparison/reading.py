"""What probes read in two runs, paired by sample; and how well a reading tells right answers from wrong ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.comparison.pairing import Pairs, Played, judged
from harness.core.score import occurring
from harness.runs.columns import Column, aligned
from harness.runs.stored import StoredRun
from harness.stats import Difference, Estimate, paired_mean
from harness.stats.auroc import auroc, crossfitted
from harness.stats.corrections import holm_of_tested

SURE = 0.05


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
    holm: list[float | None]
    """None of a layer that could not be tested."""

    @property
    def sure(self) -> list[int]:
        """Layers that differ, Holm-corrected."""
        return [l for l, p in enumerate(self.holm) if p is not None and p < SURE]

    @property
    def largest(self) -> int:
        """The layer with the largest difference."""
        return int(np.nanargmax([abs(d.value) for d in self.differences]))


@dataclass(frozen=True)
class Inside:
    """What a comparison says of readings; empty where not both runs have the same ones."""

    numbers: list[Number]
    curves: list[Curve]


@dataclass(frozen=True)
class Told:
    """A run's scored samples by number.

    Args:
        number: Of each sample.
        right: [n] 1 or 0 by the judged score; NaN where it does not count the sample.
        clusters: [n]
    """

    number: Mapping[str, int]
    right: np.ndarray
    clusters: np.ndarray


def inside(a: Played, b: Played, pairs: Pairs) -> Inside:
    """Readings that both runs have of paired samples; a sample that is undefined in one of them is left out."""
    if not (isinstance(a, StoredRun) and isinstance(b, StoredRun)):
        return Inside([], [])
    paired = [str(r.id) for r in pairs.left]
    one, two = told(a, paired), told(b, paired)
    others = {c.name: c for c in b.columns(two.number)}
    numbers, curves = [], []
    for before in a.columns(one.number):
        after = others.get(before.name)
        if after is None or not (before.whole and after.whole) or before.read not in ((), ("layer",)):
            continue
        if (shared := aligned(before.first(len(paired)), after.first(len(paired)))) is None:
            continue
        at, x, y = shared
        x, y = x.reshape(len(at), -1), y.reshape(len(at), -1)
        found = [_paired(x[:, l], y[:, l], one.clusters[at]) for l in range(x.shape[1])]
        if any(f is None for f in found):
            continue
        means, differences = zip(*(f for f in found if f), strict=True)
        left, right = zip(*means, strict=True)
        if before.read:
            corrected = holm_of_tested([d.p for d in differences])
            curves.append(Curve(before.name, [*left], [*right], [*differences], corrected))
        else:
            both = telling(one, before), telling(two, after)
            numbers.append(Number(before.name, left[0], right[0], differences[0], both))
    return Inside(numbers, curves)


def told(run: Played, first: Sequence[str] = ()) -> Told:
    """Which samples are right. `first`: scored samples that are numbered from 0 on, in their order; then come the
    others."""
    rows = {str(r.id): r for r in run.results() if r.outcome}
    number = {i: n for n, i in enumerate(dict.fromkeys([*first, *rows]))}
    score = judged(run, occurring([*rows.values()])) if rows else None
    right = [score.right(o.scores) if score and (o := rows[i].outcome) else None for i in number]
    clusters = np.array([rows[i].cluster for i in number], object)
    return Told(number, np.array([np.nan if r is None else r for r in right], float), clusters)


def telling(run: Told, column: Column) -> Estimate:
    """How well a reading tells right answers from wrong ones: AUROC of its number, and of a logistic probe on it,
    cross-fitted over clusters, where its axis is `unit`. Above .5: larger where right."""
    order = np.argsort(column.at, kind="stable")
    at, values = column.at[order], column.values[order]
    ok = np.isfinite(run.right[at]) & np.isfinite(values).all(tuple(range(1, values.ndim)))
    values, right, clusters = values[ok], run.right[at[ok]] == 1, run.clusters[at[ok]]
    if not len(values):
        return Estimate(float("nan"), None, None, None, 0, 0, "undefined")
    return auroc(crossfitted(values, right, clusters) if values.ndim == 2 else values, right, clusters)


def tellings(run: StoredRun) -> Iterator[tuple[str, Estimate]]:
    """Of every number and state of a run."""
    found = told(run)
    for column in run.columns(found.number):
        if column.whole and column.read in ((), ("unit",)):
            yield column.name, telling(found, column)


def _paired(x: np.ndarray, y: np.ndarray, clusters: np.ndarray) -> tuple[tuple[float, float], Difference] | None:
    x, y = x.astype(np.float64), y.astype(np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        return None
    return (float(x[both].mean()), float(y[both].mean())), paired_mean(x[both], y[both], clusters[both].tolist())
