"""What methods change inside a model: a probe's readings with a method less those without, on the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.comparison.inside import titled
from harness.leaderboard import fields
from harness.leaderboard.answers import Items
from harness.leaderboard.board import Board
from harness.leaderboard.inside import Inside
from harness.runs.columns import aligned
from harness.stats import Difference, mean, paired_mean
from harness.stats.corrections import holm_of_tested

Reads = dict[str, tuple[Items, list[Inside]]]
"""Board -> its items, and what was read in its runs."""
COLUMNS = 5
"""Readings of a table: those that some method changes most."""
SURE = 0.05
EVERYWHERE = (-np.inf, np.inf)


@dataclass(frozen=True)
class Change:
    """One reading's paired difference, in its own unit; `size`: in standard deviations of the samples without the
    method; `p`: Holm's over the table."""

    difference: Difference
    size: float
    p: float | None

    @property
    def sure(self) -> bool:
        return self.p is not None and self.p <= SURE


@dataclass(frozen=True)
class ChangeRow:
    """One method's run, its changes by reading, and the change over layers of the reading that changes most there."""

    entry: Inside
    changes: dict[str, Change]
    curve: tuple[str, Markup] | None

    @property
    def size(self) -> float:
        """The largest change of all, by which methods are ranked."""
        return max((abs(c.size) for c in self.changes.values()), default=0.0)


@dataclass(frozen=True)
class Changes:
    """One board, one model: the run without a method, and those with one, the most changing first."""

    board: Board
    model: str
    base: Inside
    columns: list[str]
    rows: list[ChangeRow]


def changes(board: Board, items: Items, found: Iterable[Inside], probe: str) -> list[Changes]:
    """For each model of a board whose runs have the probe. A model without a plain run is left out."""
    out = []
    own = [x for x in found if probe in x.probes]
    for model in dict.fromkeys(x.entry.model for x in own):
        here = [x for x in own if x.entry.model == model]
        plain = [x for x in here if x.acting == "vanilla"]
        if not plain:
            continue
        base = max(plain, key=lambda x: max((len(c.at) for c in x.values.values()), default=0))
        rows = [_row(base, x, items, probe) for x in here if x.acting != "vanilla"]
        rows = _corrected(rows)
        rows.sort(key=lambda r: (-r.size, r.entry.acting))
        sizes: dict[str, float] = {}
        for row in rows:
            for name, change in row.changes.items():
                sizes[name] = max(sizes.get(name, 0.0), abs(change.size))
        numbers = [s.name for p in base.parts if p.probe == probe for s in p.numbers if s.name in base.values]
        columns = sorted(sizes, key=lambda n: (-sizes[n], n))[:COLUMNS] or numbers[:COLUMNS]
        out.append(Changes(board, model, base, columns, rows))
    return out


def _row(base: Inside, other: Inside, items: Items, probe: str) -> ChangeRow:
    found: dict[str, Change] = {}
    curves: dict[str, tuple[float, Markup]] = {}
    for name, before in base.values.items():
        after = other.values.get(name)
        if before.probe != probe or after is None or (shared := aligned(before, after)) is None:
            continue
        both, a, b = shared
        clusters = items.clusters[both]
        if a.ndim == 1:
            a, b = a.astype(np.float64), b.astype(np.float64)
            good = np.isfinite(a) & np.isfinite(b)
            if good.any():
                spread = float(a[good].std()) or 1.0
                d = paired_mean(a[good], b[good], clusters[good].tolist())
                found[name] = Change(d, d.value / spread, d.p)
        else:
            curves[name] = _difference(b - a, clusters, name)
    best = max(curves, key=lambda n: curves[n][0], default=None)
    return ChangeRow(other, found, (best, curves[best][1]) if best else None)


def _difference(d: np.ndarray, clusters: np.ndarray, name: str) -> tuple[float, Markup]:
    """How large the change is in the layer where it is largest, and its figure."""
    made = []
    for l in range(d.shape[1]):
        good = np.isfinite(d[:, l])
        made.append(mean(d[good, l], clusters[good], False, EVERYWHERE) if good.any() else None)
    value, low, high = (np.array([_of(m, k) for m in made], np.float64) for k in ("value", "low", "high"))
    size = float(np.nanmax(np.abs(value))) if np.isfinite(value).any() else 0.0
    return size, fields.curve(value, low, high, f"change of {titled(name)}", zero=True)


def _of(estimate: object, name: str) -> float:
    found = getattr(estimate, name, None)
    return np.nan if found is None else found


def _corrected(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Holm's correction over all changes of all methods of one table."""
    adjusted = iter(holm_of_tested([c.difference.p for r in rows for c in r.changes.values()]))
    return [
        ChangeRow(r.entry, {n: Change(c.difference, c.size, next(adjusted)) for n, c in r.changes.items()}, r.curve)
        for r in rows
    ]
