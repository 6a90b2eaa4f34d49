"""A slice of the task: how long its sequences are, and how much must be kept in mind."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core import UsageError


@dataclass(frozen=True)
class Slice:
    """`length` positions. `pairs`: key-value pairs, needles, digits or tokens to be kept; of state tracking, items."""

    length: int
    pairs: int

    @property
    def name(self) -> str:
        return f"{self.length}x{self.pairs}"


def parsed(word: object) -> Slice:
    """64x4 -> 64 positions with 4 pairs. Raises UsageError."""
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(word))
    if not found:
        raise UsageError(f"task.slices: {word} is not LENGTHxPAIRS: write 64x4 for 64 positions with 4 pairs")
    return Slice(int(found[1]), int(found[2]))
