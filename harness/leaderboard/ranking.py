"""One model on one board: rows with ranges of ranks, all metrics and splits, and the figures of score against cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.leaderboard.board import Board, BoardEntry, slug
from harness.leaderboard.figures.axes import scale
from harness.leaderboard.figures.bars import axis, bar
from harness.leaderboard.figures.dots import Dot
from harness.leaderboard.figures.scatter import scatter
from harness.leaderboard.kept import KeptFigure, kept
from harness.leaderboard.levels import Level, levels
from harness.leaderboard.published import Figure
from harness.leaderboard.versus import Comparisons, Pair, against_vanilla, cost_ratio, ranks

MOST_COLUMNS = 32
"""Splits in one table; more are in the choice of metrics and in the CSV."""


@dataclass(frozen=True)
class Ranked:
    """One entry in its ranking."""

    entry: BoardEntry
    rank: tuple[int, int]
    pair: Pair | None
    """Against the model's newest vanilla run."""
    sign: int
    cost: float | None
    bar: str

    def gain(self, higher: bool) -> float | None:
        return None if self.pair is None else self.pair.value * (1 if higher else -1)


@dataclass(frozen=True)
class MetricTable:
    """Entries by splits of one metric, or by metrics: cells are rows of the store."""

    title: str
    columns: list[str]
    rows: list[tuple[BoardEntry, dict[str, dict[str, Any]]]]
    left_out: int = 0


@dataclass(frozen=True)
class Ranking:
    """One model's entries on one board."""

    model: str
    rows: list[Ranked]
    axis: str
    levels: list[Level]
    """Of the primary metric."""
    metrics: MetricTable
    splits: list[MetricTable]
    """The primary metric's first."""
    plot: str
    kept: list[KeptFigure]
    """Score against the share of the cache, or of the picture, that is read, where runs measured it."""


def ranking(board: Board, model: str, found: Comparisons, stated: Sequence[Figure]) -> Ranking:
    """`stated`: published figures of the board."""
    members = sorted(board.of(model), key=lambda e: (-(e.value or 0) if board.higher else (e.value or 0), e.run))
    vanilla, placed = against_vanilla(board, model, found), ranks(board, members, found)
    base = board.newest(model).get("vanilla")
    lines = levels(board, board.metric, board.group, model, stated)
    values = [v for e in members for v in (e.row["low"], e.row["high"], e.value)]
    ticks = scale(values + [line.value for line in lines])
    marks = [(line.kind, line.value) for line in lines]
    rows = [
        Ranked(
            entry=e,
            rank=placed[e.run],
            pair=vanilla.get(e.run),
            sign=vanilla[e.run].sign(board.higher) if e.run in vanilla else 0,
            cost=cost_ratio(e, base),
            bar=bar(e.value, e.row["low"], e.row["high"], (ticks[0], ticks[-1]), marks),
        )
        for e in members
    ]
    dots = [
        Dot(x=r, y=e.value, name=e.method, low=e.row["low"], high=e.row["high"], kind=_kind(e.method))
        for e in board.newest(model).values()
        if (r := cost_ratio(e, base)) is not None and e.value is not None
    ]
    plot = scatter(dots, "cost of a sample, times vanilla's", board.metric, board.higher, marks)
    tables = _metrics(board, members), _splits(board, members)
    plot = plot if len(dots) > 1 else ""
    return Ranking(model, rows, axis(ticks), lines, *tables, plot=plot, kept=kept(board, model))


def _kind(method: str) -> str:
    return "base" if method == "vanilla" else ""


def _metrics(board: Board, members: Sequence[BoardEntry]) -> MetricTable:
    """Every metric of the primary one's group, or of its own first group where it has not that one."""
    rows = []
    for e in members:
        cells: dict[str, dict[str, Any]] = {}
        for m in e.metrics:
            if m["name"] not in cells or (m["group"] == board.group and cells[m["name"]]["group"] != board.group):
                cells[m["name"]] = m
        rows.append((e, cells))
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    return MetricTable(board.group, names[:MOST_COLUMNS], rows, max(0, len(names) - MOST_COLUMNS))


def _splits(board: Board, members: Sequence[BoardEntry]) -> list[MetricTable]:
    """A table for each metric that has more than one group."""
    groups: dict[str, dict[str, None]] = {}
    for e in members:
        for m in e.metrics:
            groups.setdefault(m["name"], {})[m["group"]] = None
    out = []
    for name in sorted(groups, key=lambda n: n != board.metric):
        columns = list(groups[name])
        if len(columns) > 1:
            rows = [(e, {m["group"]: m for m in e.metrics if m["name"] == name}) for e in members]
            out.append(MetricTable(name, columns[:MOST_COLUMNS], rows, max(0, len(columns) - MOST_COLUMNS)))
    return out


def choices(board: Board, stated: Sequence[Figure]) -> dict[str, Any]:
    """Every metric and split of a board's ranked runs, for the page to draw: values by run, and levels by model."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for e in board.ranked:
        for m in e.metrics:
            if m["value"] is None or m["value"] != m["value"]:
                continue
            made = found.setdefault(
                (m["name"], m["group"]), {"higher": m["higher_is_better"], "runs": {}, "levels": {}}
            )
            ends = [None if v is None or v != v else round(v, 6) for v in (m["low"], m["high"])]
            made["runs"][slug(e.run)] = [round(m["value"], 6), *ends]
    for (name, group), made in found.items():
        for model in board.models:
            if lines := levels(board, name, group, model, stated):
                made["levels"][model] = [[line.kind, line.value, line.label] for line in lines]
    return {f"{name}|{group}": made for (name, group), made in found.items()}
