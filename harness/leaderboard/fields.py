"""Figures of what probes read: heads of layers as a field of shades, and curves over layers with their bands."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup, escape

from harness.leaderboard.figures.axes import digits_of, ticks
from harness.leaderboard.figures.svg import number, svg

SHADES = 9
"""Classes of the style sheet: q0 (the least) to q8."""
WIDE, HIGH = 340, 300
"""Units of a field at most; a small one has cells of CELL units."""
CELL = 26
EDGE, TOP, LEGEND = 42, 36, 44


def heads(values: np.ndarray, name: str, samples: int) -> Markup:
    """Layers down, heads across; the strongest colour is the most. One path for each shade: equal data, equal bytes."""
    layers, count = values.shape
    across, down = min(CELL, (WIDE - EDGE) / count), min(CELL, (HIGH - TOP) / layers)
    height = TOP + down * layers
    if not np.isfinite(values).any():
        return Markup("")
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    levels = np.where(np.isfinite(values), (values - low) / ((high - low) or 1) * (SHADES - 1), -1).round()
    parts = []
    for level in range(SHADES):
        cells = [
            f"M{EDGE + h * across:.1f} {TOP + l * down:.1f}h{across:.1f}v{down:.1f}h-{across:.1f}z"
            for l, h in zip(*np.nonzero(levels == level), strict=True)
        ]
        if cells:
            parts.append(f'<path class="q{level}" d="{"".join(cells)}"/>')
    for l in _some(layers, HIGH / 24):
        y = TOP + (l + 0.5) * down + 4
        parts.append(f'<text class="tick" x="{EDGE - 6}" y="{y:.1f}" text-anchor="end">{l}</text>')
    for h in _some(count, WIDE / 30):
        x = EDGE + (h + 0.5) * across
        parts.append(f'<text class="tick" x="{x:.1f}" y="{TOP - 6}" text-anchor="middle">{h}</text>')
    middle = TOP + down * layers / 2
    parts.append(f'<text class="title" x="{EDGE + across * count / 2:.1f}" y="13" text-anchor="middle">head</text>')
    turned = f'transform="rotate(-90 12 {middle:.1f})"'
    parts.append(f'<text class="title" x="12" y="{middle:.1f}" text-anchor="middle" {turned}>layer</text>')
    parts += _legend(low, high, height)
    said = f"{name}, mean of {samples} samples, {layers} layers down and {count} heads across, {most(values)}"
    return svg(WIDE, round(height) + LEGEND, parts, "field", said)


def most(values: np.ndarray, shown: int = 3) -> str:
    """The heads with the most in words, and the one with the least where that is negative: `most in layer 3 head 2
    (.40), ..., least in layer 1 head 0 (-.20)`."""
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), axis=None, kind="stable")
    order = order[: int(np.isfinite(values).sum())]
    named = [
        f"layer {l} head {h} ({number(float(values[l, h]))})"
        for l, h in (np.unravel_index(i, values.shape) for i in [*order[:shown], *order[-1:]])
    ]
    least = f", least in {named[-1]}" if np.nanmin(values) < 0 else ""
    return f"most in {', '.join(named[:-1])}{least}"


def curve(
    values: np.ndarray,
    low: np.ndarray | None,
    high: np.ndarray | None,
    name: str,
    zero: bool = False,
    over: str = "layer",
    first: int = 0,
) -> Markup:
    """A mean over layers with its band, or over something else that is counted from `first`. `zero`: a line at zero,
    for differences."""
    good = np.isfinite(values)
    if not good.any():
        return Markup("")
    width, height, left, bottom, top = WIDE, 190, 48, 36, 14
    bounds = [low, high] if low is not None and high is not None else []
    known = [float(v) for x in (values, *bounds) for v in x[np.isfinite(x)]] + ([0.0] if zero else [])
    marks = ticks(min(known), max(known), 4)
    step = (width - left - 12) / max(1, len(values) - 1)

    def x(l: int) -> float:
        return left + (step * l if len(values) > 1 else (width - left - 12) / 2)

    def y(v: float) -> float:
        return height - bottom - (height - bottom - top) * (v - marks[0]) / (marks[-1] - marks[0])

    parts = []
    digits, tiny = digits_of(marks), max(map(abs, marks)) < 1e-3
    for v in marks:
        said = f"{v:.2g}" if tiny else number(v, digits)
        kind = "level zero" if zero and v == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{left}" x2="{width - 8}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{said}</text>')
    parts += [
        f'<text class="tick" x="{x(l):.1f}" y="{height - 20}" text-anchor="middle">{l + first}</text>'
        for l in _some(len(values), (width - left) / 30)
    ]
    parts.append(f'<text class="title" x="{(left + width) / 2}" y="{height - 4}" text-anchor="middle">{over}</text>')
    if bounds:
        sure = np.isfinite(bounds[0]) & np.isfinite(bounds[1])
        upper = [f"{x(l):.1f},{y(float(bounds[1][l])):.1f}" for l in np.flatnonzero(sure).tolist()]
        lower = [f"{x(l):.1f},{y(float(bounds[0][l])):.1f}" for l in np.flatnonzero(sure)[::-1].tolist()]
        if upper:
            parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    points = [f"{x(l):.1f},{y(float(values[l])):.1f}" for l in np.flatnonzero(good).tolist()]
    parts.append(f'<polyline class="series" points="{" ".join(points)}"/>')
    parts += [f'<circle class="dot" cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="2.5"/>' for p in points]
    top_layer = int(np.nanargmax(values))
    label = f"{name} over {len(values)} {over}s, from {number(float(np.nanmin(values)))} to "
    label += f"{number(float(values[top_layer]))} in {over} {top_layer + first}; the table has the numbers"
    return svg(width, height, parts, "plot layered", label)


def _some(count: int, most_: float) -> range:
    """Numbers of rows or columns that find room."""
    return range(0, count, max(1, int(np.ceil(count / most_))))


def _legend(low: float, high: float, below: float) -> list[str]:
    y, size = below + 12, 14
    parts = [
        f'<rect class="q{i}" x="{EDGE + i * size}" y="{y:.1f}" width="{size}" height="10"/>' for i in range(SHADES)
    ]
    ends = ((EDGE, "start", low), (EDGE + SHADES * size, "end", high))
    return parts + [
        f'<text class="tick" x="{x}" y="{y + 24:.1f}" text-anchor="{anchor}">{escape(number(v))}</text>'
        for x, anchor, v in ends
    ]
