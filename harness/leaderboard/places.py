"""A map of a board's samples by two of their details, such as the length of a document and the depth of its needle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

MOST = 8
"""Columns or rows; more numbers than that are gathered into ranges of equal width, of which empty ones are left out."""


def places(names: Sequence[str], details: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """{"names", "columns", "rows", "at"}: `at` holds two characters an item, its column and its row counted from "0",
    "--" where it has none. None where there is no map to draw."""
    if len(names) != 2:
        return None
    values = [[_value(of, name) for of in details] for name in names]
    sides = [_side(v) for v in values]
    if any(len(labels) < 2 for labels, _ in sides):
        return None
    codes = [[of.get(v, "-") for v in found] for found, (_, of) in zip(values, sides, strict=True)]
    at = "".join(x + y if "-" not in (x, y) else "--" for x, y in zip(*codes, strict=True))
    return {"names": [n.replace("_", " ") for n in names], "columns": sides[0][0], "rows": sides[1][0], "at": at}


def _value(details: Mapping[str, Any], name: str) -> float | str | None:
    """A number (of a list its mean), or a word."""
    value = details.get(name)
    if isinstance(value, list) and value and all(isinstance(v, int | float) for v in value):
        value = fmean(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return value if isinstance(value, str) or math.isfinite(value) else None


def _side(values: Sequence[float | str | None]) -> tuple[list[str], dict[float | str | None, str]]:
    """The labels of a side, and each value's character."""
    numbers = sorted({v for v in values if isinstance(v, int | float)})
    words = sorted({v for v in values if isinstance(v, str)})
    if len(numbers) <= MOST:
        order: list[float | str] = [*numbers, *words]
        return [f"{v:g}" if not isinstance(v, str) else v for v in order], {v: chr(48 + i) for i, v in enumerate(order)}
    low, width = numbers[0], (numbers[-1] - numbers[0]) / MOST
    ranges = {v: min(MOST - 1, int((v - low) / width)) for v in numbers}
    used = sorted(set(ranges.values()))
    labels = [f"{_round(low + width * i, width)} to {_round(low + width * (i + 1), width)}" for i in used]
    of: dict[float | str | None, str] = {v: chr(48 + used.index(i)) for v, i in ranges.items()}
    return [*labels, *words], of | {w: chr(48 + len(used) + i) for i, w in enumerate(words)}


def _round(value: float, width: float) -> str:
    return f"{value:.{max(0, 1 - math.floor(math.log10(width)))}f}" if width < 10 else f"{value:.0f}"
