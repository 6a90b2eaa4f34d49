"""Scales with round marks, and the grid behind a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import escape

from harness.leaderboard.figures.svg import number

Line = tuple[str, float]
"""A reference level: its class of the style sheet, and where it lies."""
Place = Callable[[float], float]
"""Value -> where it lies in the figure, in its units."""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values that cover the range."""
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / count
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = 2 - math.floor(math.log10(step))
    return [round(i * step, max(10, digits)) for i in range(first, last + 1)]


def scale(values: Sequence[float | None]) -> list[float]:
    """Round marks that cover the values: those of a column of bars, which spans from the first to the last."""
    known = [v for v in values if v is not None and v == v]
    return ticks(min(known), max(known), 3) if known else [0.0, 1.0]


def axis_of(values: Sequence[float], start: float, end: float, count: int = 5) -> tuple[Place, list[float]]:
    """An axis from `start` to `end` that covers the values, and its marks."""
    marks = ticks(min(values), max(values), count) if values else [0.0, 1.0]
    low, high = marks[0], marks[-1]
    return (lambda v: start + (end - start) * (v - low) / (high - low)), marks


def log_axis(values: Sequence[float], start: float, end: float, count: int = 5) -> tuple[Place, list[float]]:
    """A logarithmic axis over positive values: 1, 2 and 5 in a decade, or 1 alone where that is more than `count`."""
    low, high = min(values), max(values)
    for steps in ((1, 2, 5), (1,)):
        tens = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        marks = [m * 10.0**k for k in tens for m in steps]
        first = max(i for i, m in enumerate(marks) if m <= low * 1.0001)
        last = min(i for i, m in enumerate(marks) if m >= high * 0.9999 and i > first)
        shown = marks[first : last + 1]
        if len(shown) <= count + 1:
            break
    a, b = math.log(shown[0]), math.log(shown[-1])
    return (lambda v: start + (end - start) * (math.log(v) - a) / (b - a)), shown


def digits_of(marks: Sequence[float]) -> int:
    """Two, or as many more as the step needs."""
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    return next((n for n in (2, 3) if abs(step * 10**n - round(step * 10**n)) < 1e-6), 4)


def grid(
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x: Place,
    y: Place,
    across: tuple[float, float],
    down: tuple[float, float],
    whole: bool = False,
) -> list[str]:
    """Lines and numbers behind a figure. `across`, `down`: its edges; `whole`: the marks of x are whole numbers."""
    digits = digits_of(y_ticks)
    parts = []
    for v in y_ticks:
        parts.append(f'<line class="grid" x1="{across[0]}" x2="{across[1]}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>')
        parts.append(
            f'<text class="tick" x="{across[0] - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{number(v, digits)}</text>'
        )
    for v in x_ticks:
        parts.append(f'<line class="grid" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{down[0]}" y2="{down[1]}"/>')
        words = f"{v:,.0f}" if whole else number(v, 2)
        parts.append(f'<text class="tick" x="{x(v):.1f}" y="{down[1] + 16}" text-anchor="middle">{words}</text>')
    return parts


def titles(x_name: str, y_name: str, width: int, height: int, left: int, right: int) -> list[str]:
    middle = (left + width - right) / 2
    return [
        f'<text class="title" x="{middle}" y="{height - 6}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text class="title" x="8" y="18">{escape(y_name)}</text>',
    ]
