"""Figures of a table's cell: a value with its interval on the column's scale, and small columns."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from harness.leaderboard.figures.axes import Line, digits_of
from harness.leaderboard.figures.svg import number, svg

BAR, EDGE = 240, 10
"""Width of a bar, and its margin on both sides."""


def bar(
    value: float | None, low: float | None, high: float | None, span: tuple[float, float], lines: Sequence[Line] = ()
) -> Markup:
    """A value with its interval on a common scale; site/assets/bars.js draws the same."""
    if value is None or value != value:
        return Markup("")
    parts = [f'<line class="track" x1="{EDGE}" x2="{BAR - EDGE}" y1="11" y2="11"/>']
    parts += [
        f'<line class="level {kind}" x1="{_along(v, span)}" x2="{_along(v, span)}" y1="0" y2="22"/>'
        for kind, v in lines
        if span[0] <= v <= span[1]
    ]
    if low is not None and high is not None and low <= high:
        parts.append(f'<line class="interval" x1="{_along(low, span)}" x2="{_along(high, span)}" y1="11" y2="11"/>')
    parts.append(f'<circle class="point" cx="{_along(value, span)}" cy="11" r="4"/>')
    return svg(BAR, 22, parts, "bar", "")


def axis(marks: Sequence[float]) -> Markup:
    """The scale of a column of bars."""
    span = marks[0], marks[-1]
    parts = [f'<line class="axis" x1="{EDGE}" x2="{BAR - EDGE}" y1="19" y2="19"/>']
    digits = digits_of(marks)
    for v in marks:
        anchor = "start" if v == marks[0] else "end" if v == marks[-1] else "middle"
        x = {"start": 0, "end": BAR}.get(anchor, _along(v, span))
        parts.append(f'<line class="axis" x1="{_along(v, span)}" x2="{_along(v, span)}" y1="15" y2="22"/>')
        parts.append(f'<text class="tick" x="{x}" y="11" text-anchor="{anchor}">{number(v, digits)}</text>')
    return svg(BAR, 22, parts, "bar", "")


def _along(v: float, span: tuple[float, float]) -> str:
    return f"{EDGE + (BAR - 2 * EDGE) * (min(max(v, span[0]), span[1]) - span[0]) / ((span[1] - span[0]) or 1):.1f}"


def spark(values: Sequence[tuple[float, str]], label: str) -> Markup:
    """Small columns up and down from zero: (value, class), on a scale of its own."""
    if not values:
        return Markup("")
    step, height = 9, 28
    most = max(abs(v) for v, _ in values) or 1.0
    up = max(0.0, *(v for v, _ in values)) / most
    down = max(0.0, *(-v for v, _ in values)) / most
    unit = (height - 4) / ((up + down) or 1)
    zero = 2 + up * unit
    parts = [f'<line class="axis" x1="0" x2="{step * len(values)}" y1="{zero:.1f}" y2="{zero:.1f}"/>']
    for i, (v, kind) in enumerate(values):
        tall = max(1.0, abs(v) / most * unit)
        top = zero - tall if v > 0 else zero
        parts.append(f'<rect class="{kind}" x="{i * step + 1}" y="{top:.1f}" width="{step - 2}" height="{tall:.1f}"/>')
    width = step * len(values)  # drawn at its own size: a method on three tasks is not as wide as one on thirty
    return Markup(
        f'<svg class="spark" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
