"""Comparisons of a board's runs: each against each, ranges of ranks, and each method against vanilla."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.leaderboard.answers import RIGHT, WRONG, BoardRun, Items
from harness.leaderboard.board import Board, BoardEntry
from harness.stats import paired_jackknife, paired_mean, totals
from harness.stats.corrections import holm_of_tested
from harness.stats.paired import EXACT_BELOW
from harness.stats.paired_tables import mean_differences, ratio_differences

ALPHA = 0.05


@dataclass(frozen=True)
class Pair:
    """B - A over the items that both scored. `worse`, `better`: items that changed from A to B."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    worse: int
    better: int
    holm: float | None = None

    def sign(self, up: bool) -> int:
        """1: B is better, -1: worse, 0: not shown; by the corrected p where there is one."""
        p = self.p if self.holm is None else self.holm
        if p is None or p >= ALPHA or self.value == 0:
            return 0
        return 1 if (self.value > 0) == up else -1


class Comparisons:
    """All pairs of a board by group ("all" first)."""

    def __init__(self, names: list[str], tables: dict[str, np.ndarray]):
        self._at = {name: i for i, name in enumerate(names)}
        self._tables = tables
        """Group -> [A, B, 7]: difference, low, high, p, n, worse, better."""

    @property
    def groups(self) -> list[str]:
        return list(self._tables)

    def of(self, a: str, b: str, group: str = "all") -> Pair | None:
        if a not in self._at or b not in self._at or a == b:
            return None
        value, low, high, p, n, worse, better = self._tables[group][self._at[a], self._at[b]].tolist()
        low, high, p = (None if x != x else x for x in (low, high, p))
        return Pair(value, low, high, p, int(n), int(worse), int(better))


def comparisons(board: Board, items: Items, runs: dict[str, BoardRun]) -> Comparisons:
    """Every two ranked entries of a board."""
    names = [e.run for e in board.ranked]
    groups: list[tuple[str, Any]] = [("all", np.arange(len(items.rows)))]
    if len(items.groups) > 1:
        groups += [(g, np.flatnonzero(items.group == i)) for i, g in enumerate(items.groups)]
    tables = {name: _table(names, items, runs, keep) for name, keep in groups}
    return Comparisons(names, tables)


def _table(names: list[str], items: Items, runs: dict[str, BoardRun], keep: np.ndarray) -> np.ndarray:
    made = np.full((len(names), len(names), 7), np.nan)
    if not names or not len(keep):
        return made
    order = keep[np.argsort(items.clusters[keep], kind="stable")]
    starts = np.flatnonzero(np.diff(items.clusters[order], prepend=-1))
    values = np.stack([runs[n].values[order] for n in names])
    state = np.stack([np.frombuffer(runs[n].state.encode(), dtype=np.uint8)[order] for n in names])
    right, wrong = state == ord(RIGHT), state == ord(WRONG)
    has = ~np.isnan(values if values.ndim == 2 else values.sum(-1))
    for i, name in enumerate(names):
        both = has & has[i]
        sizes = np.add.reduceat(both.astype(float), starts, axis=1)
        if values.ndim == 2:
            found = mean_differences(np.add.reduceat(np.where(both, values - values[i], 0.0), starts, axis=1), sizes)
        else:
            before = np.add.reduceat(np.where(both[..., None], values[i], 0.0), starts, axis=1)
            after = np.add.reduceat(np.where(both[..., None], values, 0.0), starts, axis=1)
            found = ratio_differences(before, after)
        made[i, :, :4] = found
        made[i, :, 4] = both.sum(1)
        made[i, :, 5] = (right[i] & wrong).sum(1)
        made[i, :, 6] = (wrong[i] & right).sum(1)
        if len(starts) < EXACT_BELOW:
            for j in range(len(names)):
                made[i, j, 3] = _exact(values[i], values[j], both[j], items.clusters[order], name == names[j])
    return made


def _exact(before: np.ndarray, after: np.ndarray, both: np.ndarray, clusters: np.ndarray, same: bool) -> float:
    """p of the cluster swap test, for few clusters."""
    if same or not both.any():
        return math.nan
    if before.ndim == 1:
        p = paired_mean(before[both], after[both], clusters[both]).p
    else:
        a, b = (totals(x[both], clusters[both]) for x in (before, after))
        p = paired_jackknife(a, b, lambda c: c[..., 0] / c[..., 1], n=int(both.sum())).p
    return math.nan if p is None else p


def against_vanilla(board: Board, model: str, found: Comparisons) -> dict[str, Pair]:
    """Each run on this model against the newest vanilla one, Holm-corrected over them. Runs with other settings of the
    model are of another one."""
    base = board.newest(model).get("vanilla")
    if base is None:
        return {}
    alike = [e for e in board.of(model) if e.variant == base.variant]
    pairs = {e.run: p for e in alike if (p := found.of(base.run, e.run)) is not None}
    corrected = holm_of_tested([p.p if math.isfinite(p.value) else None for p in pairs.values()])
    return {n: replace(p, holm=h) for (n, p), h in zip(pairs.items(), corrected, strict=True)}


def all_pairs(members: Sequence[BoardEntry], found: Comparisons) -> dict[tuple[str, str], Pair]:
    """Each two of these entries, Holm-corrected over all of them."""
    pairs = {
        (a, b): p
        for a, b in itertools.combinations([e.run for e in members], 2)
        if (p := found.of(a, b)) is not None and p.p is not None
    }
    corrected = holm_of_tested([p.p for p in pairs.values()])
    return {key: replace(p, holm=h) for (key, p), h in zip(pairs.items(), corrected, strict=True)}


def ranks(board: Board, members: list[BoardEntry], found: Comparisons) -> dict[str, tuple[int, int]]:
    """Each entry's range of ranks: 1 + those surely better, to all minus those surely worse (Holm over all pairs)."""
    above = {e.run: 0 for e in members}
    below = dict(above)
    for (a, b), pair in all_pairs(members, found).items():
        sign = pair.sign(board.higher)
        if sign:
            first, second = (b, a) if sign > 0 else (a, b)
            above[second] += 1
            below[first] += 1
    return {e.run: (1 + above[e.run], len(members) - below[e.run]) for e in members}


def verdicts(board: Board, found: Comparisons) -> dict[tuple[str, str], tuple[float, str]]:
    """Each two ranked entries with the corrected p that the rankings judge them by, and what it is corrected for.

    A run and the vanilla run of its model: over the methods of that model. Two others of one model: over its pairs.
    Runs of two models, which share no ranking: over all pairs of the board.
    """
    out = {key: (p.holm, "all pairs of these records") for key, p in all_pairs(board.ranked, found).items()}
    for model in board.models:
        own = all_pairs(board.of(model), found)
        out |= {key: (p.holm, f"all pairs on {model}, as in the ranking") for key, p in own.items()}
        base = board.newest(model).get("vanilla")
        for run, pair in against_vanilla(board, model, found).items():
            assert base is not None
            key = (base.run, run) if (base.run, run) in out else (run, base.run)
            out[key] = pair.holm, f"the runs against vanilla on {model}, as in the ranking"
    return {key: (p, words) for key, (p, words) in out.items() if p is not None}


def midranks(board: Board, members: list[BoardEntry]) -> dict[str, float]:
    """Each entry's place by its value alone; equal ones share the mean of theirs."""
    values = {e.run: (e.value or 0.0) * (1 if board.higher else -1) for e in members}
    return {
        run: 1 + sum(v > own for v in values.values()) + (sum(v == own for v in values.values()) - 1) / 2
        for run, own in values.items()
    }


def cost_ratio(entry: BoardEntry, base: BoardEntry | None) -> float | None:
    """Decoder positions of a sample over vanilla's, which no machine changes; seconds where they are not known. None
    beside another variant of the model."""
    if base is None or entry.variant != base.variant:
        return None
    for key in ("positions", "seconds"):
        if base.cost.get(key) and entry.cost.get(key):
            return entry.cost[key] / base.cost[key]
    return None
