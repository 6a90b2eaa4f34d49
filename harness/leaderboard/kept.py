"""Score against the share of the cache that is read: one curve a method, over its budgets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.leaderboard import figures
from harness.leaderboard.board import Board, BoardEntry

KEPT = "kept_share"
"""The metric of methods that evict from the cache or do not read all of it."""
LEAST = 2
"""Runs that make a figure."""


@dataclass(frozen=True)
class KeptPoint:
    """One run. `low`, `high`: the interval of its share; vanilla keeps all."""

    entry: BoardEntry
    curve: str
    """The method, and what else than its budget was set by hand; "" for vanilla."""
    budget: str
    share: float
    low: float | None
    high: float | None
    front: bool = False
    """Whether no run that keeps less or as much scores better."""


@dataclass(frozen=True)
class KeptFigure:
    """The runs by curve and share, vanilla last, and their drawing."""

    points: list[KeptPoint]
    plot: str


def kept(board: Board, model: str) -> KeptFigure | None:
    """None where fewer than `LEAST` runs of the model measured what they kept."""
    found = [p for e in board.of(model) if (p := _point(e, board.group)) is not None]
    if len(found) < LEAST:
        return None
    found.sort(key=lambda p: (p.curve, p.share, p.entry.run))
    if base := board.newest(model).get("vanilla"):
        found.append(KeptPoint(base, "", "", 1.0, None, None))
    dots = [_dot(p) for p in found]
    front = figures.pareto(dots, board.higher)
    plot = figures.scatter(dots, "share of the cache that is kept", board.metric, board.higher)
    return KeptFigure([replace(p, front=d in front) for p, d in zip(found, dots, strict=True)], plot)


def _point(entry: BoardEntry, group: str) -> KeptPoint | None:
    rows = [m for m in entry.metrics if m["name"] == KEPT and m["value"] is not None and m["value"] == m["value"]]
    if not rows or entry.value is None:
        return None
    m = next((m for m in rows if m["group"] == group), rows[0])
    words = [entry.method, *(w for w in entry.settings.split() if not w.startswith("budget="))]
    return KeptPoint(entry, " ".join(words), _budget(entry), float(m["value"]), m["low"], m["high"])


def _budget(entry: BoardEntry) -> str:
    """As the run had it, whether by hand, from a preset or by default; "" where its method has none."""
    methods = (entry.row["identity"] or {}).get("methods") or []
    found = [m["values"]["budget"] for m in methods if "budget" in (m.get("values") or {})]
    return "" if not found else "all" if found[0] is None else f"{found[0]:g}"


def _dot(p: KeptPoint) -> figures.Dot:
    row, value = p.entry.row, p.entry.value
    assert value is not None, "only ranked runs come here"
    name = f"{p.curve}, budget {p.budget}" if p.budget else p.curve or p.entry.method
    kind = "" if p.curve else "base"
    return figures.Dot(p.share, value, name, row["low"], row["high"], kind, curve=p.curve)
