"""Score against the share of the cache, the picture or the visual tokens that is read: one curve a method."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.leaderboard.board import Board, BoardEntry
from harness.leaderboard.figures.dots import Dot, pareto
from harness.leaderboard.figures.scatter import scatter

KEPT = "kept_share"
"""The metric of methods that evict from the cache or do not read all of it."""


@dataclass(frozen=True)
class Share:
    """A metric of methods that leave something out, 1 where they leave out nothing.

    Attributes:
        metric: Its name.
        title: What is drawn against it, after "Score against".
        axis: What it is a share of, in words.
        knobs: Settings that choose it: they name the points of a curve.
        base: What vanilla does.
    """

    metric: str
    title: str
    axis: str
    knobs: tuple[str, ...]
    base: str


SHARES = (
    Share(KEPT, "kept share", "share of the cache that is kept", ("budget",), "vanilla keeps all"),
    Share(
        "visible_share",
        "visible share",
        "share of the keys that a query of the vision tower sees",
        ("kernel", "top", "factor"),
        "in vanilla's tower all patches see all",
    ),
    Share("visual_share", "visual share", "share of the visual tokens that are left", ("keep",), "vanilla has all"),
)
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

    share: Share
    points: list[KeptPoint]
    plot: str


def kept(board: Board, model: str) -> list[KeptFigure]:
    """Of each share that `LEAST` runs of the model measured."""
    return [made for share in SHARES if (made := _figure(board, model, share)) is not None]


def _figure(board: Board, model: str, share: Share) -> KeptFigure | None:
    found = [p for e in board.of(model) if (p := _point(e, board.group, share)) is not None]
    if len(found) < LEAST:
        return None
    found.sort(key=lambda p: (p.curve, p.share, p.entry.run))
    if base := board.newest(model).get("vanilla"):
        found.append(KeptPoint(base, "", "", 1.0, None, None))
    dots = [_dot(p) for p in found]
    front = pareto(dots, board.higher)
    plot = scatter(dots, share.axis, board.metric, board.higher)
    return KeptFigure(share, [replace(p, front=d in front) for p, d in zip(found, dots, strict=True)], plot)


def _point(entry: BoardEntry, group: str, share: Share) -> KeptPoint | None:
    rows = [
        m for m in entry.metrics if m["name"] == share.metric and m["value"] is not None and m["value"] == m["value"]
    ]
    if not rows or entry.value is None:
        return None
    m = next((m for m in rows if m["group"] == group), rows[0])
    knobs = tuple(f"{knob}=" for knob in share.knobs)
    words = [entry.method, *(w for w in entry.settings.split() if not w.startswith(knobs))]
    return KeptPoint(entry, " ".join(words), _budget(entry, share), float(m["value"]), m["low"], m["high"])


def _budget(entry: BoardEntry, share: Share) -> str:
    """As the run had it, whether by hand, from a preset or by default; "" where its method has none."""
    methods = (entry.row["identity"] or {}).get("methods") or []
    given = [m.get("values") or {} for m in methods]
    found = [values[knob] for values in given for knob in share.knobs if knob in values]
    return "" if not found else "all" if found[0] is None else f"{found[0]:g}"


def _dot(p: KeptPoint) -> Dot:
    row, value = p.entry.row, p.entry.value
    assert value is not None, "only ranked runs come here"
    name = f"{p.curve}, budget {p.budget}" if p.budget else p.curve or p.entry.method
    kind = "" if p.curve else "base"
    return Dot(p.share, value, name, row["low"], row["high"], kind, curve=p.curve)
