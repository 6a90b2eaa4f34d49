"""Points of a figure: their intervals, their curves, and those that nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


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


def whisker(d: Dot, x: float, y: Callable[[float], float], colour: str = "") -> list[str]:
    """The interval of a point."""
    if d.low is None or d.high is None:
        return []
    kind = f"interval {colour}".strip()
    return [f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y(d.low):.1f}" y2="{y(d.high):.1f}"/>']


def curves(dots: Sequence[Dot]) -> dict[str, list[Dot]]:
    """Curve -> its dots from left to right; those of no curve are left out."""
    out: dict[str, list[Dot]] = {}
    for d in sorted(dots, key=lambda d: (d.curve, d.x, d.y)):
        if d.curve:
            out.setdefault(d.curve, []).append(d)
    return out


def pareto(dots: Sequence[Dot], up: bool = True, more: bool = False) -> list[Dot]:
    """Those for which nothing is both cheaper and better, cheapest first. `more`: a larger x is cheaper (a speed)."""
    out: list[Dot] = []
    for d in sorted(dots, key=lambda d: (-d.x if more else d.x, -d.y if up else d.y, d.name)):
        if not out or (d.y > out[-1].y if up else d.y < out[-1].y):
            out.append(d)
    return out
