"""Figures as SVG that the page's style sheet colours: no script, no font, no inline style; equal data, equal bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

NAMED = 14
"""With more points than these only the front and the base carry their names."""
WIDE, NARROW = 720, 380
"""Widths of a figure, in units that are pixels on a desk and on a phone."""
COLOURS = 8
"""Colours of curves in the style sheet: c0, c1, ..."""
NAME_HEIGHT, NAME_LENGTH = 14, 14
"""Of a curve's name beside a figure, in its units and in letters."""


@dataclass(frozen=True)
class Dot:
    """A point with its interval and its name."""

    x: float
    y: float
    name: str
    low: float | None = None
    high: float | None = None
    kind: str = ""
    """A class for its colour: "base", "front" or nothing."""
    link: str = ""
    curve: str = ""
    """Dots of one curve are joined, in one colour, and named together beside the figure."""


def number(value: float | None, digits: int = 3) -> str:
    if value is None or value != value:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"


Line = tuple[str, float]
"""A reference level in a bar: its class of the style sheet, and where it lies."""
BAR, EDGE = 240, 10
"""Width of a bar, and its margin on both sides."""


def _along(v: float, span: tuple[float, float]) -> str:
    return f"{EDGE + (BAR - 2 * EDGE) * (min(max(v, span[0]), span[1]) - span[0]) / ((span[1] - span[0]) or 1):.1f}"


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


def both(draw: Callable[[int], Markup]) -> Markup:
    """A figure as a desk and as a phone shows it; the style sheet hides one of them. `draw` takes the width."""
    if not (wide := draw(WIDE)):
        return wide
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, draw(NARROW))


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
        parts += _whisker(d, x(d.x), y, colour.get(d.curve, ""))
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


def curves(dots: Sequence[Dot]) -> dict[str, list[Dot]]:
    """Curve -> its dots from left to right; those of no curve are left out."""
    out: dict[str, list[Dot]] = {}
    for d in sorted(dots, key=lambda d: (d.curve, d.x, d.y)):
        if d.curve:
            out.setdefault(d.curve, []).append(d)
    return out


def _whisker(d: Dot, x: float, y: Callable[[float], float], colour: str = "") -> list[str]:
    """The interval of a point."""
    if d.low is None or d.high is None:
        return []
    kind = f"interval {colour}".strip()
    return [f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y(d.low):.1f}" y2="{y(d.high):.1f}"/>']


def pareto(dots: Sequence[Dot], up: bool = True, more: bool = False) -> list[Dot]:
    """Those for which nothing is both cheaper and better, cheapest first. `more`: a larger x is cheaper (a speed)."""
    out: list[Dot] = []
    for d in sorted(dots, key=lambda d: (-d.x if more else d.x, -d.y if up else d.y, d.name)):
        if not out or (d.y > out[-1].y if up else d.y < out[-1].y):
            out.append(d)
    return out


def histogram(values: Sequence[float], name: str, bins: int = 30) -> Markup:
    """Counts over equal bins, from the least to the 99th percentile; what lies above is in the last bin."""
    values = sorted(v for v in values if math.isfinite(v))
    if len(values) < 2 or values[-1] <= values[0]:
        return Markup("")
    low, high = values[0], values[min(len(values) - 1, int(0.99 * len(values)))]
    high = high if high > low else values[-1]
    counts = [0] * bins
    for v in values:
        counts[min(bins - 1, int((v - low) / (high - low) * bins))] += 1
    width, height, left, bottom = 480, 160, 40, 34
    step, most = (width - left - 8) / bins, max(counts)
    parts = [
        f'<rect class="bin" x="{left + i * step:.1f}" y="{8 + (height - bottom - 8) * (1 - c / most):.1f}" '
        f'width="{step - 1:.1f}" height="{(height - bottom - 8) * c / most:.1f}"/>'
        for i, c in enumerate(counts)
        if c
    ]
    parts.append(f'<line class="axis" x1="{left}" x2="{width - 8}" y1="{height - bottom}" y2="{height - bottom}"/>')
    for v, anchor, at in (
        (low, "start", left),
        ((low + high) / 2, "middle", (left + width) / 2),
        (high, "end", width - 8),
    ):
        parts.append(f'<text class="tick" x="{at}" y="{height - 18}" text-anchor="{anchor}">{number(v)}</text>')
    parts.append(
        f'<text class="title" x="{(left + width) / 2}" y="{height - 3}" text-anchor="middle">{escape(name)}</text>'
    )
    parts.append(f'<text class="tick" x="{left - 6}" y="16" text-anchor="end">{most}</text>')
    return svg(width, height, parts, "plot small", f"distribution of {name} over {len(values)} samples")


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
        parts += _whisker(d, x(i), y)
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


def axis_of(values: Sequence[float], start: float, end: float, count: int = 5):
    marks = ticks(min(values), max(values), count) if values else [0.0, 1.0]
    low, high = marks[0], marks[-1]
    return (lambda v: start + (end - start) * (v - low) / (high - low)), marks


def log_axis(values: Sequence[float], start: float, end: float, count: int = 5):
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


def grid(x_ticks, y_ticks, x, y, across, down, whole: bool = False) -> list[str]:
    """`whole`: the marks of x are whole numbers."""
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


def svg(width: int, height: int, parts: Sequence[str], kind: str, label: str, *, group: bool = False) -> Markup:
    role = f'role="{"group" if group else "img"}" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(  # every text inside was escaped where it was put in
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" {role} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def scale(values: Sequence[float | None]) -> list[float]:
    """Round marks that cover the values: those of a column of bars, which spans from the first to the last."""
    known = [v for v in values if v is not None and v == v]
    return ticks(min(known), max(known), 3) if known else [0.0, 1.0]


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
