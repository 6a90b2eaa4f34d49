"""One way to match rows to samples, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

TOLERATED = 0.02
"""Share of rows that may ask something else than their sample: they are left out, and the others are scored."""


@dataclass
class Fit:
    """How rows were matched (`by`), and the samples of each. The others, by their places: `unknown` match no sample,
    `foreign` are of another split, `other` show another question or picture (row, sample), `unclear` may mean several
    samples (row, samples). `agreed` counts rows whose question or picture is their sample's."""

    by: str
    found: list[list[int]]
    unknown: list[int] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    other: list[tuple[int, int]] = field(default_factory=list)
    unclear: list[tuple[int, list[int]]] = field(default_factory=list)
    agreed: int = 0
    by_name: bool = False
    """Whether the name of the file told the group of some rows."""

    @property
    def used(self) -> int:
        return sum(map(bool, self.found))

    @property
    def sound(self) -> bool:
        return bool(self.used) and not self.unclear and len(self.other) <= TOLERATED * (self.used + len(self.other))
