"""Score against cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from harness.leaderboard.figures.axes import Line, axis_of, grid, log_axis, titles
from harness.leaderboard.figures.dots import Dot, curves, pareto, whisker
from harness.leaderboard.figures.svg import NARROW, WIDE, both, number, svg

NAMED = 14
"""With more points than these only the front and the base carry their names."""
COLOURS = 8
"""Colours of curves in the style sheet: c0, c1, ..."""
NAME_HEIGHT, NAME_LENGTH = 14, 14
"""Of a curve's name beside a figure, in its units and in letters."""


def scatter(
    dots: Sequence[Dot],
    x_name: str,
    y_name: str,
    up: bool = True,
    lines: Sequence[Line] = (),
    *,
    log: bool = False,
    more: bool = False,
) -> Markup:
    """Score against cost; the front (nothing cheaper is better) is joined by dashes, and ringed where dots belong to
    curves. `lines`: reference levels in sight. `log`: a logarithmic x; `more`: more of it is better (a speed)."""
    return both(lambda width: _scatter(dots, x_name, y_name, up, lines, width, log, more)) if dots else Markup("")


def _scatter(
    dots: Sequence[Dot],
    x_name: str,
    y_name: str,
    up: bool,
    lines: Sequence[Line],
    width: int,
    log: bool = False,
    more: bool = False,
) -> Markup:
    height, left, bottom, top, right = (390, 56, 46, 34, 120) if width == WIDE else (350, 46, 44, 34, 84)
    xs, ys = [d.x for d in dots], [v for d in dots for v in (d.y, d.low, d.high) if v is not None]
    joined = curves(dots)
    right += 30 if joined and width == NARROW else 0
    x, x_ticks = (log_axis if log else axis_of)(xs, left, width - right, 5 if width == WIDE else 3)
    y, y_ticks = axis_of(ys, height - bottom, top)
    whole = log and all(v >= 1 for v in x_ticks)
    parts = grid(x_ticks, y_ticks, x, y, (left, width - right), (top, height - bottom), whole)
    parts += titles(x_name, y_name, width, height, left, right)
    parts += [
        f'<line class="level {kind}" x1="{left}" x2="{width - right}" y1="{y(v):.1f}" y2="{y(v):.1f}">'
        f"<title>{escape(kind)}: {number(v)}</title></line>"
        for kind, v in lines
        if y_ticks[0] <= v <= y_ticks[-1]
    ]
    front = pareto(dots, up, more)
    steps = " ".join(f"{x(d.x):.1f},{y(d.y):.1f}" for d in front)
    if len(front) > 1:
        parts.append(f'<polyline class="front" points="{steps}"/>')
    colour = {name: f"c{i % COLOURS}" for i, name in enumerate(joined)}
    for name, members in joined.items():
        points = " ".join(f"{x(d.x):.1f},{y(d.y):.1f}" for d in members)
        parts.append(f'<polyline class="curve {colour[name]}" points="{points}"/>')
    taken: list[tuple[float, float]] = []
    for d in sorted(dots, key=lambda d: (d.y, d.name)):
        parts += whisker(d, x(d.x), y, colour.get(d.curve, ""))
        if joined and d in front:
            parts.append(f'<circle class="ring" cx="{x(d.x):.1f}" cy="{y(d.y):.1f}" r="9"/>')
        kind = escape(d.kind or colour.get(d.curve) or ("front" if d in front else "plain"))
        parts.append(
            f'<circle class="dot {kind}" cx="{x(d.x):.1f}" cy="{y(d.y):.1f}" r="5">'
            f"<title>{escape(d.name)}: {number(d.y)} at {number(d.x, 2)}</title></circle>"
        )
        if joined or (len(dots) > NAMED and d not in front and not d.kind):
            continue
        at = y(d.y) + 4
        while any(abs(x(d.x) - px) < 90 and abs(at - py) < 12 for px, py in taken):
            at += 12
        taken.append((x(d.x), at))
        parts.append(f'<text class="name" x="{x(d.x) + 9:.1f}" y="{at:.1f}">{escape(d.name)}</text>')
    if joined:
        ends = [members[-1] for members in joined.values()] + [d for d in dots if not d.curve]
        parts += beside(sorted(ends, key=lambda d: -d.y), colour, y, width - right + 14, (top, height - bottom))
    return svg(
        width, height, parts, "plot", f"{y_name} against {x_name} of {len(dots)} entries; the table has the data"
    )


def beside(
    ends: Sequence[Dot], colour: Mapping[str, str], y: Callable[[float], float], x: float, down: tuple[float, float]
) -> list[str]:
    """Names right of the plot, each as near to its dot's height as the others let it. `ends`: from the top down;
    `down`: the plot's edges."""
    at = [y(d.y) for d in ends]
    step = min(NAME_HEIGHT, (down[1] - down[0]) / len(ends))
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + step)
    for i in reversed(range(len(at))):
        at[i] = min(at[i], down[1] if i == len(at) - 1 else at[i + 1] - step)
    parts = []
    for d, v in zip(ends, at, strict=True):
        name = d.curve or d.name
        short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
        kind = escape(d.kind or colour.get(d.curve, "plain"))
        parts.append(f'<circle class="dot {kind}" cx="{x:.1f}" cy="{v:.1f}" r="4"/>')
        parts.append(
            f'<text class="name" x="{x + 9:.1f}" y="{v + 4:.1f}">{escape(short)}<title>{escape(name)}</title></text>'
        )
    return parts
