"""Learning curves: score over training steps, a line for each model with a band over its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from markupsafe import Markup, escape

from harness.leaderboard.figures.axes import Line, axis_of, grid, log_axis, titles
from harness.leaderboard.figures.dots import Dot
from harness.leaderboard.figures.scatter import COLOURS, beside
from harness.leaderboard.figures.svg import WIDE, both, number, svg
from harness.stats.intervals import quantile

Point = Mapping[str, Any]
"""One point of a stored curve: `step`, `seconds`, `loss`, and `scores` by slice."""


@dataclass(frozen=True)
class Curve:
    """A model's mean score over its seeds by step, with the 95 % band over seeds (none with one seed)."""

    name: str
    seeds: int
    steps: list[int]
    value: list[float]
    low: list[float]
    high: list[float]


def curve(name: str, of_seeds: Sequence[Sequence[Point]], part: str | None = None) -> Curve | None:
    """Over the steps that all seeds have a score at. `part`: a slice; None for the mean over all.

    None where there is no such score.
    """
    found = [_scores(points, part) for points in of_seeds]
    steps = sorted(set.intersection(*map(set, found))) if found else []
    if not steps:
        return None
    rows = [[scores[step] for scores in found] for step in steps]
    value = [fmean(row) for row in rows]
    half = [_half(row) for row in rows]
    low, high = ([v + sign * h for v, h in zip(value, half, strict=True)] for sign in (-1, 1))
    return Curve(name, len(found), steps, value, low, high)


def _scores(points: Sequence[Point], part: str | None) -> dict[int, float]:
    out = {}
    for point in points:
        scores = point.get("scores") or {}
        values = [v for k, v in scores.items() if part in (None, k) and isinstance(v, int | float) and math.isfinite(v)]
        if values and point.get("step", 0) >= 1:
            out[int(point["step"])] = fmean(values)
    return out


def _half(row: Sequence[float]) -> float:
    """Half of the band: t times the standard error over seeds."""
    return quantile(0.975, len(row) - 1) * stdev(row) / math.sqrt(len(row)) if len(row) > 1 else 0.0


def parts(of_seeds: Sequence[Sequence[Point]]) -> list[str]:
    """The slices that a model's curves have."""
    return list(dict.fromkeys(k for points in of_seeds for p in points for k in p.get("scores") or {}))


def drawn(curves: Sequence[Curve], y_name: str, lines: Sequence[Line] = (), bounds: tuple[float, float] | None = None):
    """All of them in one figure, over a logarithmic axis of steps. `bounds`: of the score, which no band leaves."""
    return both(lambda width: _drawn(curves, y_name, lines, bounds, width)) if curves else Markup("")


def _drawn(
    curves: Sequence[Curve], y_name: str, lines: Sequence[Line], bounds: tuple[float, float] | None, width: int
) -> Markup:
    height, left, bottom, top, right = (360, 56, 46, 34, 124) if width == WIDE else (330, 46, 44, 34, 110)
    least, most = bounds or (-math.inf, math.inf)
    x, x_ticks = log_axis([s for c in curves for s in c.steps], left, width - right, 5 if width == WIDE else 3)
    ends = [min(max(v, least), most) for c in curves for v in (*c.low, *c.high)]
    y, y_ticks = axis_of([*ends, *(v for _, v in lines)], height - bottom, top)
    parts = grid(x_ticks, y_ticks, x, y, (left, width - right), (top, height - bottom), True)
    parts += titles("training steps", y_name, width, height, left, right)
    parts += [
        f'<line class="level {kind}" x1="{left}" x2="{width - right}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        for kind, v in lines
    ]
    names = {c.name: f"c{i % COLOURS}{' dashed' if i >= COLOURS else ''}" for i, c in enumerate(curves)}
    for c in curves:
        upper = [f"{x(s):.1f},{y(min(v, most)):.1f}" for s, v in zip(c.steps, c.high, strict=True)]
        lower = [f"{x(s):.1f},{y(max(v, least)):.1f}" for s, v in zip(c.steps, c.low, strict=True)]
        if c.seeds > 1:
            parts.append(f'<polygon class="band {names[c.name]}" points="{" ".join(upper + lower[::-1])}"/>')
    for c in curves:
        points = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(c.steps, c.value, strict=True))
        last = f"{escape(c.name)}: {number(c.value[-1])} at step {c.steps[-1]}, {c.seeds} seed"
        parts.append(
            f'<polyline class="curve {names[c.name]}" points="{points}"><title>{last}{"s" * (c.seeds > 1)}</title>'
            "</polyline>"
        )
    ends_of = [Dot(c.steps[-1], c.value[-1], c.name, curve=c.name) for c in curves]
    ends_of.sort(key=lambda d: -d.y)
    parts += beside(ends_of, names, y, width - right + 14, (top, height - bottom))
    label = f"{y_name} over training steps of {len(curves)} models; the table has the last values"
    return svg(width, height, parts, "plot", label)
