"""A series over commits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from harness.leaderboard.figures.axes import axis_of, grid
from harness.leaderboard.figures.dots import Dot, whisker
from harness.leaderboard.figures.svg import WIDE, both, number, svg


def line(dots: Sequence[Dot], y_name: str, marks: Sequence[tuple[int, str]] = ()) -> Markup:
    """A series over commits with intervals; `marks`: (index of the first point after a step, its words). The first word
    of a dot's name stands below it."""
    return both(lambda width: _line(dots, y_name, marks, width))


def _line(dots: Sequence[Dot], y_name: str, marks: Sequence[tuple[int, str]], width: int) -> Markup:
    height, left, bottom, top, right = (250, 64, 34, 34, 16) if width == WIDE else (240, 48, 34, 34, 10)
    ys = [v for d in dots for v in (d.y, d.low, d.high) if v is not None]
    y, y_ticks = axis_of(ys, height - bottom, top)
    gap = (width - left - right) / max(1, len(dots))

    def x(i: float) -> float:
        return left + gap * (i + 0.5)

    parts = grid([], y_ticks, x, y, (left, width - right), (top, height - bottom))
    for at, words in marks:
        edge = x(at) - gap / 2
        parts.append(
            f'<line class="step" x1="{edge:.1f}" x2="{edge:.1f}" y1="{top}" y2="{height - bottom}">'
            f"<title>{escape(words)}</title></line>"
        )
    path = " ".join(f"{x(i):.1f},{y(d.y):.1f}" for i, d in enumerate(dots))
    parts.append(f'<polyline class="series" points="{path}"/>')
    for i, d in enumerate(dots):
        parts += whisker(d, x(i), y)
        words = f"{escape(d.name)}: {number(d.y)}"
        dot = f'<circle class="dot" cx="{x(i):.1f}" cy="{y(d.y):.1f}" r="5"><title>{words}</title></circle>'
        parts.append(f'<a href="{escape(d.link)}" aria-label="{words}">{dot}</a>' if d.link else dot)
    shown = range(0, len(dots), max(1, math.ceil(len(dots) * 80 / (width - left - right))))
    parts += [
        f'<text class="tick" x="{x(i):.1f}" y="{height - bottom + 18}" text-anchor="middle">'
        f"{escape(dots[i].name.partition(' ')[0])}</text>"
        for i in shown
    ]
    parts.append(f'<text class="title" x="8" y="18">{escape(y_name)}</text>')
    label = f"{y_name} over {len(dots)} runs"
    return svg(width, height, parts, "plot", label, group=any(d.link for d in dots))
