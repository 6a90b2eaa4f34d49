"""How values are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from harness.leaderboard.figures.svg import number, svg


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
