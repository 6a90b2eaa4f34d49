"""What every figure is made with: its frame, its two widths, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

WIDE, NARROW = 720, 380
"""Widths of a figure, in units that are pixels on a desk and on a phone."""


def svg(width: int, height: int, parts: Sequence[str], kind: str, label: str, *, group: bool = False) -> Markup:
    """The parts in a frame of `width` by `height` units.

    Args:
        kind: Classes of the style sheet.
        label: What a screen reader says; "" hides the figure from it.
        group: Whether it says what is inside, too: for figures with links.
    """
    role = f'role="{"group" if group else "img"}" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(  # every text inside was escaped where it was put in
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" {role} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def both(draw: Callable[[int], Markup]) -> Markup:
    """A figure as a desk and as a phone shows it; the style sheet hides one of them. `draw` takes the width."""
    if not (wide := draw(WIDE)):
        return wide
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, draw(NARROW))


def number(value: float | None, digits: int = 3) -> str:
    """A value with `digits` behind the point where it is below 10; a dash for none."""
    if value is None or value != value:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"
