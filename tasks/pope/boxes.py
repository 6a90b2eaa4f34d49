"""Where the objects of the embedded scenes are, for readers of samples. No prompt and no score knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from harness.records import packaged
from harness.tasks.pope.settings import EMBEDDED

BOXES = "boxes.parquet"
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in 0..1 of the picture's sides."""


@cache
def boxes(data: str) -> Mapping[str, Sequence[tuple[str, Box]]]:
    """Picture -> (object, box), largest object first; empty for records that are not the package's."""
    if data not in EMBEDDED:
        return {}
    found: dict[str, list[tuple[str, Box]]] = {}
    for row in packaged(Path(__file__).parent / data, BOXES):
        found.setdefault(row["image"], []).append((row["object"], tuple(row["box"])))
    return found
